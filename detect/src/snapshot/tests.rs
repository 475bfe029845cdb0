//! What runs seldom stop in the middle of is read back as it was, and every fact a check can give is
//! one that can be.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::identity::Address;

use super::episodes;
use super::rhythms::{rate_from_wire, rate_to_wire, source_from_wire, source_to_wire};
use super::run::{self, Run, TakenFile};
use crate::checks::history;
use crate::checks::scan::Source;
use crate::deviation::{FACTS, FIRST_MET, Kind, SIBLINGS};
use crate::episode::tests::{deviation, replica};
use crate::episode::{Episode, Episodes};
use crate::novelty::{Novel, Novelty, Rate};

/// Through JSON and back.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(wire: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(wire).unwrap()).unwrap()
}

#[test]
fn a_walk_goes_on_where_it_stopped() {
    let (v4, v6): (Address, Address) =
        ("10.0.0.7".parse().unwrap(), "2001:db8::7".parse().unwrap());
    let source = Source {
        net: 9,
        last_probe: 1_740_960_300,
        contacts: BTreeSet::from([(v4, 22, 6), (v6, 443, 17)]),
        callers: [vec![v4], vec![v6]],
    };
    let name: Arc<str> = "111122223333/eni-1/10.0.0.1".into();
    let wire = stored(&source_to_wire((&name, &source)));
    assert_eq!(source_from_wire(wire).unwrap(), (name, source));
}

#[test]
fn an_episode_knows_what_each_replica_did() {
    let mut met = Episodes::default();
    for n in 1..=3 {
        met.absorb(0, vec![deviation(&replica("users", n), Kind::NewPeer, "svc:events", 1)]);
    }
    let of = |episodes: &Episodes| episodes.open().cloned().collect::<Vec<Episode>>();
    let [episode] = &of(&met)[..] else { panic!() };
    assert_eq!(episode.parts.len(), 2);
    let read = episodes::from_wire(stored(&episodes::to_wire(episode))).unwrap();
    assert_eq!(read, *episode);
}

#[test]
fn rates_hold_until_their_hour_is_over() {
    let rate = |windows| Rate { windows, new: 3 };
    let rows = vec![
        (None, Novel::Served, rate(900)),
        (Some("web".into()), Novel::Inside, rate(80)),
        (Some("web".into()), Novel::OutsidePort, rate(81)),
    ];
    let (hour, told) = Novelty::restore(Some(483_600), rows.clone()).rows();
    assert_eq!((hour, &told), (Some(483_600), &rows));
    let read: Vec<_> =
        told.into_iter().map(|row| rate_from_wire(stored(&rate_to_wire(row)))).collect();
    assert_eq!(read, rows);
}

#[test]
fn a_run_without_what_was_added_later_is_read() {
    let former = br#"{"window_secs":300,"interval_secs":60,"closed_until":1740960000,
        "files":[{"name":"AWSLogs/a.log.gz","bytes":7,"time":1740959700,"generation":3}]}"#;
    let run = run::from_json(former).unwrap();
    assert_eq!((run.files.len(), run.files[0].etag.as_deref()), (1, None));
    assert!(run.positions.is_empty() && run.undelivered.is_empty() && run.writer.is_none());
}

#[test]
fn positions_and_tags_are_read_as_they_were_written() {
    let file = TakenFile {
        name: "AWSLogs/a.log.gz".to_owned(),
        bytes: 7,
        etag: Some("9f".to_owned()),
        time: None,
        generation: 3,
    };
    let whole = Run {
        window_secs: 300,
        interval_secs: 60,
        files: vec![file],
        positions: [("shard-1".to_owned(), "49".to_owned())].into(),
        told: ["tg-1".to_owned()].into(),
        withdrawn: ["tg-2".to_owned()].into(),
        writer: Some("w".to_owned()),
        ..Run::default()
    };
    assert_eq!(run::from_json(&run::to_json(&whole).unwrap()).unwrap(), whole);
}

/// The sources of the checks: what they write is what has to be known.
const CHECKS: [&str; 11] = [
    include_str!("../checks/beacon.rs"),
    include_str!("../checks/denied_spike.rs"),
    include_str!("../checks/drift.rs"),
    include_str!("../checks/fan_out.rs"),
    include_str!("../checks/flood.rs"),
    include_str!("../checks/level.rs"),
    include_str!("../checks/low_and_slow.rs"),
    include_str!("../checks/new_edge.rs"),
    include_str!("../checks/outside_volume.rs"),
    include_str!("../checks/scan.rs"),
    include_str!("../checks/siblings.rs"),
];

/// String literals that stand before a `Fact::`.
fn facts(source: &str) -> BTreeSet<String> {
    let mut before = source.split("Fact::").collect::<Vec<_>>();
    before.pop();
    let name = |text: &&str| {
        let text = text.trim_end().strip_suffix(',')?.strip_suffix('"')?;
        let name = &text[text.rfind('"')? + 1..];
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_name.then(|| name.to_owned())
    };
    before.iter().filter_map(name).collect()
}

#[test]
fn every_fact_of_a_check_is_known_by_name() {
    let used: BTreeSet<String> = CHECKS.iter().flat_map(|source| facts(source)).collect();
    assert!(used.contains("unit") && used.contains("would_not_have_fired"), "{used:?}");
    let unknown: Vec<&String> =
        used.iter().filter(|name| !FACTS.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "list them in `FACTS`, or no state can hold them: {unknown:?}");
    let drawn = [history::HOURS, history::DAYS, history::NEW_THINGS, history::GAPS, history::EDGE];
    for name in drawn.into_iter().chain([SIBLINGS, FIRST_MET]) {
        assert!(FACTS.contains(&name), "{name}");
    }
    assert!(FACTS.is_sorted(), "they are listed in order");
}
