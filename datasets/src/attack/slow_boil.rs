//! A little more every day: what one service sends to a place it always went, or what all of them do.

use super::Foothold;
use crate::connection::{Connection, End, Exchange};
use crate::estate::ServiceIdx;
use crate::random::{Rng, exp, ln};
use crate::traffic::{Reporting, Source, second, tcp};
use crate::wire::{Moment, Wire};
use crate::{DAY_SECS, HOUR_SECS};

/// What a service sends each day against the day before.
const GROWTH_PER_DAY: f64 = 1.05;

/// In how many connections an hour the surplus goes out.
const CONNECTIONS_PER_HOUR: f64 = 2.0;

/// More and more reports of one service.
#[derive(Clone)]
pub(crate) struct Rise {
    service: ServiceIdx,
    /// The attack it is; nothing when it has a reason.
    label: Option<&'static str>,
    start: i64,
    reporting: Reporting,
    rng: Rng,
}

impl Rise {
    /// What an intruder adds to a service's reports, from one replica.
    pub(crate) fn stolen(from: Foothold, start: i64, seed: u64, rng: Rng) -> Self {
        let label = Some("slow-boil");
        Self { service: from.service, label, start, reporting: Reporting::new(seed), rng }
    }

    /// What a service sends that has more to report, from any replica.
    pub(crate) fn earned(service: ServiceIdx, start: i64, seed: u64, rng: Rng) -> Self {
        Self { service, label: None, start, reporting: Reporting::new(seed), rng }
    }

    /// So many times as much as at the start is sent at a time, less once.
    fn surplus(&self, time: i64) -> f64 {
        let days = (time - self.start).div_euclid(DAY_SECS) + 1;
        if days < 1 { 0.0 } else { exp(ln(GROWTH_PER_DAY) * days as f64) - 1.0 }
    }
}

impl Source for Rise {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let replicas = now.estate.replicas(self.service);
        let surplus = self.surplus(now.from);
        let per_hour = self.reporting.bytes_per_hour() * replicas.len() as f64 * surplus;
        let hours = now.secs() / HOUR_SECS as f64;
        for _ in 0..self.rng.poisson(if surplus > 0.0 { CONNECTIONS_PER_HOUR * hours } else { 0.0 })
        {
            let rng = &mut self.rng;
            let sender =
                if self.label.is_some() { replicas.first().copied() } else { rng.pick(replicas) };
            let Some(sender) = sender else { return };
            let server = End::Outside(self.reporting.host(rng));
            let connection =
                Connection { label: self.label, ..tcp(rng, End::Inside(sender), server, 443) };
            let exchange = Exchange {
                start: second(rng, now),
                secs: rng.exponential(6.0) as i64,
                sent: rng.lognormal(per_hour / CONNECTIONS_PER_HOUR, 0.3),
                received: rng.lognormal(9_000.0, 0.3),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_a_day_is_two_and_a_half_times_as_much_on_the_nineteenth() {
        let service = Foothold::of(crate::estate::ServiceIdx::FIRST);
        let rise = Rise::stolen(service, 0, 1, Rng::new(1, "test"));
        let level = |day: i64| 1.0 + rise.surplus(day * DAY_SECS);
        assert!((rise.surplus(-1)).abs() < 1e-12);
        assert!((level(0) - 1.05).abs() < 1e-9);
        assert!(level(17) < 2.5 && level(18) > 2.5, "{} {}", level(17), level(18));
    }
}
