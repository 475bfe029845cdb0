//! What the user typed, and nothing more: [`crate::plan`] makes of it what is to be done.

#![allow(
    clippy::doc_markdown,
    reason = "these comments are help texts: URLs stand in them as people type them"
)]

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;

mod accept;
mod aws;
mod backfill;
mod evaluate;
mod watch;

pub(crate) use accept::{AcceptArgs, AuditArgs};
pub(crate) use aws::AwsArgs;
pub(crate) use backfill::BackfillArgs;
pub(crate) use evaluate::EvaluateArgs;
#[cfg(feature = "watch")]
pub(crate) use watch::LogForm;
pub(crate) use watch::WatchArgs;

/// Learns how AWS workloads talk to each other from VPC Flow Logs, finds the moment one starts to
/// behave differently, and hands over a reversible plan to quarantine it.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Start with: tidegate demo")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a few days of traffic with an intrusion in them, learn, detect, and show the plan.
    #[command(after_help = "Example: tidegate demo --seed 7")]
    Demo(DemoArgs),
    /// Write made-up flow logs with an inventory and labels, in the S3 layout.
    #[command(
        after_help = "Example: tidegate generate --scenario intrusion --out /tmp/shop --seed 7"
    )]
    Generate(GenerateArgs),
    /// Learn what is normal; into an existing baseline, add to it.
    #[command(
        after_help = "Example: tidegate learn ./AWSLogs --baseline shop.parquet --inventory enis.json"
    )]
    Learn(LearnArgs),
    /// Judge flow logs against a baseline, or learn as it goes without one.
    #[command(
        after_help = "Examples:\n  tidegate detect ./AWSLogs --baseline shop.parquet --inventory enis.json\n  tidegate detect ./AWSLogs --warmup 8h --findings findings.jsonl\n\nExit codes: 0 ran; 1 findings, with --exit-code; 2 error; 3 finished, but a file could not be read"
    )]
    Detect(DetectArgs),
    /// Judge a stretch of the past as it would have been judged at the time.
    #[command(
        mut_arg("since", |arg| arg.required(true)),
        mut_arg("until", |arg| arg.required(true)),
        after_help = "Examples:\n  tidegate backfill s3://logs/prefix --since 2025-03-03 --until 2025-03-10 --dry-run\n  tidegate backfill ./AWSLogs --since 2025-03-03 --until 2025-03-10 --learn 14d --findings findings.jsonl --resume backfill.state\n\nExit codes: as of detect"
    )]
    Backfill(BackfillArgs),
    /// Judge a stream as it comes, until it is told to stop (SIGTERM or Ctrl-C).
    #[command(
        after_help = "Examples:\n  tidegate watch kinesis://flow-logs --state /var/lib/tidegate --output json --log json\n  tidegate watch sqs://flow-log-objects --state s3://my-bucket/tidegate --baseline shop.parquet\n\nExit codes: 0 told to stop; 1 the same and findings were told, with --exit-code; 2 error, after saving what was read before it"
    )]
    Watch(WatchArgs),
    /// Merge baselines, or look into one.
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Who is who in these logs, and why.
    #[command(
        after_help = "Example: tidegate services ./AWSLogs --inventory enis.json --labels labels.yaml"
    )]
    Services(ServicesArgs),
    /// Look at a source, or print the permissions it needs.
    #[command(subcommand)]
    Sources(SourcesCommand),
    /// Everything about one finding: why it fired, what it rests on, what to do.
    #[command(
        after_help = "Example: tidegate explain tg-0123456789abcdef --findings findings.jsonl"
    )]
    Explain(ExplainArgs),
    /// Hide and learn what a finding found from now on: rules for it go into a suppression file, with a
    /// reason and an end.
    #[command(
        after_help = "Example: tidegate accept tg-0123456789abcdef --findings findings.jsonl --suppress known.yaml \\\n    --reason 'nightly export to the partner, ticket 4711' --author kim --until 2026-12-31\n\nThe change is written to known.yaml.audit.jsonl, see tidegate audit."
    )]
    Accept(AcceptArgs),
    /// Check the log of changes that `accept` keeps beside a suppression file.
    #[command(
        after_help = "Example: tidegate audit known.yaml\n\nExit codes: 0 the log is whole, whatever it says of the file; 2 it is not"
    )]
    Audit(AuditArgs),
    /// Measure the judging on made-up estates with attacks in them: recall, false findings, time to detect.
    #[command(
        after_help = "Example: tidegate evaluate --scenarios intrusion,shop --seeds 1000..1010"
    )]
    Evaluate(EvaluateArgs),
    /// Ask in SQL: over flow logs, conversations, a baseline and findings.
    #[command(
        mut_arg("sources", |sources| sources.required(false)),
        after_help = QUERY_HELP,
    )]
    Query(Box<QueryArgs>),
    /// Print shell completions.
    #[command(after_help = "Example: tidegate completions bash > /etc/bash_completion.d/tidegate")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Everything drawn at random follows from it.
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Keep the flow logs, the baseline and the findings in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What to make; `list` lists the scenarios and topologies.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: String,
    /// Whose services: shop, online-boutique, sock-shop, train-ticket or social-network [default: shop].
    #[arg(long, value_name = "NAME")]
    pub(crate) topology: Option<String>,
    /// The folder to write to; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Everything drawn at random follows from it.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Number of the shop's services, 12 to 60.
    #[arg(long, value_name = "N")]
    pub(crate) services: Option<u32>,
    /// Number of days; attacks fall on the last one, or the last few where they take longer.
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<u32>,
    /// About how many records, by making all traffic busier or quieter.
    #[arg(long, value_name = "N")]
    pub(crate) records: Option<u64>,
    /// Only list the scenarios and topologies.
    #[arg(long, hide = true)]
    pub(crate) list: bool,
}

/// Where flow logs come from and what is known about them.
#[derive(Clone, Debug, Args)]
pub(crate) struct SourceArgs {
    /// Flow logs: files, folders, globs, trees as S3 has them (`AWSLogs/…`), `s3://BUCKET/PREFIX`, or
    /// `cwl://LOG-GROUP`, from --since to --until or now.
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<String>,
    /// Output of `aws ec2 describe-network-interfaces`, `describe-instances` or `aws ecs
    /// describe-tasks`; may be given several times.
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) inventory: Vec<PathBuf>,
    /// When the inventory was taken, if neither its name (…-20250303T1200Z.json) nor the file's own
    /// time says so.
    #[arg(long, value_name = "TIME")]
    pub(crate) inventory_time: Option<String>,
    /// YAML rules that name services, environments and outside networks.
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// AWS's ip-ranges.json; without it the records' pkt-*-aws-service fields serve.
    #[arg(long, value_name = "FILE")]
    pub(crate) ip_ranges: Option<PathBuf>,
    /// The fields of logs without a header line: '${version} ${account-id} …' as in
    /// `DescribeFlowLogs`; the default is version 2's.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Output of `aws ec2 describe-flow-logs`, which tells the format, and an interval of 60 seconds,
    /// of what comes by cwl:// and kinesis://, where no header line does.
    #[arg(long, value_name = "FILE", conflicts_with = "log_format")]
    pub(crate) flow_logs: Option<PathBuf>,
    /// Aggregation interval in seconds; found from the first records if not given.
    #[arg(long, value_name = "60|600", value_parser = ["60", "600"])]
    pub(crate) interval: Option<String>,
    /// Time zone of hours of the week, as in Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) timezone: String,
    /// Records that end before this are left out: 2025-03-03T00:00:00Z, or a date.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Records that end at or after this are left out.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How late a record may come after its file's time.
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = duration::seconds)]
    pub(crate) lateness: i64,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

impl SourceArgs {
    /// The flow logs and inventories of a folder that `generate` wrote, of a stretch of its time.
    pub(crate) fn of_generated(
        dir: &Path,
        since: Option<String>,
        until: Option<String>,
    ) -> std::io::Result<Self> {
        let mut inventory: Vec<PathBuf> = std::fs::read_dir(dir)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        inventory.sort();
        Ok(Self {
            sources: vec![dir.join("AWSLogs").display().to_string()],
            inventory,
            inventory_time: None,
            labels: None,
            ip_ranges: None,
            flow_logs: None,
            log_format: None,
            interval: None,
            timezone: "UTC".to_owned(),
            since,
            until,
            lateness: 1200,
            aws: AwsArgs::default(),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The baseline to write; if it exists, it is added to.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) learned: LearnedArgs,
    /// Go on where the last run with this state stopped, a folder or `s3://BUCKET/PREFIX`: baseline,
    /// open windows and findings, and which files were taken (by name, size and entity tag) are kept here
    /// between runs; --baseline and --warmup count in the first one, and files named at --until or
    /// later are left to the next one. Findings told are those that
    /// closed in this run, all that are open, and those of a run that could not deliver them: of
    /// each id the last one told counts.
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) state: Option<String>,
    /// With --state, list S3 from so long before the newest file of the flow log that lags most. A
    /// file named earlier than that is not found any more; those in between count as late.
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = duration::seconds)]
    pub(crate) relist: i64,
    /// Close the last windows although --state could carry them on.
    #[arg(long, requires = "state", value_name = "")]
    pub(crate) r#final: bool,
    #[command(flatten)]
    pub(crate) tell: TellArgs,
}

/// What is normal, and what learning while judging adds to it.
#[derive(Clone, Debug, Args)]
pub(crate) struct LearnedArgs {
    /// What is normal, from `learn`; with --state it counts in the first run.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Only learn from the first part of the input, counted from its smallest record time.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::seconds)]
    pub(crate) warmup: i64,
    /// Save what was learned into the baseline file at the end, in runs with --state too.
    #[arg(long, requires = "baseline")]
    pub(crate) update_baseline: bool,
}

/// Which findings are told, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct TellArgs {
    /// How many false findings are accepted, over the whole estate: 1/day, 0.1/day, 3/week. Fewer tell
    /// less.
    #[arg(long, value_name = "N/day", default_value = "1/day")]
    pub(crate) budget: detect::Budget,
    /// Known things to hide at report time (YAML).
    #[arg(long, value_name = "FILE")]
    pub(crate) suppress: Option<PathBuf>,
    /// Write every finding here, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) findings: Option<PathBuf>,
    /// How to print findings.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
    /// Print at most this many findings, the gravest first.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Exit with 1 if there are findings.
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// How long after the event a plan lapses.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::seconds)]
    pub(crate) plan_ttl: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Add baselines up: the same as learning everything at once.
    #[command(
        after_help = "Example: tidegate baseline merge a.parquet b.parquet --out both.parquet"
    )]
    Merge {
        /// Baselines.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The baseline to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// What it was learned from, what it knows, and what it cannot judge yet.
    #[command(after_help = "Example: tidegate baseline inspect shop.parquet --inventory enis.json")]
    Inspect {
        /// The baseline.
        file: PathBuf,
        /// Inventories, to name interfaces without records.
        #[arg(long, value_name = "FILE", num_args = 1)]
        inventory: Vec<PathBuf>,
        /// Time zone of hours of the week.
        #[arg(long, value_name = "ZONE", default_value = "UTC")]
        timezone: String,
        /// Show this service's edges.
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServicesArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourcesCommand {
    /// What is there, how far behind it is, what permissions are missing, and three records.
    #[command(
        after_help = "Examples:\n  tidegate sources check s3://flow-logs/AWSLogs/\n  tidegate sources check cwl:///vpc/flow-logs --flow-logs flow-logs.json\n\nExit codes: 0 readable; 2 error; 3 something is missing"
    )]
    Check(SourcesCheckArgs),
    /// The least IAM policy that reading a source needs, as JSON.
    #[command(
        after_help = "Examples:\n  tidegate sources policy s3://flow-logs/AWSLogs/ --state s3://state/tidegate\n  tidegate sources policy sqs://new-logs --objects s3://flow-logs/AWSLogs/ --account 111122223333 --region eu-west-1"
    )]
    Policy(SourcesPolicyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SourcesCheckArgs {
    /// A file, a folder, or s3://BUCKET/PREFIX, cwl://GROUP/STREAM-PREFIX, kinesis://STREAM or
    /// sqs://QUEUE.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The fields of logs without a header line, as in `DescribeFlowLogs`.
    #[arg(long, value_name = "FORMAT", conflicts_with = "flow_logs")]
    pub(crate) log_format: Option<String>,
    /// Output of `aws ec2 describe-flow-logs`, which tells the format of a log group's records.
    #[arg(long, value_name = "FILE")]
    pub(crate) flow_logs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SourcesPolicyArgs {
    /// s3://BUCKET/PREFIX, cwl://GROUP, kinesis://STREAM or sqs://QUEUE.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// Where --state of `detect` or `watch` will be, as s3://BUCKET/PREFIX.
    #[arg(long, value_name = "URL")]
    pub(crate) state: Option<String>,
    /// The account that owns the source; any if not given.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// The region of the source; any if not given.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The bucket, and prefix, that a queue tells of.
    #[arg(long, value_name = "URL")]
    pub(crate) objects: Option<String>,
    /// The key that encrypts the source or the state.
    #[arg(long, value_name = "ARN")]
    pub(crate) kms_key: Option<String>,
    /// With the permissions of Kinesis enhanced fan-out.
    #[arg(long)]
    pub(crate) fan_out: bool,
}

/// What `query --help` ends with.
const QUERY_HELP: &str = "\
Tables (`describe flows` shows a table's columns, `show tables` all tables):
  flows             the records, NODATA and SKIPDATA too, each field of the log a column:
                    account_id, pkt_dstaddr, …; an address is text, a time a timestamp in UTC; and
                    what the file's name says: file, file_time, file_account, file_region,
                    file_flow_log. In lists, end is \"end\", since SQL has the word for itself
  activity          conversations, a row per window: client, server, port, counts, verdict
  baseline          edges, with --baseline; also baseline_services, baseline_measures
  findings          with --findings; also deviations, a row each

Functions beside DataFusion's:
  cidr_contains(cidr, address)  whether the address is in the range
  prefix24(address)             its /24; of IPv6 its /48
  service_of(address[, time])   the service, from --inventory and --labels; else the address

Only files that can hold what is asked for are read: a condition on end or start leaves out files
by the time in their names (as --since and --until do, --lateness allowed for), one on region,
file_region, file_account or file_time by the rest. A field that a query does not name is not
decoded, and so not checked.

Examples:
  tidegate query 'select action, count(*) from flows group by action' ./AWSLogs
  tidegate query \"select srcaddr, sum(bytes) as bytes from flows
      where cidr_contains('10.0.0.0/16', srcaddr) and end >= '2025-03-03T14:00:00Z'
      group by srcaddr order by bytes desc limit 10\" ./AWSLogs
  tidegate query 'select client, server, port, sum(attempts) from activity group by 1, 2, 3' \\
      ./AWSLogs --inventory enis.json --output csv --out edges.csv
  tidegate query 'select id, severity, service, summary from findings' --findings findings.jsonl";

#[derive(Clone, Debug, Args)]
#[cfg_attr(not(feature = "query"), allow(dead_code, reason = "this build asks nothing"))]
pub(crate) struct QueryArgs {
    /// A SELECT over the tables below.
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// A baseline from `learn`, for the tables of that name; `activity` takes from it who listens.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// A findings file that `detect --findings` wrote, for the tables findings and deviations.
    #[arg(long, value_name = "FILE")]
    pub(crate) findings: Option<PathBuf>,
    /// How to print rows.
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) output: RowFormat,
    /// Write the rows to this file, whole or not at all.
    #[arg(long, value_name = "FILE", required_if_eq("output", "parquet"))]
    pub(crate) out: Option<PathBuf>,
    /// Print at most this many rows; of a table 1000 unless told otherwise.
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<usize>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// For people.
    Table,
    /// With a header line; text that a spreadsheet would take for a formula begins with `'`.
    Csv,
    /// One JSON object a line.
    Json,
    /// Apache Parquet; needs --out.
    Parquet,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The finding's id, or the beginning of it.
    #[arg(value_name = "FINDING-ID")]
    pub(crate) id: String,
    /// The findings file that `detect --findings` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) findings: PathBuf,
}
