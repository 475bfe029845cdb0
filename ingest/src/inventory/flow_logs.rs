//! What `aws ec2 describe-flow-logs` prints: which flow log writes where, in which format.
//!
//! Events of CloudWatch Logs, and what Firehose delivers, have no header line: their format is known
//! from here, from the user, or not at all.

use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{InventoryError, malformed, plain_text};
use crate::format::LogFormat;

/// One flow log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowLog {
    /// `fl-…`.
    pub id: String,
    /// Its fields; the default format if `None`.
    pub format: Option<LogFormat>,
    /// The log group it writes to, by name.
    pub group: Option<String>,
    /// Where it writes: the ARN of a bucket and folder, a log group or a delivery stream.
    pub destination: Option<String>,
    /// The longest a record may span, seconds: 60 or 600.
    pub interval_secs: Option<i64>,
    /// Why records could not be delivered, as AWS says.
    pub error: Option<String>,
}

/// What the flow logs of one destination have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Their format; the default one if `None`.
    pub format: Option<LogFormat>,
    /// Their longest interval, seconds, if any tells one.
    pub interval_secs: Option<i64>,
    /// Their ids.
    pub ids: Vec<String>,
}

/// Why what is described cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescribedError {
    /// Nothing in a record says which flow log wrote it.
    #[error(
        "`{destination}`: the flow logs {first} and {second} write to it in different formats, and records without a header line do not say which; read one of them by its streams' names, or give --log-format"
    )]
    TwoFormats {
        /// The log group or other destination.
        destination: String,
        /// A flow log's id.
        first: String,
        /// Another's.
        second: String,
    },
}

/// Reads a saved answer; `file` serves error messages.
pub fn read(file: &Path, text: &[u8]) -> Result<Vec<FlowLog>, InventoryError> {
    let text = plain_text(file, text)?;
    let mut json = serde_json::Deserializer::from_slice(text);
    let mut flow_logs = Vec::new();
    loop {
        let page: Page =
            serde_path_to_error::deserialize(&mut json).map_err(|error| malformed(file, error))?;
        flow_logs.extend(page.flow_logs.into_iter().filter_map(Wire::into_flow_log));
        if json.end().is_ok() {
            return Ok(flow_logs);
        }
    }
}

/// What the flow logs that write to a log group have in common; `None` if there are none.
pub fn of_group(flow_logs: &[FlowLog], group: &str) -> Result<Option<Described>, DescribedError> {
    let writes_there = |log: &&FlowLog| {
        let of_arn = || log.destination.as_deref().and_then(group_of_arn) == Some(group);
        log.group.as_deref() == Some(group) || of_arn()
    };
    let mut all = flow_logs.iter().filter(writes_there);
    let Some(first) = all.next() else { return Ok(None) };
    let mut described = Described {
        format: first.format.clone(),
        interval_secs: first.interval_secs,
        ids: vec![first.id.clone()],
    };
    for log in all {
        if log.format_or_default() != first.format_or_default() {
            return Err(DescribedError::TwoFormats {
                destination: group.to_owned(),
                first: first.id.clone(),
                second: log.id.clone(),
            });
        }
        described.interval_secs = described.interval_secs.max(log.interval_secs);
        described.ids.push(log.id.clone());
    }
    Ok(Some(described))
}

impl FlowLog {
    fn format_or_default(&self) -> LogFormat {
        self.format.clone().unwrap_or_else(LogFormat::v2)
    }
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME[:*]`
fn group_of_arn(arn: &str) -> Option<&str> {
    let (_, name) = arn.split_once(":log-group:")?;
    Some(name.strip_suffix(":*").unwrap_or(name))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    flow_logs: Vec<Wire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    flow_log_id: Option<String>,
    #[serde(default, deserialize_with = "format")]
    log_format: Option<LogFormat>,
    log_group_name: Option<String>,
    log_destination: Option<String>,
    max_aggregation_interval: Option<i64>,
    deliver_logs_error_message: Option<String>,
}

/// Checked as it is read, so that an error carries its path.
fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LogFormat>, D::Error> {
    let spec = Option::<String>::deserialize(deserializer)?;
    spec.map(|spec| LogFormat::parse(&spec).map_err(D::Error::custom)).transpose()
}

impl Wire {
    /// A flow log without an id cannot be referred to and is left out.
    fn into_flow_log(self) -> Option<FlowLog> {
        Some(FlowLog {
            id: self.flow_log_id?,
            format: self.log_format,
            group: self.log_group_name,
            destination: self.log_destination,
            interval_secs: self.max_aggregation_interval.filter(|secs| [60, 600].contains(secs)),
            error: self.deliver_logs_error_message,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::field::Field;

    const ANSWER: &str = r#"{"FlowLogs": [
        {"FlowLogId": "fl-1", "LogGroupName": "flows", "LogDestinationType": "cloud-watch-logs",
         "LogFormat": "${srcaddr} ${end}", "MaxAggregationInterval": 60},
        {"FlowLogId": "fl-2", "LogDestination": "arn:aws:logs:eu-west-1:111122223333:log-group:flows:*",
         "LogFormat": "${srcaddr} ${end}", "MaxAggregationInterval": 600},
        {"FlowLogId": "fl-3", "LogDestination": "arn:aws:s3:::logs/a", "MaxAggregationInterval": 7,
         "DeliverLogsErrorMessage": "Access error"},
        {"LogGroupName": "flows"}
    ]}"#;

    fn read_text(text: &str) -> Result<Vec<FlowLog>, InventoryError> {
        read(Path::new("fl.json"), text.as_bytes())
    }

    #[test]
    fn a_group_has_the_format_of_what_writes_to_it() {
        let logs = read_text(ANSWER).unwrap();
        assert_eq!(logs.len(), 3);
        assert_eq!(logs[2].error.as_deref(), Some("Access error"));
        let described = of_group(&logs, "flows").unwrap().unwrap();
        let columns = described.format.unwrap().columns().to_vec();
        assert_eq!(columns, [Some(Field::SrcAddr), Some(Field::End)]);
        assert_eq!(described.interval_secs, Some(600), "the longest record decides");
        assert_eq!(described.ids, ["fl-1", "fl-2"]);
        assert_eq!(of_group(&logs, "flow"), Ok(None));
    }

    #[test]
    fn two_formats_in_one_group_are_refused() {
        let text =
            ANSWER.replace(r#""${srcaddr} ${end}", "MaxAggregationInterval": 600"#, r#""${end}""#);
        let refused = of_group(&read_text(&text).unwrap(), "flows").unwrap_err().to_string();
        assert!(refused.contains("fl-1") && refused.contains("fl-2"), "{refused}");
    }

    #[test]
    fn what_is_no_answer_says_where() {
        let text = ANSWER.replace("${srcaddr} ${end}", "nothing");
        let error = read_text(&text).unwrap_err().to_string();
        assert!(error.contains("FlowLogs[0].LogFormat") && error.contains("nothing"), "{error}");
        assert!(read_text("{}").unwrap_err().to_string().contains("FlowLogs"));
        let twice = format!("{ANSWER}\n{ANSWER}");
        assert_eq!(read_text(&twice).unwrap().len(), 6, "pages may follow one another");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(\\{\"FlowLogs\":)?[\\[\\]{}\",:a-zA-Z0-9 ]{0,80}") {
            let _read = read_text(&text);
        }
    }
}
