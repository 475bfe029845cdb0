//! The shape checks' memories, and the rates of meeting something new, as JSON.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::identity::Address;
use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::deviations::WireDirection;
use super::time;
use super::workloads::address;
use crate::checks::beacon::{Event, Series, SeriesKey};
use crate::checks::regular::EVENTS_MAX;
use crate::checks::scan::Source;
use crate::novelty::{Novel, Rate};

const PART: &str = "judge";

#[derive(Serialize, Deserialize)]
pub(super) struct WireSource {
    workload: String,
    net: i64,
    last_probe: i64,
    /// Address, port, protocol.
    contacts: Vec<(String, u16, u8)>,
    callers: [Vec<String>; 2],
}

pub(super) fn source_to_wire((workload, source): (&Arc<str>, &Source)) -> WireSource {
    let [now, before] = &source.callers;
    let texts = |them: &[Address]| them.iter().map(text).collect();
    WireSource {
        workload: workload.to_string(),
        net: source.net,
        last_probe: source.last_probe,
        contacts: source.contacts.iter().map(|(a, port, proto)| (text(a), *port, *proto)).collect(),
        callers: [texts(now), texts(before)],
    }
}

pub(super) fn source_from_wire(wire: WireSource) -> Result<(Arc<str>, Source), SnapshotError> {
    let all = |them: &[String]| {
        let them = them.iter().map(|text| address(text));
        // Sorted and each once, whatever the state says.
        let them = them.collect::<Result<BTreeSet<_>, SnapshotError>>()?;
        Ok::<Vec<Address>, SnapshotError>(them.into_iter().collect())
    };
    let contact = |(text, port, protocol): (String, u16, u8)| Ok((address(&text)?, port, protocol));
    let source = Source {
        net: wire.net,
        last_probe: time(PART, wire.last_probe)?,
        contacts: wire.contacts.into_iter().map(contact).collect::<Result<_, SnapshotError>>()?,
        callers: [all(&wire.callers[0])?, all(&wire.callers[1])?],
    };
    Ok((wire.workload.into(), source))
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireSeries {
    workload: String,
    direction: WireDirection,
    port: u16,
    protocol: u8,
    other: String,
    /// Time, whether accompanied, at how many shifts by chance.
    events: Vec<(i64, bool, u8)>,
    connections: u64,
    records_out: u64,
    first: i64,
    regular_since: Option<i64>,
}

pub(super) fn series_to_wire((key, series): (&SeriesKey, &Series)) -> WireSeries {
    let events = series.events.iter();
    WireSeries {
        workload: key.workload.to_string(),
        direction: key.direction.into(),
        port: key.port,
        protocol: key.protocol,
        other: text(&key.other),
        events: events.map(|event| (event.time, event.accompanied, event.by_chance)).collect(),
        connections: series.connections,
        records_out: series.records_out,
        first: series.first,
        regular_since: series.regular_since,
    }
}

pub(super) fn series_from_wire(wire: WireSeries) -> Result<(SeriesKey, Series), SnapshotError> {
    let is_ordered = wire.events.is_sorted_by_key(|(time, _, _)| *time);
    if wire.events.len() > EVENTS_MAX || !is_ordered {
        return Err(SnapshotError::damaged(PART, "a series of events that cannot be"));
    }
    let key = SeriesKey {
        workload: wire.workload.into(),
        direction: wire.direction.into(),
        port: wire.port,
        protocol: wire.protocol,
        other: address(&wire.other)?,
    };
    let event =
        |(at, accompanied, by_chance)| Ok(Event { time: time(PART, at)?, accompanied, by_chance });
    let series = Series {
        events: wire.events.into_iter().map(event).collect::<Result<_, SnapshotError>>()?,
        connections: wire.connections,
        records_out: wire.records_out,
        first: time(PART, wire.first)?,
        regular_since: wire.regular_since.map(|at| time(PART, at)).transpose()?,
    };
    Ok((key, series))
}

/// A rate of a service, or of the estate where the service is absent.
#[derive(Serialize, Deserialize)]
pub(super) struct WireRate {
    service: Option<String>,
    novel: WireNovel,
    windows: u64,
    new: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireNovel {
    Inside,
    OutsidePort,
    OutsideNetwork,
    Served,
}

pub(super) fn rate_to_wire((service, novel, rate): (Option<Arc<str>>, Novel, Rate)) -> WireRate {
    WireRate {
        service: service.map(|service| service.to_string()),
        novel: match novel {
            Novel::Inside => WireNovel::Inside,
            Novel::OutsidePort => WireNovel::OutsidePort,
            Novel::OutsideNetwork => WireNovel::OutsideNetwork,
            Novel::Served => WireNovel::Served,
        },
        windows: rate.windows,
        new: rate.new,
    }
}

pub(super) fn rate_from_wire(wire: WireRate) -> (Option<Arc<str>>, Novel, Rate) {
    let novel = match wire.novel {
        WireNovel::Inside => Novel::Inside,
        WireNovel::OutsidePort => Novel::OutsidePort,
        WireNovel::OutsideNetwork => Novel::OutsideNetwork,
        WireNovel::Served => Novel::Served,
    };
    (wire.service.map(Arc::from), novel, Rate { windows: wire.windows, new: wire.new })
}

fn text(address: &Address) -> String {
    address.to_string()
}
