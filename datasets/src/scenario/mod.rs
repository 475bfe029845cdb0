//! What can be generated: a table of scenarios, and how each lays its events into an estate's days.
//!
//! Scenarios pick their places by kind of service, so that each works on every topology.

mod attacks;
mod benign;
#[cfg(test)]
mod tests;

use crate::attack::Foothold;
use crate::catalogue::Kind;
use crate::churn::Plan;
use crate::estate::{Estate, ServiceIdx};
use crate::random::Rng;
use crate::traffic::Source;
use crate::{HOUR_SECS, MINUTE_SECS, Options};

/// Whether a scenario has something to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Somebody does harm: what they do is labelled.
    Attack,
    /// Nobody does: whatever is found is a false alarm.
    Benign,
}

/// A scenario: a name, what it is, and what it adds to ordinary days.
#[derive(Debug)]
pub struct Scenario {
    /// What to ask for it by.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// Whether there is something to find.
    pub nature: Nature,
    services: u32,
    days: u32,
    /// How many of the days, the last ones, are judged; what comes before is for learning.
    pub(crate) judged_days: u32,
    /// What has to be there from the start; a scenario with such things has a history of its own.
    pub(crate) prepare: Option<fn(&mut Setup)>,
    /// What is laid into the judged days, at their beginning.
    pub(crate) lay: fn(&mut Setup),
}

/// The most days any scenario is judged for.
pub(crate) const JUDGED_DAYS_MAX: u32 = 30;

impl Scenario {
    /// How many services and days it has unless told otherwise.
    pub(crate) fn extent(&self) -> (u32, u32) {
        (self.services, self.days)
    }

    /// How many of its days, the last ones, are judged.
    pub fn judged_days(&self) -> u32 {
        self.judged_days
    }

    /// What tells its days before the judged ones from others': scenarios of one history can branch
    /// from it.
    pub fn history(&self) -> &'static str {
        if self.prepare.is_some() { self.name } else { "" }
    }

    /// The same, judged for so many days.
    const fn judged(self, judged_days: u32) -> Self {
        Self { judged_days, days: self.days + judged_days - self.judged_days, ..self }
    }

    /// The same with something that has to be there from the start.
    const fn prepared(self, prepare: fn(&mut Setup)) -> Self {
        Self { prepare: Some(prepare), ..self }
    }

    /// Whether it is made of records alone, for measuring speed.
    pub(crate) fn is_bulk(&self) -> bool {
        self.name == "bench"
    }
}

const fn attack(name: &'static str, description: &'static str, lay: fn(&mut Setup)) -> Scenario {
    let (nature, services, days) = (Nature::Attack, 12, 4);
    Scenario { name, description, nature, services, days, judged_days: 1, prepare: None, lay }
}

const fn benign(name: &'static str, description: &'static str, lay: fn(&mut Setup)) -> Scenario {
    Scenario { nature: Nature::Benign, ..attack(name, description, lay) }
}

/// All scenarios.
static SCENARIOS: [Scenario; 49] = [
    Scenario {
        services: 20,
        days: 7,
        ..benign("shop", "ordinary days, nothing wrong with them", |_| {})
    },
    attack(
        "intrusion",
        "on the last day a replica sweeps, scans, moves on, calls home and uploads",
        attacks::intrusion,
    ),
    attack("port-scan", "a replica scans ports of a few others", attacks::port_scan),
    attack("scan-slow", "the same, one probe every few minutes", attacks::scan_slow),
    attack("scan-distributed", "three replicas share one scan", attacks::scan_distributed),
    attack("sweep", "a replica sweeps its neighbours for one port", attacks::sweep),
    attack("sweep-slow", "the same, one address every few minutes", attacks::sweep_slow),
    attack("lateral-move", "a replica logs in where it never went", attacks::lateral_move),
    attack("lateral-ssh", "the same, over ssh", attacks::lateral_ssh),
    attack("lateral-database", "the same, at a database's own port", attacks::lateral_database),
    attack("lateral-windows", "the same, over RDP, WinRM or SMB", attacks::lateral_windows),
    attack(
        "decoy",
        "a replica logs in where it never went, on an errand; then another one does, sweeps and uploads",
        attacks::decoy,
    ),
    attack("new-port", "a replica meets a known peer on a new port", attacks::new_port),
    attack("beacon", "a replica calls home, with any period, jitter and size", attacks::beacon),
    attack("beacon-jittered", "the same, far off its period", attacks::beacon_jittered),
    attack("beacon-slow", "the same, by the hour", attacks::beacon_slow).judged(2),
    attack("exfiltration", "a replica uploads a gigabyte to a stranger", attacks::exfiltration),
    attack("low-and-slow", "the same over three days, some megabytes at a time", attacks::trickle)
        .judged(3),
    attack("low-and-slow-irregular", "the same, by no clock", attacks::trickle_at_any_time)
        .judged(3),
    attack(
        "beacon-ipv6",
        "a replica calls home over IPv6, on the day the estate turns to it",
        attacks::beacon_ipv6,
    ),
    attack(
        "exfiltration-ipv6",
        "a replica uploads a gigabyte over IPv6, on the day the estate turns to it",
        attacks::exfiltration_ipv6,
    ),
    attack(
        "slow-boil",
        "what one service sends out grows by a twentieth a day for three weeks",
        attacks::slow_boil,
    )
    .judged(21),
    attack("denied-spike", "a replica tries a closed port again and again", attacks::denied_spike),
    attack(
        "brute-force",
        "a replica guesses passwords at a server it calls anyway",
        attacks::brute_force,
    ),
    attack(
        "insider",
        "somebody logs in to a strange database at night, and uploads",
        attacks::insider,
    ),
    benign(
        "rolling-deploy",
        "fifty replicas are replaced one by one, their addresses reused by others",
        benign::rolling_deploy,
    )
    .prepared(benign::fleet),
    benign("blue-green", "a second fleet starts, then the first one goes", benign::blue_green),
    benign("scale-out", "a service grows to twenty times its size and back", benign::scale_out),
    benign("scale-from-one", "from one replica to fifty and back to one", benign::scale_from_one)
        .prepared(benign::single),
    benign("address-reuse", "services get the addresses others gave back", benign::address_reuse),
    benign("new-subnet", "a service and its stores move to other subnets", benign::new_subnet),
    benign("takedown", "a service is taken down for good", benign::takedown),
    benign("new-service", "a service joins, with a database and callers", benign::new_service),
    benign("failover", "another region's visitors come here", benign::failover),
    benign("marketing-peak", "five times as many visitors for hours", benign::marketing_peak),
    benign("slow-growth", "everything grows by a twentieth a day", benign::slow_growth).judged(21),
    benign("backups", "large backups every night, as always", |_| {}).prepared(benign::backups),
    benign("monthly-batch", "a batch that has run once before", |_| {})
        .prepared(benign::monthly_batch),
    benign("vulnerability-scanner", "an allowed scanner's round, as every night", |_| {})
        .prepared(benign::vulnerability_scanner),
    benign(
        "agents",
        "every replica reports to a vendor by the clock, as always; a service joins and does too",
        benign::new_service,
    )
    .prepared(benign::agents),
    benign("uptime-monitor", "somebody outside asks every minute, as always", |_| {})
        .prepared(benign::uptime_monitor),
    benign("new-uptime-monitor", "somebody outside begins to ask", benign::new_uptime_monitor),
    benign("health-checks", "the load balancer asks far more often", benign::health_checks),
    benign("balancer-nodes", "the load balancer's nodes are replaced", benign::balancer_nodes),
    benign("skipped-data", "records are skipped at some interfaces", benign::skipped_data),
    benign("flow-log-gap", "the flow log is off for some hours", benign::flow_log_gap),
    benign("ipv6", "half of what could goes over IPv6 from now on", benign::ipv6),
    benign("daylight-saving", "the clocks go forward", benign::daylight_saving).judged(2),
    Scenario {
        services: 60,
        days: 1,
        ..benign("bench", "plain records by the million, for measuring speed", |_| {})
    },
];
/// All scenarios, with their names and descriptions.
pub fn scenarios() -> &'static [Scenario] {
    &SCENARIOS
}

pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// The names, for messages.
pub(crate) fn names() -> String {
    SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ")
}

/// What a scenario works on: before time starts, or when the judged days begin.
pub(crate) struct Setup<'a> {
    pub(crate) options: &'a Options,
    pub(crate) estate: &'a mut Estate,
    pub(crate) plan: &'a mut Plan,
    /// The attacks.
    pub(crate) sources: Vec<Box<dyn Source>>,
    /// The services that are broken into, the first one by whoever comes alone; they are left alone by
    /// everything else on the judged days.
    pub(crate) victims: Vec<ServiceIdx>,
}

/// How many services are broken into at most.
const VICTIMS: usize = 3;

/// The services an intruder gets into: those that run requests and call something that stays.
pub(crate) fn victims(estate: &Estate, seed: u64) -> Vec<ServiceIdx> {
    let elastic = estate.elastic();
    let mut candidates = estate.of_kind(|kind| kind == Kind::App);
    candidates.retain(|&service| {
        let is_fixed = |&to: &ServiceIdx| !estate.service(to).entry.kind.is_app();
        estate.calls(service).iter().any(is_fixed) && !elastic.contains(&service)
    });
    let mut rng = Rng::new(seed, "victim");
    let n_victims = VICTIMS.min(candidates.len());
    (0..n_victims).map(|_| candidates.swap_remove(rng.index(candidates.len()))).collect()
}

impl Setup<'_> {
    fn rng(&self, stream: &str) -> Rng {
        Rng::new(self.options.seed, stream)
    }

    /// Where an intruder who comes alone sits.
    fn foothold(&self) -> Foothold {
        Foothold::of(self.victims[0])
    }

    /// A time on the first judged day, by the clocks of the people there; not before its start.
    fn hour(&self, local_hour: i64) -> i64 {
        let first = self.options.learn_until();
        let ahead_secs = self.estate.variety.rhythm.ahead_secs;
        (first + local_hour * HOUR_SECS - ahead_secs).max(first + MINUTE_SECS)
    }

    /// When a single attack begins: on the first judged day, from 9 to 15 o'clock.
    fn start(&self) -> i64 {
        self.hour(9) + self.rng("start").between(0, 6 * HOUR_SECS)
    }

    /// When something that takes hours begins: early on the first judged day.
    fn early_start(&self) -> i64 {
        self.hour(4) + self.rng("start").between(0, 5 * HOUR_SECS)
    }

    fn add(&mut self, source: impl Source + 'static) {
        self.sources.push(Box::new(source));
    }
}
