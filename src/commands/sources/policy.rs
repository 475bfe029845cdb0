//! `tidegate sources policy`: the least IAM policy that a source needs, whatever this build reads.

use std::io::Write;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::flags::SourcesPolicyArgs;
use crate::{Ending, output};

pub(super) fn run(args: &SourcesPolicyArgs) -> Result<Ending> {
    let (policy, notes) = policy(args)?;
    for note in notes {
        output::note(note);
    }
    let mut stdout = output::stdout();
    writeln!(stdout, "{policy:#}")?;
    stdout.flush()?;
    Ok(Ending::Ran)
}

fn policy(args: &SourcesPolicyArgs) -> Result<(Value, Vec<&'static str>)> {
    let scope = Scope::of(args);
    let Some((kind, rest)) = args.url.split_once("://") else {
        bail!("`{}`: files of this machine need no policy; write a URL", args.url);
    };
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        bail!("`{}`: names nothing", args.url);
    }
    let mut notes = Vec::new();
    let mut statements = match kind {
        "s3" => read_bucket(&scope, rest),
        "cwl" => vec![read_group(&scope, rest)],
        "kinesis" => read_stream(&scope, rest, args.fan_out),
        "sqs" => {
            if args.objects.is_none() {
                notes.push(
                    "a queue's policy needs the bucket it tells of: give --objects s3://BUCKET/PREFIX, or put its name in the place of BUCKET",
                );
            }
            let objects = args.objects.as_deref().unwrap_or("s3://BUCKET");
            vec![read_queue(&scope, rest), get_objects(&scope, bucket_path(objects)?)]
        }
        _ => bail!("`{}`: not a source; write s3://, cwl://, kinesis:// or sqs://", args.url),
    };
    if let Some(state) = &args.state {
        statements.extend(write_state(&scope, bucket_path(state)?));
    }
    if let Some(key) = &args.kms_key {
        let actions: &[&str] = if args.state.is_some() {
            &["kms:Decrypt", "kms:GenerateDataKey"]
        } else {
            &["kms:Decrypt"]
        };
        statements.push(allow("Keys", actions, std::slice::from_ref(key)));
    }
    Ok((json!({"Version": "2012-10-17", "Statement": statements}), notes))
}

/// Partition, region and account of resources that are named without them.
struct Scope {
    partition: &'static str,
    region: String,
    account: String,
}

impl Scope {
    fn of(args: &SourcesPolicyArgs) -> Self {
        let region = args.region.clone().unwrap_or_else(|| "*".to_owned());
        let partition = match region.get(..3) {
            Some("cn-") => "aws-cn",
            Some("us-") if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Self { partition, region, account: args.account.clone().unwrap_or_else(|| "*".to_owned()) }
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    fn bucket(&self, path: &str) -> String {
        format!("arn:{}:s3:::{path}", self.partition)
    }
}

fn allow(id: &str, actions: &[&str], resources: &[String]) -> Value {
    json!({"Sid": id, "Effect": "Allow", "Action": actions, "Resource": resources})
}

fn bucket_path(url: &str) -> Result<&str> {
    match url.strip_prefix("s3://") {
        Some(path) if !path.is_empty() && !path.starts_with('/') => Ok(path),
        _ => bail!("`{url}`: write s3://BUCKET or s3://BUCKET/PREFIX"),
    }
}

/// Listing is limited to the prefix by a condition: the resource can only be the whole bucket.
fn list_bucket(scope: &Scope, id: &str, path: &str) -> Value {
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let mut statement = allow(id, &["s3:ListBucket"], &[scope.bucket(bucket)]);
    if !prefix.is_empty() {
        statement["Condition"] = json!({"StringLike": {"s3:prefix": format!("{prefix}*")}});
    }
    statement
}

fn get_objects(scope: &Scope, path: &str) -> Value {
    allow("Objects", &["s3:GetObject"], &[scope.bucket(&objects_of(path))])
}

fn objects_of(path: &str) -> String {
    if path.contains('/') { format!("{path}*") } else { format!("{path}/*") }
}

fn read_bucket(scope: &Scope, path: &str) -> Vec<Value> {
    vec![list_bucket(scope, "List", path), get_objects(scope, path)]
}

/// What state does: list generations, read and write them, remove old ones.
fn write_state(scope: &Scope, path: &str) -> Vec<Value> {
    let folder = format!("{}/", path.trim_end_matches('/'));
    let actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"];
    vec![
        list_bucket(scope, "ListState", &folder),
        allow("State", &actions, &[scope.bucket(&format!("{folder}*"))]),
    ]
}

/// The name as the reader takes it: a last part that begins as a flow log's stream is a prefix.
fn read_group(scope: &Scope, rest: &str) -> Value {
    let arn = if rest.starts_with("arn:") {
        let group = rest.split(":log-stream:").next().unwrap_or(rest);
        group.strip_suffix(":*").unwrap_or(group).to_owned()
    } else {
        let group = rest.split(':').next().unwrap_or(rest).trim_end_matches('/');
        let group = match group.rsplit_once('/') {
            Some((group, stream)) if ["eni-", "tgw-"].iter().any(|b| stream.starts_with(b)) => {
                group
            }
            _ => group,
        };
        scope.arn("logs", &format!("log-group:{group}"))
    };
    // The service takes the group with and without what is in it, by the request.
    allow("Events", &["logs:FilterLogEvents"], &[arn.clone(), format!("{arn}:*")])
}

fn read_stream(scope: &Scope, rest: &str, fans_out: bool) -> Vec<Value> {
    let arn = match rest {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        name => scope.arn("kinesis", &format!("stream/{name}")),
    };
    let actions = [
        "kinesis:DescribeStreamSummary",
        "kinesis:ListShards",
        "kinesis:GetShardIterator",
        "kinesis:GetRecords",
    ];
    let mut statements = vec![allow("Records", &actions, std::slice::from_ref(&arn))];
    if fans_out {
        let consumer = [format!("{arn}/consumer/*")];
        let own = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"];
        statements.push(allow("Register", &["kinesis:RegisterStreamConsumer"], &[arn]));
        statements.push(allow("FanOut", &own, &consumer));
    }
    statements
}

fn read_queue(scope: &Scope, rest: &str) -> Value {
    let mut actions =
        vec!["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"];
    let bare = rest.split_once("://").map_or(rest, |(_, bare)| bare);
    let arn = if rest.starts_with("arn:") {
        actions.push("sqs:GetQueueUrl");
        rest.to_owned()
    } else if let [host, account, name] = bare.split('/').collect::<Vec<_>>().as_slice() {
        let region = host.strip_prefix("sqs.").and_then(|host| host.split('.').next());
        let region = region.unwrap_or(&scope.region);
        format!("arn:{}:sqs:{region}:{account}:{name}", scope.partition)
    } else {
        actions.push("sqs:GetQueueUrl");
        scope.arn("sqs", bare)
    };
    allow("Messages", &actions, &[arn])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: &str) -> SourcesPolicyArgs {
        SourcesPolicyArgs {
            url: url.to_owned(),
            state: None,
            account: Some("111122223333".to_owned()),
            region: Some("eu-west-1".to_owned()),
            objects: None,
            kms_key: None,
            fan_out: false,
        }
    }

    /// Actions and resources, and the condition, of each statement.
    fn told(args: &SourcesPolicyArgs) -> Vec<String> {
        let (policy, _) = policy(args).unwrap();
        let list = |value: &Value| {
            let texts = value.as_array().unwrap().iter().map(|text| text.as_str().unwrap());
            texts.collect::<Vec<_>>().join(" ")
        };
        let statements = policy["Statement"].as_array().unwrap().iter();
        statements
            .map(|one| {
                let condition = one["Condition"]["StringLike"]["s3:prefix"].as_str().unwrap_or("");
                format!("{} on {} {condition}", list(&one["Action"]), list(&one["Resource"]))
            })
            .collect()
    }

    #[test]
    fn a_bucket_is_listed_and_read_under_its_prefix_only() {
        assert_eq!(
            told(&args("s3://logs/a/AWSLogs/")),
            [
                "s3:ListBucket on arn:aws:s3:::logs a/AWSLogs/*",
                "s3:GetObject on arn:aws:s3:::logs/a/AWSLogs/* ",
            ]
        );
        assert_eq!(told(&args("s3://logs"))[1], "s3:GetObject on arn:aws:s3:::logs/* ");
    }

    #[test]
    fn state_is_written_under_its_prefix_only() {
        let state = Some("s3://state/tidegate".to_owned());
        let told = told(&SourcesPolicyArgs { state, ..args("kinesis://flows") });
        assert_eq!(
            told[1..],
            [
                "s3:ListBucket on arn:aws:s3:::state tidegate/*",
                "s3:GetObject s3:PutObject s3:DeleteObject on arn:aws:s3:::state/tidegate/* ",
            ]
        );
        assert!(told[0].ends_with("on arn:aws:kinesis:eu-west-1:111122223333:stream/flows "));
    }

    #[test]
    fn a_log_group_is_named_as_it_is_read() {
        let arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flows";
        let expected = format!("logs:FilterLogEvents on {arn} {arn}:* ");
        for url in ["/vpc/flows", "/vpc/flows/eni-1", "/vpc/flows:x"] {
            assert_eq!(told(&args(&format!("cwl://{url}"))), [expected.as_str()], "{url}");
        }
        assert_eq!(told(&args(&format!("cwl://{arn}:*"))), [expected.as_str()]);
    }

    #[test]
    fn a_queue_needs_its_bucket_too() {
        let objects = Some("s3://logs/a".to_owned());
        let queue = "arn:aws:sqs:eu-west-1:111122223333:told";
        let by_name = told(&SourcesPolicyArgs { objects: objects.clone(), ..args("sqs://told") });
        assert!(by_name[0].contains("sqs:GetQueueUrl") && by_name[0].contains(queue));
        assert_eq!(by_name[1], "s3:GetObject on arn:aws:s3:::logs/a* ");
        let url = "sqs://https://sqs.eu-west-1.amazonaws.com/111122223333/told";
        let by_url = told(&SourcesPolicyArgs { objects, ..args(url) });
        assert!(!by_url[0].contains("sqs:GetQueueUrl") && by_url[0].contains(queue));
        let (_, notes) = policy(&args("sqs://told")).unwrap();
        assert_eq!(notes.len(), 1, "it says that the bucket is missing");
    }

    #[test]
    fn fan_out_and_keys_are_asked_for_only_when_they_are_used() {
        let plain = told(&args("kinesis://flows")).join("\n");
        assert!(!plain.contains("SubscribeToShard") && !plain.contains("kms:"));
        let key = Some("arn:aws:kms:eu-west-1:111122223333:key/1".to_owned());
        let more = SourcesPolicyArgs { fan_out: true, kms_key: key, ..args("kinesis://flows") };
        let more = told(&more).join("\n");
        assert!(more.contains("SubscribeToShard") && more.contains("kms:Decrypt on"));
    }

    #[test]
    fn what_is_no_source_is_refused() {
        for url in ["./logs", "ftp://x", "s3://", "kinesis://"] {
            assert!(policy(&args(url)).is_err(), "{url}");
        }
        let state = Some("./dir".to_owned());
        assert!(policy(&SourcesPolicyArgs { state, ..args("s3://logs") }).is_err());
    }
}
