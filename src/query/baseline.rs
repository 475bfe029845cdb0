//! The tables of a baseline: edges, services, and what was measured of them.

use anyhow::Result;
use datafusion::prelude::SessionContext;
use model::baseline::{
    Baseline, Bucket, Counter, EdgeEvidence, EdgeKey, Measure, ServiceEvidence, bucket_value,
};

use super::record::{self, Columns, Value};

/// One relation of one service.
struct Edge<'a> {
    service: &'a str,
    key: &'a EdgeKey,
    evidence: &'a EdgeEvidence,
}

/// One service.
struct Service<'a> {
    name: &'a str,
    evidence: &'a ServiceEvidence,
    /// First and last window, Unix seconds.
    seen: Option<(i64, i64)>,
}

/// How often workloads of a service had about this value in a window of this hour.
struct Measured<'a> {
    service: &'a str,
    measure: Measure,
    hour: i64,
    bucket: Bucket,
    windows: Counter,
}

/// Adds the tables.
pub(super) fn register(session: &SessionContext, known: &Baseline) -> Result<()> {
    let edges: Vec<Edge<'_>> = known
        .services
        .iter()
        .flat_map(|(service, of)| {
            of.edges.iter().map(move |(key, evidence)| Edge { service, key, evidence })
        })
        .collect();
    let services: Vec<Service<'_>> = known
        .services
        .iter()
        .map(|(name, evidence)| {
            let seen = evidence.seen().map(|seen| (seen.first, seen.last));
            Service { name, evidence, seen }
        })
        .collect();
    let measures: Vec<Measured<'_>> = known
        .services
        .iter()
        .flat_map(|(service, of)| of.measures.iter().map(move |measure| (service, measure)))
        .flat_map(|(service, (&measure, histogram))| {
            histogram.iter().map(move |(hour, bucket, windows)| Measured {
                service,
                measure,
                hour,
                bucket,
                windows,
            })
        })
        .collect();
    session.register_table("baseline", record::mem_table(&edge_columns(), &edges)?)?;
    let services = record::mem_table(&service_columns(), &services)?;
    session.register_table("baseline_services", services)?;
    let measures = record::mem_table(&measure_columns(), &measures)?;
    session.register_table("baseline_measures", measures)?;
    Ok(())
}

/// A time that was never met is none.
fn met(time: i64) -> Option<i64> {
    (time != i64::MAX && time != i64::MIN).then_some(time)
}

fn edge_columns<'a>() -> Columns<Edge<'a>> {
    vec![
        ("service", Value::Text(|e| Some(e.service.to_owned()))),
        ("direction", Value::Text(|e| Some(e.key.direction.name().to_owned()))),
        ("peer", Value::Text(|e| Some(e.key.peer.to_string()))),
        ("port", Value::Count(|e| Some(e.key.port.into()))),
        ("protocol", Value::Count(|e| Some(e.key.protocol.into()))),
        ("first_seen", Value::Time(|e| met(e.evidence.first))),
        ("last_seen", Value::Time(|e| met(e.evidence.last))),
        ("settled", Value::Time(|e| met(e.evidence.settled))),
        ("windows", Value::Count(|e| Some(e.evidence.windows.total()))),
        ("windows_flagged", Value::Count(|e| Some(e.evidence.windows.flagged))),
        ("established", Value::Count(|e| Some(e.evidence.established.total()))),
        ("connections", Value::Count(|e| Some(e.evidence.connections.total()))),
        ("connections_flagged", Value::Count(|e| Some(e.evidence.connections.flagged))),
        ("bytes_out", Value::Count(|e| Some(e.evidence.bytes_out.total()))),
        ("bytes_in", Value::Count(|e| Some(e.evidence.bytes_in.total()))),
        ("rejected", Value::Count(|e| Some(e.evidence.rejected.total()))),
    ]
}

fn service_columns<'a>() -> Columns<Service<'a>> {
    vec![
        ("service", Value::Text(|s| Some(s.name.to_owned()))),
        ("workloads", Value::Count(|s| u64::try_from(s.evidence.workloads.len()).ok())),
        ("edges", Value::Count(|s| u64::try_from(s.evidence.edges.len()).ok())),
        ("windows", Value::Count(|s| Some(s.evidence.windows.total()))),
        ("windows_flagged", Value::Count(|s| Some(s.evidence.windows.flagged))),
        ("first_seen", Value::Time(|s| s.seen.map(|(first, _)| first))),
        ("last_seen", Value::Time(|s| s.seen.map(|(_, last)| last))),
    ]
}

fn measure_columns<'a>() -> Columns<Measured<'a>> {
    const HOUR_SECS: i64 = 3600;
    vec![
        ("service", Value::Text(|m| Some(m.service.to_owned()))),
        ("measure", Value::Text(|m| Some(m.measure.name().to_owned()))),
        ("hour", Value::Time(|m| m.hour.checked_mul(HOUR_SECS))),
        ("about", Value::Count(|m| Some(bucket_value(m.bucket)))),
        ("windows", Value::Count(|m| Some(m.windows.total()))),
        ("windows_flagged", Value::Count(|m| Some(m.windows.flagged))),
    ]
}
