//! The attacks: who does what when.

use super::Setup;
use crate::attack::{
    Beacon, BruteForce, DeniedSpike, Door, Exfiltration, Foothold, LateralMove, Manner, NewPort,
    PortScan, Rise, Sweep,
};
use crate::catalogue::Kind;
use crate::churn::Change;
use crate::random::Rng;
use crate::{DAY_SECS, HOUR_SECS, MINUTE_SECS};

/// How often a channel calls at most: few enough to be lost among an estate's records.
const CALLS: i64 = 60;

/// How often it does in the course of a whole intrusion.
const CALLS_OF_CHAIN: i64 = 20;

pub(super) fn intrusion(setup: &mut Setup) {
    let mut rng = setup.rng("chain");
    let mut pause = |low, high| rng.between(low * MINUTE_SECS, high * MINUTE_SECS);
    let swept = setup.options.learn_until() + pause(120, 540);
    let scanned = swept + pause(8, 25);
    let moved = scanned + pause(15, 60);
    let called = moved + pause(2, 20);
    let uploaded = called + pause(120, 300);
    let end = setup.options.end();
    let (from, rng) = (setup.foothold(), |stream| Rng::new(setup.options.seed, stream));
    let (manner, door) = (Manner::brisk(&mut rng("manner")), Door::drawn(&mut rng("door")));
    let sweep = Sweep::fast(from, swept, rng("sweep"));
    let scan = PortScan::brief(from, scanned, rng("port-scan"));
    let lateral = LateralMove::new(setup.estate, from, (moved, door), rng("lateral-move"));
    let beacon = Beacon::new(from, (called, end), (manner, CALLS_OF_CHAIN), rng("beacon"));
    let upload = Exfiltration::fast(from, uploaded, rng("exfiltration"));
    setup.add(sweep);
    setup.add(scan);
    setup.add(lateral);
    setup.add(beacon);
    setup.add(upload);
}

pub(super) fn port_scan(setup: &mut Setup) {
    setup.add(PortScan::fast(setup.foothold(), setup.start(), setup.rng("port-scan")));
}

pub(super) fn scan_slow(setup: &mut Setup) {
    setup.add(PortScan::slow(setup.foothold(), setup.early_start(), setup.rng("port-scan")));
}

pub(super) fn scan_distributed(setup: &mut Setup) {
    let from: Vec<Foothold> = setup.victims.iter().map(|&service| Foothold::of(service)).collect();
    for scan in PortScan::shared(&from, setup.start(), setup.rng("port-scan")) {
        setup.add(scan);
    }
}

pub(super) fn sweep(setup: &mut Setup) {
    setup.add(Sweep::fast(setup.foothold(), setup.start(), setup.rng("sweep")));
}

pub(super) fn sweep_slow(setup: &mut Setup) {
    setup.add(Sweep::slow(setup.foothold(), setup.early_start(), setup.rng("sweep")));
}

pub(super) fn lateral_move(setup: &mut Setup) {
    let door = Door::drawn(&mut setup.rng("door"));
    lateral(setup, door);
}

pub(super) fn lateral_ssh(setup: &mut Setup) {
    lateral(setup, Door::Ssh);
}

pub(super) fn lateral_database(setup: &mut Setup) {
    lateral(setup, Door::Database);
}

pub(super) fn lateral_windows(setup: &mut Setup) {
    lateral(setup, Door::Windows);
}

/// What comes first is somebody's errand, and on another replica.
pub(super) fn decoy(setup: &mut Setup) {
    let (from, start) = (setup.foothold(), setup.start());
    let mut rng = setup.rng("decoy");
    let errand = start - rng.between(HOUR_SECS, 3 * HOUR_SECS);
    let swept = start + rng.between(10 * MINUTE_SECS, 30 * MINUTE_SECS);
    let uploaded = swept + rng.between(HOUR_SECS, 2 * HOUR_SECS);
    let moved = (start, Door::drawn(&mut setup.rng("door")));
    let lateral = LateralMove::new(setup.estate, from, moved, setup.rng("lateral-move"));
    let errand = lateral.done_by(Foothold { nth: from.nth + 1, ..from }, errand, rng);
    let sweep = Sweep::fast(from, swept, setup.rng("sweep"));
    let upload = Exfiltration::fast(from, uploaded, setup.rng("exfiltration"));
    setup.add(errand);
    setup.add(lateral);
    setup.add(sweep);
    setup.add(upload);
}

fn lateral(setup: &mut Setup, door: Door) {
    let (from, rng) = (setup.foothold(), setup.rng("lateral-move"));
    let lateral = LateralMove::new(setup.estate, from, (setup.start(), door), rng);
    setup.add(lateral);
}

pub(super) fn beacon(setup: &mut Setup) {
    let manner = Manner::drawn(&mut setup.rng("manner"));
    call_home(setup, manner);
}

pub(super) fn beacon_jittered(setup: &mut Setup) {
    let manner = Manner::jittered(&mut setup.rng("manner"));
    call_home(setup, manner);
}

pub(super) fn beacon_slow(setup: &mut Setup) {
    let manner = Manner::slow(&mut setup.rng("manner"));
    call_home(setup, manner);
}

fn call_home(setup: &mut Setup, manner: Manner) {
    let times = (setup.early_start(), setup.options.end());
    setup.add(Beacon::new(setup.foothold(), times, (manner, CALLS), setup.rng("beacon")));
}

pub(super) fn exfiltration(setup: &mut Setup) {
    setup.add(Exfiltration::fast(setup.foothold(), setup.start(), setup.rng("exfiltration")));
}

/// Comes with the estate's own first IPv6 networks, when a new one is hardly news.
pub(super) fn beacon_ipv6(setup: &mut Setup) {
    turn_to_ipv6(setup);
    let (manner, times) =
        (Manner::drawn(&mut setup.rng("manner")), (setup.start(), setup.options.end()));
    let beacon = Beacon::new(setup.foothold(), times, (manner, CALLS), setup.rng("beacon"));
    setup.add(beacon.over_v6());
}

/// See [`beacon_ipv6`].
pub(super) fn exfiltration_ipv6(setup: &mut Setup) {
    turn_to_ipv6(setup);
    let upload = Exfiltration::fast(setup.foothold(), setup.start(), setup.rng("exfiltration"));
    setup.add(upload.over_v6());
}

/// Half of what could goes over IPv6, from early on the day.
fn turn_to_ipv6(setup: &mut Setup) {
    setup.plan.at(setup.hour(7), Change::V6(0.5));
}

pub(super) fn trickle(setup: &mut Setup) {
    let trickle = slow_upload(setup);
    setup.add(trickle);
}

pub(super) fn trickle_at_any_time(setup: &mut Setup) {
    let trickle = slow_upload(setup).at_any_time();
    setup.add(trickle);
}

fn slow_upload(setup: &Setup) -> Exfiltration {
    let start = setup.early_start();
    let secs = setup.options.end() - start - HOUR_SECS;
    let secs = secs.min(3 * DAY_SECS);
    Exfiltration::slow(setup.foothold(), (start, secs), setup.rng("exfiltration"))
}

pub(super) fn slow_boil(setup: &mut Setup) {
    let (start, seed) = (setup.options.learn_until(), setup.options.seed);
    setup.add(Rise::stolen(setup.foothold(), start, seed, setup.rng("slow-boil")));
}

pub(super) fn new_port(setup: &mut Setup) {
    let rng = setup.rng("new-port");
    let new_port = NewPort::new(setup.estate, setup.foothold(), setup.start(), rng);
    setup.add(new_port);
}

pub(super) fn denied_spike(setup: &mut Setup) {
    let targets = setup.estate.of_kind(Kind::is_pooled);
    let mut rng = setup.rng("denied-spike");
    if let Some(target) = rng.pick(&targets) {
        setup.add(DeniedSpike::new(setup.foothold(), target, setup.start(), rng));
    }
}

/// At a server that is asked anyway, on its own port: the edge is as old as the estate.
pub(super) fn brute_force(setup: &mut Setup) {
    let from = setup.foothold();
    let mut rng = setup.rng("brute-force");
    let mut targets = setup.estate.calls(from.service).to_vec();
    targets.retain(|&target| !setup.estate.service(target).entry.kind.is_app());
    if let Some(target) = rng.pick(&targets) {
        let to = (target, setup.estate.service(target).entry.port);
        setup.add(BruteForce::new(from, to, setup.start(), rng));
    }
}

/// Somebody who may: from the bastion, at three in the morning.
pub(super) fn insider(setup: &mut Setup) {
    let (Some(service), Some(store)) = (setup.estate.bastion(), setup.estate.sealed) else {
        return;
    };
    let mut rng = setup.rng("insider");
    let from = Foothold::of(service);
    let login = setup.hour(3) + rng.between(0, 40 * MINUTE_SECS);
    let upload = login + rng.between(20 * MINUTE_SECS, 50 * MINUTE_SECS);
    setup.add(LateralMove::insider(from, store, login, rng.clone()));
    setup.add(Exfiltration::insider(from, upload, rng));
}
