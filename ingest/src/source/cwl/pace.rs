//! How fast requests may follow each other: at the rate given, slower after a refusal for speed.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Lets one request through at a time.
#[derive(Debug)]
pub(super) struct Pace {
    /// Made by the first request: it belongs to the runtime.
    ticks: Option<Interval>,
    period: Duration,
    period_min: Duration,
}

/// Other readers share the account's quota, so one may have to go far below it.
const PERIOD_MAX: Duration = Duration::from_secs(10);

/// A rate that is no rate is this one.
const REQUESTS_PER_SECOND_MIN: f64 = 0.01;
const REQUESTS_PER_SECOND_MAX: f64 = 1000.0;

impl Pace {
    pub(super) fn new(requests_per_second: f64) -> Self {
        let rate = if requests_per_second.is_finite() { requests_per_second } else { 1.0 };
        let rate = rate.clamp(REQUESTS_PER_SECOND_MIN, REQUESTS_PER_SECOND_MAX);
        let period_min = Duration::from_secs_f64(rate.recip());
        Self { ticks: None, period: period_min, period_min }
    }

    /// Waits for the turn of the next request.
    pub(super) async fn turn(&mut self) {
        let period = self.period;
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
        if ticks.period() != period {
            let mut changed = interval(period);
            changed.set_missed_tick_behavior(MissedTickBehavior::Delay);
            changed.reset();
            self.ticks = Some(changed);
        }
    }

    /// The service found it too fast.
    pub(super) fn slower(&mut self) {
        self.period = (self.period * 2).min(PERIOD_MAX.max(self.period_min));
    }

    /// The service answered: back to the rate given, little by little.
    pub(super) fn answered(&mut self) {
        self.period = (self.period * 9 / 10).max(self.period_min);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_slows_down_and_answers_speed_up_again() {
        let mut pace = Pace::new(4.0);
        for _ in 0..20 {
            pace.slower();
        }
        assert_eq!(pace.period, PERIOD_MAX);
        for _ in 0..100 {
            pace.answered();
        }
        assert_eq!(pace.period, Duration::from_millis(250));
    }

    #[test]
    fn any_rate_is_one() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let mut pace = Pace::new(rate);
            pace.slower();
            assert!(pace.period > Duration::ZERO, "{rate}");
        }
    }
}
