//! What a saved `aws ec2 describe-flow-logs` says of records that come without a header line.

use anyhow::{Result, bail};
use ingest::LogFormat;
use ingest::inventory::flow_logs::{self, Described, DescribedError, FlowLog};

use crate::flags::SourceArgs;
use crate::output;

/// What the flow logs behind the source have in common; `None` if nothing is saved.
pub(crate) fn read(args: &SourceArgs) -> Result<Option<Described>> {
    let Some(file) = &args.flow_logs else { return Ok(None) };
    let [source] = args.sources.as_slice() else {
        bail!("--flow-logs tells the format of one stream: give one SOURCE")
    };
    let all = flow_logs::read(file, &output::read_file(file)?)?;
    let described = match group(source)? {
        Some(group) => flow_logs::of_group(&all, &group)?,
        // Nothing in a data stream's name says which flow logs end there.
        None if source.starts_with("kinesis://") => in_common(source, &all)?,
        None => bail!(
            "--flow-logs is for cwl://LOG-GROUP and kinesis://STREAM, whose records have no header \
             line; elsewhere --log-format says what a file does not"
        ),
    };
    let Some(described) = described else {
        bail!("{}: no flow log writes to {source}", file.display());
    };
    Ok(Some(described))
}

/// The name of a log group, if the source is one.
#[cfg(feature = "cwl")]
fn group(source: &str) -> Result<Option<String>> {
    let url = ingest::source::cwl::CwlUrl::parse(source).transpose()?;
    Ok(url.map(|url| url.group_name().to_owned()))
}

#[cfg(not(feature = "cwl"))]
#[expect(clippy::unnecessary_wraps, reason = "no log groups in this build")]
fn group(_: &str) -> Result<Option<String>> {
    Ok(None)
}

fn in_common(source: &str, all: &[FlowLog]) -> Result<Option<Described>, DescribedError> {
    let Some(first) = all.first() else { return Ok(None) };
    let of = |log: &FlowLog| log.format.clone().unwrap_or_else(LogFormat::v2);
    match all.iter().find(|log| of(log) != of(first)) {
        None => Ok(Some(Described {
            format: first.format.clone(),
            interval_secs: all.iter().map(|log| log.interval_secs).max().flatten(),
            ids: all.iter().map(|log| log.id.clone()).collect(),
        })),
        Some(other) => Err(DescribedError::TwoFormats {
            destination: source.to_owned(),
            first: first.id.clone(),
            second: other.id.clone(),
        }),
    }
}

#[cfg(feature = "cwl")]
#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;
    use ingest::Field;

    use crate::flags::{Cli, Command};
    use crate::plan::Ground;

    const SAVED: &str = r#"{"FlowLogs": [
        {"FlowLogId": "fl-1", "LogGroupName": "flows", "LogFormat": "${srcaddr} ${end}",
         "MaxAggregationInterval": 60},
        {"FlowLogId": "fl-2", "LogGroupName": "slow", "MaxAggregationInterval": 600}]}"#;

    fn ground(source: &str, saved: &str) -> anyhow::Result<Ground> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fl.json");
        fs::write(&file, saved).unwrap();
        let file = file.display().to_string();
        let cli = Cli::parse_from(["tidegate", "watch", source, "--flow-logs", &file]);
        let Command::Watch(args) = cli.command else { panic!() };
        Ground::of(&args.source)
    }

    #[test]
    fn the_flow_logs_of_a_group_tell_its_format_and_interval() {
        let flows = ground("cwl://flows", SAVED).unwrap();
        let columns = flows.decode.format.unwrap().columns().to_vec();
        assert_eq!(columns, [Some(Field::SrcAddr), Some(Field::End)]);
        assert_eq!(flows.interval_secs, Some(60));
        let slow = ground("cwl://slow", SAVED).unwrap();
        assert_eq!(slow.interval_secs, None, "600 is the most, and records may span a minute");
        assert!(slow.decode.format.is_none());
        let none = ground("cwl://others", SAVED).err().unwrap().to_string();
        assert!(none.contains("no flow log writes to cwl://others"), "{none}");
    }

    #[test]
    fn a_data_stream_has_the_format_all_have() {
        let refused = ground("kinesis://s", SAVED).err().unwrap().to_string();
        assert!(refused.contains("fl-1") && refused.contains("fl-2"), "{refused}");
        let alike =
            SAVED.replace(r#""LogGroupName": "slow""#, r#""LogFormat": "${srcaddr} ${end}""#);
        assert!(ground("kinesis://s", &alike).unwrap().decode.format.is_some());
        let files = ground("replay:x", SAVED).err().unwrap().to_string();
        assert!(files.contains("--log-format"), "{files}");
    }
}
