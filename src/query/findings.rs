//! The tables `findings` and `deviations`, from a findings file.

use anyhow::Result;
use datafusion::prelude::SessionContext;
use detect::{Finding, FoundDeviation, State};

use super::record::{self, Columns, Value};

/// One deviation of one finding.
struct Deviation<'a> {
    finding: &'a Finding,
    number: usize,
    told: &'a FoundDeviation,
}

/// Adds the tables.
pub(super) fn register(session: &SessionContext, findings: &[Finding]) -> Result<()> {
    let told: Vec<&Finding> = findings.iter().collect();
    session.register_table("findings", record::mem_table(&finding_columns(), &told)?)?;
    let deviations: Vec<Deviation<'_>> = findings
        .iter()
        .flat_map(|finding| {
            let numbered = (1..).zip(&finding.deviations);
            numbered.map(move |(number, told)| Deviation { finding, number, told })
        })
        .collect();
    let deviations = record::mem_table(&deviation_columns(), &deviations)?;
    session.register_table("deviations", deviations)?;
    Ok(())
}

/// Unix seconds; none where a file that was tampered with has something else.
fn time(text: &str) -> Option<i64> {
    Some(text.parse::<jiff::Timestamp>().ok()?.as_second())
}

/// A state as the JSON spells it.
fn state(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Updated => "updated",
        State::Closed => "closed",
    }
}

fn finding_columns<'a>() -> Columns<&'a Finding> {
    vec![
        ("id", Value::Text(|f| Some(f.id.clone()))),
        ("revision", Value::Count(|f| Some(f.revision.into()))),
        ("state", Value::Text(|f| Some(state(f.state).to_owned()))),
        ("kind", Value::Text(|f| Some(f.kind.name().to_owned()))),
        ("severity", Value::Text(|f| Some(f.severity.name().to_owned()))),
        ("confidence", Value::Float(|f| Some(f.confidence))),
        ("p_value", Value::Float(|f| Some(f.p_value))),
        ("calibration", Value::Text(|f| Some(f.calibration.clone()))),
        ("first_seen", Value::Time(|f| time(&f.first_seen))),
        ("last_seen", Value::Time(|f| time(&f.last_seen))),
        ("service", Value::Text(|f| Some(f.service.clone()))),
        ("account", Value::Text(|f| Some(f.workload.account.clone()))),
        ("vpc", Value::Text(|f| Some(f.workload.vpc.clone()))),
        ("eni", Value::Text(|f| f.workload.eni.clone())),
        ("address", Value::Text(|f| Some(f.workload.address.clone()))),
        ("instance", Value::Text(|f| f.workload.instance.clone())),
        ("summary", Value::Text(|f| Some(f.summary.clone()))),
        ("techniques", Value::Text(|f| Some(f.techniques.join(" ")))),
        ("guardduty", Value::Text(|f| f.guardduty.clone())),
        ("n_deviations", Value::Count(|f| Some(f.n_deviations))),
        ("action", Value::Text(|f| f.suggestion.as_ref().map(|plan| plan.action.clone()))),
        (
            "blast_radius",
            Value::Text(|f| f.suggestion.as_ref().map(|plan| plan.blast_radius.summary.clone())),
        ),
        ("expires", Value::Time(|f| f.suggestion.as_ref().and_then(|plan| time(&plan.expires)))),
    ]
}

fn deviation_columns<'a>() -> Columns<Deviation<'a>> {
    vec![
        ("finding", Value::Text(|d| Some(d.finding.id.clone()))),
        ("revision", Value::Count(|d| Some(d.finding.revision.into()))),
        ("number", Value::Count(|d| u64::try_from(d.number).ok())),
        ("kind", Value::Text(|d| Some(d.told.kind.name().to_owned()))),
        ("service", Value::Text(|d| Some(d.finding.service.clone()))),
        ("peer", Value::Text(|d| Some(d.told.peer.clone()))),
        ("peer_address", Value::Text(|d| d.told.peer_address.clone())),
        ("port", Value::Count(|d| d.told.port.map(u64::from))),
        ("protocol", Value::Text(|d| d.told.protocol.clone())),
        ("direction", Value::Text(|d| Some(d.told.direction.clone()))),
        ("first_seen", Value::Time(|d| time(&d.told.first_seen))),
        ("last_seen", Value::Time(|d| time(&d.told.last_seen))),
        ("observed", Value::Float(|d| Some(d.told.observed))),
        ("expected", Value::Float(|d| Some(d.told.expected))),
        ("p_value", Value::Float(|d| Some(d.told.p_value))),
        ("evidence", Value::Text(|d| serde_json::to_string(&d.told.evidence).ok())),
    ]
}
