//! Outbound volume: much more sent to the outside than usual, the shape of exfiltration.
//!
//! Bytes a workload sent as a client to the outside in one window, against its service's windows at
//! that hour of the week. Uploads only: most of the bytes must go out, since a download's
//! acknowledgements grow with it. ATT&CK T1041, T1048.

use std::collections::BTreeMap;

use model::activity::Conversation;
use model::baseline::{Direction, Measure, WorkloadWindow, peer_key};

use super::{Context, sample};
use crate::deviation::{Deviation, Fact, Kind};

/// Less than this per window is not worth a person's time, whatever the service's habits.
const FLOOR_BYTES: u64 = 20_000_000;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let Some(level) = context.level(window, Measure::BytesOutside, FLOOR_BYTES) else {
        return Vec::new();
    };
    let outside = window.as_client.iter().filter(|c| c.server.workload().is_none());
    let Some(main) = outside.max_by_key(|c| (c.bytes_out, c.server.address, c.port)) else {
        return Vec::new();
    };
    if main.bytes_out <= main.bytes_in || main.bytes_out < FLOOR_BYTES / 2 {
        return Vec::new();
    }
    vec![deviation(window, main, &level)]
}

fn deviation(window: &WorkloadWindow<'_>, main: &Conversation, level: &super::Level) -> Deviation {
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("bytes sent to the outside in one window".into())),
        ("to_this_peer_bytes", Fact::Number(main.bytes_out as f64)),
        ("from_this_peer_bytes", Fact::Number(main.bytes_in as f64)),
        ("one_window_in_twenty_reaches_bytes", Fact::Number(level.tail.high.round())),
        ("windows_observed", Fact::Number(level.windows_known.round())),
        ("would_not_have_fired_below_bytes", Fact::Number(level.needed.round())),
    ]);
    Deviation {
        kind: Kind::Volume,
        workload: window.workload.clone(),
        peer: peer_key(&main.server.party),
        peer_address: Some(main.server.address),
        port: Some(main.port),
        protocol: Some(main.protocol),
        direction: Direction::Out,
        first: main.first,
        last: main.last,
        observed: level.observed as f64,
        expected: level.tail.expected.round(),
        p_value: level.tail.p_value,
        evidence,
        samples: vec![sample(main)],
    }
}
