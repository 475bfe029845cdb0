//! What can be generated: a table of scenarios, and how each lays its events into the shop's days.

use crate::attack::{
    Beacon, DeniedSpike, Exfiltration, Foothold, LateralMove, NewPort, PortScan, Sweep,
};
use crate::catalogue::Kind;
use crate::churn::{ELASTIC, Plan};
use crate::estate::{Estate, ServiceIdx};
use crate::random::Rng;
use crate::traffic::Source;
use crate::{HOUR_SECS, MINUTE_SECS, Options};

/// A scenario: a name, what it is, and what it adds to ordinary days.
#[derive(Debug)]
pub struct Scenario {
    /// What to ask for it by.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
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

    /// The same with something that has to be there from the start.
    const fn prepared(self, prepare: fn(&mut Setup)) -> Self {
        Self { prepare: Some(prepare), ..self }
    }

    /// Whether it is made of records alone, for measuring speed.
    pub(crate) fn is_bulk(&self) -> bool {
        self.name == "bench"
    }
}

const fn scenario(
    name: &'static str,
    description: &'static str,
    (services, days): (u32, u32),
    lay: fn(&mut Setup),
) -> Scenario {
    Scenario { name, description, services, days, judged_days: 1, prepare: None, lay }
}

/// All scenarios.
static SCENARIOS: [Scenario; 12] = [
    scenario("shop", "a week in a shop, nothing wrong with it", (20, 7), |_| {}),
    scenario(
        "intrusion",
        "on the last day a replica sweeps, scans, moves on, calls home and uploads",
        (12, 4),
        intrusion,
    ),
    scenario("port-scan", "a replica scans hundreds of ports of a few others", (12, 4), port_scan),
    scenario("sweep", "a replica sweeps its /24 on three ports", (12, 4), sweep),
    scenario("lateral-move", "a replica logs in where it never went", (12, 4), lateral_move),
    scenario("beacon", "a replica calls home for hours", (12, 4), beacon),
    scenario("exfiltration", "a replica uploads a gigabyte to a stranger", (12, 4), exfiltration),
    scenario("new-port", "a replica meets a known peer on a new port", (12, 4), new_port),
    scenario(
        "denied-spike",
        "a replica tries a closed port again and again",
        (12, 4),
        denied_spike,
    ),
    scenario(
        "rolling-deploy",
        "fifty replicas are replaced one by one, their addresses reused by others",
        (12, 4),
        rolling_deploy,
    )
    .prepared(fleet),
    scenario("scale-out", "a service grows to twenty times its size and back", (12, 4), scale_out),
    scenario("bench", "plain records by the million, for measuring speed", (60, 1), |_| {}),
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
    /// The service that is broken into, and left alone by everything else on the last day.
    pub(crate) victim: ServiceIdx,
}

/// The service an intruder gets into: one that runs requests and calls something that stays.
pub(crate) fn victim(estate: &Estate, seed: u64) -> Option<ServiceIdx> {
    let mut candidates = estate.of_kind(|kind| kind == Kind::App);
    candidates.retain(|&service| {
        let entry = estate.service(service).entry;
        let called = entry.calls.iter().filter_map(|name| estate.named(name));
        let has_fixed = called.into_iter().any(|to| !estate.service(to).entry.kind.is_app());
        has_fixed && !ELASTIC.contains(&entry.name)
    });
    Rng::new(seed, "victim").pick(&candidates)
}

impl Setup<'_> {
    fn rng(&self, stream: &str) -> Rng {
        Rng::new(self.options.seed, stream)
    }

    fn foothold(&self) -> Foothold {
        Foothold { service: self.victim }
    }

    /// When a single attack begins: on the last day, from 9 to 15 o'clock.
    fn start(&self) -> i64 {
        let mut rng = self.rng("start");
        self.options.learn_until() + 9 * HOUR_SECS + rng.between(0, 6 * HOUR_SECS)
    }

    fn add(&mut self, source: impl Source + 'static) {
        self.sources.push(Box::new(source));
    }
}

fn intrusion(setup: &mut Setup) {
    let mut rng = setup.rng("chain");
    let mut pause = |low, high| rng.between(low * MINUTE_SECS, high * MINUTE_SECS);
    let swept = setup.options.learn_until() + pause(120, 540);
    let scanned = swept + pause(8, 25);
    let moved = scanned + pause(15, 60);
    let called = moved + pause(2, 20);
    let uploaded = called + pause(120, 300);
    let end = setup.options.end();
    let (from, rng) = (setup.foothold(), |stream| Rng::new(setup.options.seed, stream));
    let sweep = Sweep::new(from, swept, rng("sweep"));
    let scan = PortScan::new(from, scanned, rng("port-scan"));
    let lateral = LateralMove::new(setup.estate, from, moved, rng("lateral-move"));
    let beacon = Beacon::new(from, called, end, rng("beacon"));
    let upload = Exfiltration::new(from, uploaded, rng("exfiltration"));
    setup.add(sweep);
    setup.add(scan);
    setup.add(lateral);
    setup.add(beacon);
    setup.add(upload);
}

fn port_scan(setup: &mut Setup) {
    setup.add(PortScan::new(setup.foothold(), setup.start(), setup.rng("port-scan")));
}

fn sweep(setup: &mut Setup) {
    setup.add(Sweep::new(setup.foothold(), setup.start(), setup.rng("sweep")));
}

fn lateral_move(setup: &mut Setup) {
    let rng = setup.rng("lateral-move");
    let lateral = LateralMove::new(setup.estate, setup.foothold(), setup.start(), rng);
    setup.add(lateral);
}

fn beacon(setup: &mut Setup) {
    let (start, end) = (setup.start() - 6 * HOUR_SECS, setup.options.end());
    setup.add(Beacon::new(setup.foothold(), start, end, setup.rng("beacon")));
}

fn exfiltration(setup: &mut Setup) {
    setup.add(Exfiltration::new(setup.foothold(), setup.start(), setup.rng("exfiltration")));
}

fn new_port(setup: &mut Setup) {
    let rng = setup.rng("new-port");
    let new_port = NewPort::new(setup.estate, setup.foothold(), setup.start(), rng);
    setup.add(new_port);
}

fn denied_spike(setup: &mut Setup) {
    let stores = setup.estate.of_kind(Kind::is_store);
    let mut rng = setup.rng("denied-spike");
    if let Some(target) = rng.pick(&stores) {
        setup.add(DeniedSpike::new(setup.foothold(), target, setup.start(), rng));
    }
}

/// How many replicas the service of [`rolling_deploy`] has.
const FLEET: usize = 50;

fn fleet(setup: &mut Setup) {
    let Some(fleet) = setup.estate.named("catalogue") else { return };
    while setup.estate.replicas(fleet).len() < FLEET {
        setup.estate.add_replica(fleet, setup.options.start);
    }
}

fn rolling_deploy(setup: &mut Setup) {
    let Some(fleet) = setup.estate.named("catalogue") else { return };
    let start = setup.options.learn_until() + 10 * HOUR_SECS;
    setup.plan.deploy(fleet, FLEET, start, 100);
    // Others grow meanwhile, and get the addresses the fleet gives back.
    for (turn, name) in ["carts", "orders", "users"].into_iter().enumerate() {
        if let Some(service) = setup.estate.named(name) {
            let at = start + (20 + 3 * turn as i64) * MINUTE_SECS;
            setup.plan.grow(service, 6, at, 10 * MINUTE_SECS);
            setup.plan.shrink(service, 6, at + 6 * HOUR_SECS, 5 * MINUTE_SECS);
        }
    }
}

fn scale_out(setup: &mut Setup) {
    let Some(service) = setup.estate.named("carts") else { return };
    let n = 19 * setup.estate.replicas(service).len();
    let start = setup.options.learn_until() + 9 * HOUR_SECS;
    setup.plan.grow(service, n, start, 90);
    setup.plan.shrink(service, n, start + 5 * HOUR_SECS, 60);
    if let Some(other) = setup.estate.named("payments") {
        setup.plan.grow(other, 4, start + 8 * HOUR_SECS, 10 * MINUTE_SECS);
    }
}
