//! Which episodes join, and which do not.

use model::identity::{Address, Why};

use super::*;

pub(crate) fn replica(service: &str, n: u128) -> Arc<Workload> {
    Arc::new(Workload {
        account: "1".into(),
        vpc: "vpc-1".into(),
        eni: Some(format!("eni-{n}").into()),
        address: Address::from(n),
        instance: None,
        task: None,
        service: service.into(),
        environment: None,
        tier: None,
        infrastructure: None,
        security_groups: Vec::new(),
        why: Why::Itself,
        role_known: true,
    })
}

pub(crate) fn deviation(workload: &Arc<Workload>, kind: Kind, peer: &str, at: i64) -> Deviation {
    Deviation {
        kind,
        workload: Arc::clone(workload),
        peer: peer.into(),
        peer_address: Some(Address::from(99_u128)),
        port: Some(22),
        protocol: Some(6),
        direction: Direction::Out,
        first: at,
        last: at + 10,
        observed: 1.0,
        expected: 0.0,
        p_value: 1e-4,
        cut_ratio: 0.1,
        evidence: BTreeMap::new(),
        samples: Vec::new(),
    }
}

#[test]
fn two_episodes_that_turn_out_to_be_one_go_on_as_the_older() {
    let (a, b) = (replica("carts", 1), replica("carts", 2));
    let mut episodes = Episodes::default();
    episodes.absorb(0, vec![deviation(&a, Kind::NewPeer, "svc:db", 1)]);
    episodes.absorb(300, vec![deviation(&b, Kind::NewPeer, "svc:mail", 301)]);
    assert_eq!(episodes.open().count(), 2);
    let changed = episodes.absorb(600, vec![deviation(&a, Kind::NewPeer, "svc:mail", 601)]);
    let closed = episodes.take_closed();
    let [younger] = &closed[..] else { panic!("{closed:?}") };
    let open: Vec<&Episode> = episodes.open().collect();
    let [older] = &open[..] else { panic!("{open:?}") };
    assert_eq!(younger.merged_into.as_ref(), Some(&older.id));
    assert_eq!((younger.state, younger.revision), (State::Closed, 2));
    assert_eq!((older.workload.clone(), older.revision), (a, 2));
    assert_eq!(older.deviations.len(), 2, "svc:db and svc:mail");
    assert_eq!(older.windows.values().sum::<u64>(), 3, "three windows with a deviation each");
    assert_eq!(older.replicas, BTreeSet::from([workload_key(&b)]));
    assert_eq!(changed, BTreeSet::from([younger.id.clone(), older.id.clone()]));
}

#[test]
fn nobody_answers_for_what_a_sibling_does() {
    let (decoy, intruder) = (replica("users", 1), replica("users", 2));
    let mut episodes = Episodes::default();
    episodes.absorb(0, vec![deviation(&decoy, Kind::NewPeer, "svc:events", 1)]);
    episodes.absorb(300, vec![deviation(&intruder, Kind::Sweep, "many", 301)]);
    episodes.absorb(600, vec![deviation(&intruder, Kind::NewPeer, "svc:events", 601)]);
    episodes.absorb(900, vec![deviation(&intruder, Kind::Beacon, "203.0.113.0/24", 901)]);
    assert!(episodes.take_closed().is_empty());
    let kinds = |workload: &Arc<Workload>| -> Vec<Kind> {
        let its = episodes.open().find(|episode| episode.workload == *workload).unwrap();
        its.deviations.keys().map(|key| key.kind).collect()
    };
    assert_eq!(kinds(&decoy), [Kind::NewPeer]);
    assert_eq!(kinds(&intruder).len(), 3, "the whole chain is the intruder's");
}

#[test]
fn who_goes_on_to_something_of_his_own_has_what_he_did_before() {
    let (first, intruder) = (replica("users", 1), replica("users", 2));
    let mut episodes = Episodes::default();
    episodes.absorb(0, vec![deviation(&first, Kind::NewPeer, "svc:events", 1)]);
    for at in [300, 600] {
        episodes.absorb(at, vec![deviation(&intruder, Kind::NewPeer, "svc:events", at)]);
    }
    assert_eq!(episodes.open().count(), 1, "so far a role does one thing");
    episodes.absorb(900, vec![deviation(&intruder, Kind::Beacon, "203.0.113.0/24", 901)]);
    let own = |workload: &Arc<Workload>| {
        episodes.open().find(|episode| episode.workload == *workload).unwrap()
    };
    let kinds: Vec<Kind> = own(&intruder).deviations.keys().map(|key| key.kind).collect();
    assert_eq!(kinds, [Kind::NewPeer, Kind::Beacon]);
    let moved = own(&intruder).deviations.values().next().unwrap();
    assert_eq!((moved.first, moved.observed.to_string().as_str()), (300, "2"), "its own alone");
    assert_eq!(own(&first).deviations.len(), 1);
    assert_eq!(own(&first).windows.values().sum::<u64>(), 3);
    // Once the first does all of it too, they are one.
    episodes.absorb(1200, vec![deviation(&first, Kind::Beacon, "203.0.113.0/24", 1201)]);
    let closed = episodes.take_closed();
    assert_eq!(closed.len(), 1);
    let one: Vec<&Episode> = episodes.open().collect();
    assert_eq!((one.len(), one[0].windows.values().sum::<u64>()), (1, 5), "each window once");
}

/// A beacon is told with all its calls, the first of which came before everything else.
#[test]
fn who_began_as_a_replica_is_the_younger_whatever_came_first() {
    let (first, second) = (replica("users", 1), replica("users", 2));
    let mut episodes = Episodes::default();
    for workload in [&first, &second] {
        episodes.absorb(3000, vec![deviation(workload, Kind::NewPeer, "svc:events", 3001)]);
    }
    let beacon = |workload| deviation(workload, Kind::Beacon, "203.0.113.0/24", 7);
    episodes.absorb(3300, vec![beacon(&second)]);
    assert_eq!(episodes.open().count(), 2, "the first did no beacon");
    assert!(episodes.take_closed().is_empty());
    let upload =
        |observed| Deviation { observed, ..deviation(&second, Kind::Volume, "many", 3601) };
    episodes.absorb(3600, vec![upload(9e9)]);
    let same = Deviation { observed: 1e6, ..deviation(&first, Kind::Volume, "many", 3901) };
    episodes.absorb(3900, vec![beacon(&first), same]);
    let (closed, open) = (episodes.take_closed(), episodes.open().collect::<Vec<_>>());
    assert_eq!((closed.len(), open.len()), (1, 1));
    assert_eq!((&closed[0].workload, &open[0].workload), (&second, &first));
    let observed = |kind: Kind| {
        let known = open[0].deviations.values().find(|known| known.kind == kind).unwrap();
        known.observed.to_string()
    };
    assert_eq!(observed(Kind::NewPeer), "2", "each once");
    assert_eq!(observed(Kind::Volume), "9000000000", "what came since is not lost");
}

#[test]
fn scanners_and_other_roles_stay_apart() {
    let (a, b, c) = (replica("carts", 1), replica("carts", 2), replica("mail", 3));
    let mut episodes = Episodes::default();
    for (at, workload) in [(0, &a), (300, &b)] {
        episodes.absorb(at, vec![deviation(workload, Kind::PortScan, "many", at)]);
    }
    for (at, workload) in [(600, &a), (900, &c)] {
        episodes.absorb(at, vec![deviation(workload, Kind::NewPeer, "svc:db", at)]);
    }
    assert_eq!(episodes.open().count(), 3);
    assert!(episodes.take_closed().is_empty());
}

#[test]
fn where_an_episode_leads_others_are_likelier() {
    let (a, b, c) = (replica("carts", 1), replica("mail", 99), replica("users", 7));
    let mut episodes = Episodes::default();
    let moved = Deviation { peer: "svc:mail".into(), ..deviation(&a, Kind::NewPeer, "", 1) };
    episodes.absorb(0, vec![moved]);
    let next = |workload| deviation(workload, Kind::NewPeer, "svc:db", 300);
    assert!(episodes.lift(&next(&b)) > 1.0, "it was reached");
    assert!((episodes.lift(&next(&c)) - 1.0).abs() < 1e-12);
    assert!((episodes.lift(&next(&a)) - 1.0).abs() < 1e-12, "nobody feeds on himself");
}

/// A bastion's round makes little of what one of many hosts does; what is weak itself makes nothing of it.
#[test]
fn who_reaches_everybody_leads_nowhere() {
    let (bastion, host) = (replica("bastion", 1), replica("mail", 10));
    let reached = |n: u128| Deviation {
        peer_address: Some(Address::from(n)),
        ..deviation(&bastion, Kind::NewPeer, &format!("svc:{n}"), 1)
    };
    let lift = |round: Vec<Deviation>| {
        let mut episodes = Episodes::default();
        episodes.absorb(0, round);
        episodes.lift(&deviation(&host, Kind::NewPeer, "svc:db", 300))
    };
    assert!((lift(vec![reached(10)]) - LIFT).abs() < 1e-9);
    assert!((lift((10..30).map(reached).collect()) - LIFT / 20.0).abs() < 1e-9);
    assert!((lift((10..500).map(reached).collect()) - 1.0).abs() < 1e-9);
    // Unless both go to a machine that nobody knows.
    let triangle = |named: &str, from_host: u128| {
        let to = |d: Deviation, n: u128| Deviation {
            peer: named.into(),
            peer_address: Some(Address::from(n)),
            ..d
        };
        let mut episodes = Episodes::default();
        let round = (10..30).map(reached).chain([to(reached(99), 99)]);
        episodes.absorb(0, round.collect());
        episodes.lift(&to(deviation(&host, Kind::NewPeer, named, 300), from_host))
    };
    let nobody = format!("svc:{}", Address::from(99));
    assert!((triangle(&nobody, 99) - LIFT).abs() < 1e-9);
    assert!(triangle(&nobody, 98) < LIFT && triangle("svc:db", 99) < LIFT);
    let weak = Deviation { cut_ratio: 1.1, ..reached(10) };
    assert!((lift(vec![weak]) - 1.0).abs() < 1e-9);
}

#[test]
fn what_is_sent_adds_up_while_the_level_keeps_its_highest() {
    let a = replica("db", 1);
    let sent = |at: i64, bytes: f64| {
        let evidence = BTreeMap::from([("sent_in_these_windows_bytes", Fact::Number(bytes))]);
        Deviation { observed: bytes, evidence, ..deviation(&a, Kind::Volume, "203.0.113.0/24", at) }
    };
    let mut episodes = Episodes::default();
    for (at, bytes) in [(0, 5.0), (300, 9.0), (600, 7.0)] {
        episodes.absorb(at, vec![sent(at, bytes)]);
    }
    let told = episodes.open().next().unwrap().deviations.values().next().unwrap().clone();
    assert!((told.observed - 9.0).abs() < 1e-9);
    assert_eq!(told.evidence["sent_in_these_windows_bytes"], Fact::Number(21.0));
}
