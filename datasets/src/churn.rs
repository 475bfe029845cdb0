//! What changes in an estate, planned ahead: replicas that come and go, places, and the weather.

use std::collections::VecDeque;

use crate::estate::{Capture, Estate, ServiceIdx};
use crate::random::Rng;
use crate::rhythm::is_weekend;
use crate::scenario::JUDGED_DAYS_MAX;
use crate::{DAY_SECS, HOUR_SECS, MINUTE_SECS, Options};

/// One change to the estate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// A new replica starts.
    Start(ServiceIdx),
    /// The oldest replica stops, unless it is the last one.
    Stop(ServiceIdx),
    /// All replicas stop.
    TakeDown(ServiceIdx),
    /// Replicas started from now on are in other subnets.
    Move(ServiceIdx),
    /// The load balancer's node of that number is replaced.
    ReplaceNode(usize),
    /// So many times as many people as usual.
    Demand(f64),
    /// That share of the visitors are those of another region.
    Elsewhere(f64),
    /// What becomes of the records.
    Capture(Capture),
    /// That share of the connections that could goes over IPv6.
    V6(f64),
    /// The clocks go forward by so many seconds.
    Clocks(i64),
}

impl Change {
    /// Makes it; says whether the inventory changes.
    fn make(self, estate: &mut Estate, time: i64) -> bool {
        match self {
            Self::Start(service) => estate.add_replica(service, time),
            Self::Stop(service) => estate.retire_replica(service, time),
            Self::TakeDown(service) => estate.take_down(service, time),
            Self::ReplaceNode(node) => estate.replace_node(node, time),
            Self::Move(service) => estate.move_service(service),
            Self::Demand(demand) => estate.weather.demand = demand,
            Self::Elsewhere(share) => estate.weather.elsewhere = share,
            Self::V6(share) => estate.weather.v6_share = share,
            Self::Capture(capture) => estate.weather.capture = capture,
            Self::Clocks(secs) => estate.variety.rhythm.ahead_secs += secs,
        }
        let is_replica = matches!(self, Self::Start(_) | Self::Stop(_) | Self::TakeDown(_));
        is_replica || matches!(self, Self::ReplaceNode(_) | Self::V6(_))
    }
}

/// Changes and their times in Unix seconds.
#[derive(Debug, Default)]
pub(crate) struct Plan(Vec<(i64, Change)>);

impl Plan {
    /// Makes a change at a time.
    pub(crate) fn at(&mut self, time: i64, change: Change) {
        self.0.push((time, change));
    }

    /// Replaces replicas one by one: the new one first, then the old one goes.
    pub(crate) fn deploy(&mut self, service: ServiceIdx, n: usize, at: i64, every_secs: i64) {
        for turn in 0..n as i64 {
            let time = at + turn * every_secs;
            self.0.push((time, Change::Start(service)));
            self.0.push((time + every_secs / 2, Change::Stop(service)));
        }
    }

    /// Starts replicas one by one.
    pub(crate) fn grow(&mut self, service: ServiceIdx, n: usize, at: i64, every_secs: i64) {
        self.0.extend((0..n as i64).map(|turn| (at + turn * every_secs, Change::Start(service))));
    }

    /// Stops replicas one by one.
    pub(crate) fn shrink(&mut self, service: ServiceIdx, n: usize, at: i64, every_secs: i64) {
        self.0.extend((0..n as i64).map(|turn| (at + turn * every_secs, Change::Stop(service))));
    }

    /// What happens in any shop: on every day two services follow the demand, and on every working
    /// day one of the others is deployed. `settled` are left as they are on the days that are judged.
    /// Days beyond the end are planned too, for a branch that goes on longer.
    pub(crate) fn everyday(&mut self, estate: &Estate, options: &Options, settled: &[ServiceIdx]) {
        let mut rng = Rng::new(options.seed, "churn");
        let elastic = estate.elastic();
        let mut steady = estate.of_kind(crate::catalogue::Kind::is_app);
        steady.retain(|service| !elastic.contains(service));
        let n_days = i64::from(options.days + JUDGED_DAYS_MAX);
        let ahead_secs = estate.variety.rhythm.ahead_secs;
        for day in (0..n_days).map(|day| options.start + day * DAY_SECS - ahead_secs) {
            let minutes = |rng: &mut Rng, low, high| rng.between(low, high) * MINUTE_SECS;
            for &service in &elastic {
                let n = 1 + rng.index(2);
                let morning = day + 8 * HOUR_SECS + minutes(&mut rng, 0, 90);
                let evening = day + 21 * HOUR_SECS + minutes(&mut rng, 0, 90);
                self.grow(service, n, morning, minutes(&mut rng, 5, 60));
                self.shrink(service, n, evening, minutes(&mut rng, 5, 20));
            }
            let at = day + 9 * HOUR_SECS + minutes(&mut rng, 0, 420);
            let is_judged = at >= options.learn_until();
            let deployed =
                rng.pick(&steady).filter(|&service| !is_judged || !settled.contains(&service));
            if let Some(service) = deployed.filter(|_| !is_weekend(day + ahead_secs)) {
                let n = estate.replicas(service).len();
                self.deploy(service, n, at, minutes(&mut rng, 3, 7));
            }
        }
    }
}

/// The changes still to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Churn(VecDeque<(i64, Change)>);

impl Churn {
    /// Adds what is planned; of changes at one time, those planned first are made first.
    pub(crate) fn add(&mut self, plan: Plan) {
        self.0.extend(plan.0);
        self.0.make_contiguous().sort_by_key(|&(time, _)| time);
    }

    /// Makes the changes due before a time; says whether the inventory changes.
    pub(crate) fn apply(&mut self, estate: &mut Estate, before: i64) -> bool {
        let mut has_changed = false;
        while let Some(&(time, change)) = self.0.front()
            && time < before
        {
            has_changed |= change.make(estate, time);
            self.0.pop_front();
        }
        has_changed
    }
}
