//! Findings that were told but may not have reached anybody, as JSON.
//!
//! They have the members of the findings file, but for floats, which are stored as their bits: what is
//! told again has to print the same digits.

use model::snapshot::SnapshotError;
use serde_json::{Map, Number, Value};

use crate::Finding;

const PART: &str = "undelivered";

/// The only member of an object that stands for a float. No finding has an object with this name in it.
const FLOAT: &str = "float bits";

pub(super) fn to_json(findings: &[Finding]) -> Result<Vec<u8>, SnapshotError> {
    let unwritable = |detail: String| SnapshotError::Unwritable { part: PART, detail };
    let mut values = Vec::with_capacity(findings.len());
    for finding in findings {
        let value = serde_json::to_value(finding).map_err(|error| unwritable(error.to_string()))?;
        // JSON has no number for what is not one: better no state now than one that does not load.
        serde_json::from_value::<Finding>(value.clone())
            .map_err(|error| unwritable(format!("{}: {error}", finding.id)))?;
        values.push(with_bits(value));
    }
    serde_json::to_vec(&values).map_err(|error| unwritable(error.to_string()))
}

pub(super) fn from_json(json: &[u8]) -> Result<Vec<Finding>, SnapshotError> {
    let values: Vec<Value> =
        serde_json::from_slice(json).map_err(|error| SnapshotError::damaged(PART, error))?;
    let finding = |value| serde_json::from_value(with_floats(value));
    let findings: Result<Vec<Finding>, _> = values.into_iter().map(finding).collect();
    findings.map_err(|error| SnapshotError::damaged(PART, error))
}

fn with_bits(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let bits = number.as_f64().unwrap_or_default().to_bits();
            Value::Object(Map::from_iter([(FLOAT.to_owned(), Value::from(bits))]))
        }
        Value::Array(items) => items.into_iter().map(with_bits).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_bits(value))).collect()
        }
        other => other,
    }
}

fn with_floats(value: Value) -> Value {
    match value {
        Value::Object(members) => match members.get(FLOAT).and_then(Value::as_u64) {
            Some(bits) => Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number),
            None => members.into_iter().map(|(name, value)| (name, with_floats(value))).collect(),
        },
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn findings_print_the_same_after_a_state() {
        let mut findings = vec![samples::whole()];
        let first = &mut findings[0];
        first.deviations[0].observed = 0.1 + 0.2;
        first.deviations[0].expected = 5e-324;
        first.deviations[0].p_value = 1.797_693_134_862_315_7e308;
        let read = from_json(&to_json(&findings).unwrap()).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            serde_json::to_string(&findings).unwrap()
        );
    }

    #[test]
    fn what_is_no_number_is_refused_before_it_is_written() {
        let mut findings = vec![samples::whole()];
        findings[0].p_value = f64::NAN;
        assert!(to_json(&findings).is_err());
        for damaged in [&b"{}"[..], b"[1]", br#"[{"id":{"float bits":9218868437227405312}}]"#] {
            assert!(from_json(damaged).is_err());
        }
    }
}
