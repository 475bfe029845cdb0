//! What a message says: which objects are new.
//!
//! Four shapes are told apart by their keys: S3's own notification, that inside an envelope of SNS,
//! that of `EventBridge`, and the test S3 sends when it is set up.

use serde::Deserialize;

/// What came of reading a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Objects that were written, in the order told, and how many other events there were.
    Objects(Vec<NewObject>, u64),
    /// S3 tests whether it may send.
    Test,
    /// None of the shapes known.
    Unreadable,
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewObject {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) bytes: Option<u64>,
    /// What tells this content from an earlier one under the same key: the entity tag where there
    /// is one, else the version or the sequence number.
    pub(super) etag: Option<String>,
    pub(super) version: Option<String>,
}

/// Notifications may be wrapped by SNS once.
const WRAPS_MAX: usize = 2;

/// S3 allows keys of so many bytes.
const KEY_BYTES_MAX: usize = 1024;

/// Reads a message's body.
pub(super) fn read(body: &str) -> Told {
    unwrap(body, WRAPS_MAX)
}

fn unwrap(body: &str, wraps_left: usize) -> Told {
    let Ok(body) = serde_json::from_str::<Body>(body) else { return Told::Unreadable };
    match body {
        Body { records: Some(records), .. } => of_records(records),
        Body { event: Some(event), .. } if event == "s3:TestEvent" => Told::Test,
        Body { detail: Some(detail), source: Some(source), detail_type: Some(kind), .. }
            if source == "aws.s3" =>
        {
            of_detail(detail, &kind)
        }
        Body { kind: Some(kind), message: Some(message), .. }
            if kind == "Notification" && wraps_left > 0 =>
        {
            unwrap(&message, wraps_left - 1)
        }
        _ => Told::Unreadable,
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    source: Option<String>,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_version: String,
    event_source: String,
    event_name: String,
    s3: Detail,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(alias = "versionId", rename = "version-id")]
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// All or nothing: a message that is understood in part is left as it is.
fn of_records(records: Vec<Record>) -> Told {
    let mut objects = Vec::new();
    let mut n_others = 0;
    for record in records {
        let major = record.event_version.split('.').next();
        if major != Some("2") || record.event_source != "aws:s3" {
            return Told::Unreadable;
        }
        // Some stand-ins and forwarders keep the prefix that the configuration has.
        let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
        if !name.starts_with("ObjectCreated:") {
            n_others += 1;
            continue;
        }
        let Some(key) = form_decoded(&record.s3.object.key) else { return Told::Unreadable };
        match new_object(record.s3, key) {
            Some(object) => objects.push(object),
            None => return Told::Unreadable,
        }
    }
    Told::Objects(objects, n_others)
}

/// `EventBridge` does not encode keys.
fn of_detail(detail: Detail, kind: &str) -> Told {
    if kind != "Object Created" {
        return Told::Objects(Vec::new(), 1);
    }
    let key = detail.object.key.clone();
    match new_object(detail, key) {
        Some(object) => Told::Objects(vec![object], 0),
        None => Told::Unreadable,
    }
}

fn new_object(detail: Detail, key: String) -> Option<NewObject> {
    let Detail { bucket, object } = detail;
    if bucket.name.is_empty() || key.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    Some(NewObject {
        bucket: bucket.name,
        key,
        bytes: object.size,
        etag: object.etag.map(|tag| tag.trim_matches('"').to_owned()).filter(|tag| !tag.is_empty()),
        version: object.version_id.or(object.sequencer),
    })
}

/// Undoes the encoding of forms: `+` is a space, `%2F` a slash. What is no encoding stays as it is.
fn form_decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    let Some(decoded) = crate::value::percent_decoded(spaced.as_bytes()) else {
        // Nothing encoded, or bytes that are no text.
        return (!spaced.contains('%')).then_some(spaced);
    };
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn record(key: &str) -> serde_json::Value {
        json!({
            "eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": "logs", "arn": "arn:aws:s3:::logs"},
                "object": {"key": key, "size": 7, "eTag": "\"ab\"", "sequencer": "00C1"},
            },
        })
    }

    fn object(key: &str) -> NewObject {
        NewObject {
            bucket: "logs".to_owned(),
            key: key.to_owned(),
            bytes: Some(7),
            etag: Some("ab".to_owned()),
            version: Some("00C1".to_owned()),
        }
    }

    fn told(body: &serde_json::Value) -> Told {
        read(&body.to_string())
    }

    #[test]
    fn keys_of_notifications_are_form_encoded() {
        let body = json!({"Records": [
            record("a+b/year%3D2025/x.log.gz"),
            record("AWSLogs%2F1%2Fcaf%C3%A9%2By.log.gz"),
        ]});
        let objects = vec![object("a b/year=2025/x.log.gz"), object("AWSLogs/1/café+y.log.gz")];
        assert_eq!(told(&body), Told::Objects(objects, 0));
    }

    #[test]
    fn a_topic_wraps_the_same_notification() {
        let inner = json!({"Records": [record("x.gz")]});
        let wrapped = json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:1:t",
            "Subject": "Amazon S3 Notification", "Message": inner.to_string(), "Signature": "x",
        });
        assert_eq!(told(&wrapped), Told::Objects(vec![object("x.gz")], 0));
        let nested = (0..9)
            .fold(inner, |inner, _| json!({"Type": "Notification", "Message": inner.to_string()}));
        assert_eq!(told(&nested), Told::Unreadable, "there is an end to wrapping");
    }

    #[test]
    fn keys_of_eventbridge_are_plain() {
        let event = json!({
            "version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "detail": {
                "bucket": {"name": "logs"}, "reason": "PutObject",
                "object": {"key": "a+b/year%3D2025/x", "size": 7, "etag": "ab", "sequencer": "00C1"},
            },
        });
        assert_eq!(told(&event), Told::Objects(vec![object("a+b/year%3D2025/x")], 0));
        let mut deleted = event.clone();
        deleted["detail-type"] = "Object Deleted".into();
        assert_eq!(told(&deleted), Told::Objects(Vec::new(), 1));
        let mut stranger = event;
        stranger["source"] = "aws.ec2".into();
        assert_eq!(told(&stranger), Told::Unreadable);
    }

    #[test]
    fn a_test_is_known_as_one_straight_and_wrapped() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "logs"});
        assert_eq!(told(&test), Told::Test);
        let wrapped = json!({"Type": "Notification", "Message": test.to_string()});
        assert_eq!(told(&wrapped), Told::Test);
    }

    #[test]
    fn other_events_are_counted_and_unknown_versions_left() {
        let mut removed = record("x.gz");
        removed["eventName"] = "ObjectRemoved:Delete".into();
        let both = json!({"Records": [removed, record("y.gz")]});
        assert_eq!(told(&both), Told::Objects(vec![object("y.gz")], 1));
        let mut newer = record("x.gz");
        newer["eventVersion"] = "3.0".into();
        assert_eq!(told(&json!({"Records": [record("y.gz"), newer]})), Told::Unreadable);
        let minor = {
            let mut minor = record("x.gz");
            minor["eventVersion"] = "2.91".into();
            minor["glacierEventData"] = json!({"new": true});
            minor
        };
        assert_eq!(told(&json!({"Records": [minor]})), Told::Objects(vec![object("x.gz")], 0));
    }

    #[test]
    fn what_is_no_event_is_unreadable() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "hello",
            "{\"Records\":\"none\"}",
            "{\"Records\":[{}]}",
            "{\"Type\":\"Notification\",\"Message\":\"hello\"}",
            "{\"Type\":\"SubscriptionConfirmation\",\"Message\":\"{}\"}",
        ] {
            assert_eq!(read(body), Told::Unreadable, "{body}");
        }
        assert_eq!(told(&json!({"Records": [record("")]})), Told::Unreadable);
        assert_eq!(told(&json!({"Records": [record("%FF%FE")]})), Told::Unreadable);
        assert_eq!(told(&json!({"Records": [record(&"x".repeat(1025))]})), Told::Unreadable);
        assert_eq!(told(&json!({"Records": []})), Told::Objects(Vec::new(), 0));
    }

    fn json_like() -> impl Strategy<Value = String> {
        let word = prop::sample::select(vec![
            "Records",
            "s3",
            "bucket",
            "object",
            "key",
            "name",
            "Type",
            "Notification",
            "Message",
            "detail",
            "detail-type",
            "Object Created",
            "source",
            "aws.s3",
            "eventVersion",
            "2.1",
            "aws:s3",
            "%2F",
            "+",
            "%",
        ]);
        let leaf = prop_oneof![
            word.clone().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(6, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
        .prop_map(|value| value.to_string())
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(body in prop_oneof![json_like(), "\\PC{0,200}"]) {
            let _told = read(&body);
        }

        #[test]
        fn any_key_comes_through_its_encoding(key in "\\PC{1,60}") {
            let encoded: String = key
                .bytes()
                .map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") })
                .collect();
            prop_assert_eq!(form_decoded(&encoded), Some(key));
        }
    }
}
