//! Queues that tell of new objects: each object once, messages deleted when it is safe.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use ingest::Place;
use ingest::source::aws::{Aws, AwsOptions};
use ingest::source::sqs::{QueueLook, Sqs, SqsOptions, SqsUrl};
use ingest::source::stream::{Content, Positions, Stream};
use serde_json::Value;

use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{moto, stage, unique_name};

const FILES: u32 = 12;

fn aws(endpoint: &str) -> Aws {
    let endpoint_url = Some(endpoint.to_owned());
    let region = Some("us-east-1".to_owned());
    Aws::new(AwsOptions { endpoint_url, region, ..AwsOptions::default() }).unwrap()
}

fn open(endpoint: &str, queue: &str, options: SqsOptions, positions: &Positions) -> Sqs {
    let url = SqsUrl::parse(&format!("sqs://{queue}")).unwrap().unwrap();
    Sqs::open(&aws(endpoint), &url, options, positions).unwrap()
}

/// What came: keys with their counts, and what was set aside.
#[derive(Default)]
struct Came {
    keys: BTreeMap<String, u32>,
    set_aside: BTreeMap<&'static str, u64>,
    retries: BTreeMap<&'static str, u64>,
}

impl Came {
    fn times(&self) -> Vec<u32> {
        self.keys.values().copied().collect()
    }
}

/// Polls until so many messages have come or been set aside, or nothing comes for a while.
fn poll(sqs: &mut Sqs, came: &mut Came, n_wanted: usize) {
    let mut n_quiet = 0;
    while n_quiet < 3 {
        let polled = sqs.poll(Duration::from_secs(1)).unwrap();
        n_quiet = if polled.deliveries.is_empty() { n_quiet + 1 } else { 0 };
        for delivery in polled.deliveries {
            let Content::Object(file) = delivery.content else { panic!("objects only") };
            let Place::Object { key, .. } = file.place else { panic!("in S3") };
            assert!(file.bytes > 0 && file.etag.is_some());
            *came.keys.entry(key).or_default() += 1;
        }
        for (reason, n) in polled.set_aside {
            *came.set_aside.entry(reason).or_default() += n;
        }
        for (reason, n) in polled.retries {
            *came.retries.entry(reason).or_default() += n;
        }
        if came.keys.len() >= n_wanted {
            return;
        }
    }
}

fn upload(bucket: &str) {
    let logs = tempfile::tempdir().unwrap();
    for file in 0..FILES {
        let name = format!(
            "111122223333_vpcflowlogs_us-east-1_fl-0a_20250303T05{:02}Z_{file:02x}.log",
            file * 5 % 60
        );
        fs::write(logs.path().join(name), format!("account-id start end\n1 {file} 2\n")).unwrap();
    }
    let url = format!("s3://{bucket}/a prefix+more");
    stage(&["s3", logs.path().to_str().unwrap(), &url, "--layout", "hive-hour"]);
}

fn state(queue: &str) -> (u64, u64) {
    let state = stage(&["sqs-state", queue]);
    let number = |name: &str| state.get(name).and_then(Value::as_u64).unwrap();
    (number("waiting"), number("in_flight"))
}

#[test]
fn objects_are_told_on_every_way_and_messages_deleted_when_saved() {
    for via in ["sqs", "sns", "sns-raw", "eventbridge"] {
        let (bucket, queue) = (unique_name("flow-logs"), unique_name("told"));
        stage(&["s3-notify", &bucket, &queue, "--via", via]);
        upload(&bucket);
        let mut sqs = open(&moto(), &queue, SqsOptions::default(), &Positions::new());
        let mut came = Came::default();
        poll(&mut sqs, &mut came, FILES as usize + 1);
        assert_eq!(came.times(), [1; FILES as usize], "{via}");
        let hive = "a prefix+more/AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/";
        assert!(came.keys.keys().all(|key| key.starts_with(hive)), "{via}: {:?}", came.keys);
        let n_tests = u64::from(via != "eventbridge");
        assert_eq!(came.set_aside.get("test event").copied().unwrap_or(0), n_tests, "{via}");
        sqs.saved().unwrap();
        assert_eq!(state(&queue), (0, u64::from(FILES) + n_tests), "{via}: nothing was marked");
        sqs.positions();
        sqs.saved().unwrap();
        assert_eq!(state(&queue), (0, 0), "{via}");
    }
}

/// A queue whose objects exist.
fn told(copies: &str) -> String {
    let (bucket, queue) = (unique_name("flow-logs"), unique_name("told"));
    upload(&bucket);
    stage(&["sqs-create", &queue]);
    stage(&["sqs-send", &queue, &format!("s3://{bucket}/"), "--copies", copies]);
    queue
}

#[test]
fn what_is_told_twice_comes_once() {
    let queue = told("3");
    let mut sqs = open(&moto(), &queue, SqsOptions::default(), &Positions::new());
    let mut came = Came::default();
    poll(&mut sqs, &mut came, usize::MAX);
    assert_eq!(came.times(), [1; FILES as usize]);
    assert_eq!(came.set_aside.get("told before"), Some(&u64::from(2 * FILES)));
    sqs.positions();
    sqs.saved().unwrap();
    assert_eq!(state(&queue), (0, 0), "repetitions are deleted too");
}

#[test]
fn a_run_that_died_before_deleting_reads_nothing_twice() {
    let queue = told("1");
    let short = SqsOptions { visibility_secs: 2, ..SqsOptions::default() };
    let mut came = Came::default();
    let mut sqs = open(&moto(), &queue, short.clone(), &Positions::new());
    poll(&mut sqs, &mut came, FILES as usize);
    let positions = sqs.positions();
    drop(sqs);
    std::thread::sleep(Duration::from_secs(3));
    let mut sqs = open(&moto(), &queue, short.clone(), &positions);
    poll(&mut sqs, &mut came, usize::MAX);
    assert_eq!(came.times(), [1; FILES as usize], "the saved position knows them");
    sqs.positions();
    sqs.saved().unwrap();
    assert_eq!(state(&queue), (0, 0));
}

#[test]
fn a_run_that_died_before_saving_is_told_all_again() {
    let queue = told("1");
    let short = SqsOptions { visibility_secs: 2, ..SqsOptions::default() };
    for _ in 0..2 {
        let mut came = Came::default();
        let mut sqs = open(&moto(), &queue, short.clone(), &Positions::new());
        poll(&mut sqs, &mut came, FILES as usize);
        assert_eq!(came.times(), [1; FILES as usize]);
        drop(sqs);
        std::thread::sleep(Duration::from_secs(3));
    }
}

#[test]
fn the_message_of_an_object_that_cannot_be_read_is_left_and_comes_again() {
    let queue = told("1");
    let short = SqsOptions { visibility_secs: 2, ..SqsOptions::default() };
    let mut sqs = open(&moto(), &queue, short.clone(), &Positions::new());
    let (mut came, mut objects) = (Came::default(), Vec::new());
    while objects.len() < FILES as usize {
        for delivery in sqs.poll(Duration::from_secs(1)).unwrap().deliveries {
            let Content::Object(file) = delivery.content else { panic!("objects only") };
            objects.push(file);
        }
    }
    sqs.unread(&objects[3]);
    let positions = sqs.positions();
    sqs.saved().unwrap();
    let (waiting, in_flight) = state(&queue);
    assert_eq!(waiting + in_flight, 1, "the others' messages are deleted");
    std::thread::sleep(Duration::from_secs(3));
    poll(&mut sqs, &mut came, 1);
    let Place::Object { key, .. } = &objects[3].place else { panic!("in S3") };
    assert_eq!(came.keys.keys().collect::<Vec<_>>(), [key]);
    let left = "message of an unreadable object, left to the queue";
    assert_eq!(came.set_aside.get(left), Some(&1));
    drop(sqs);
    std::thread::sleep(Duration::from_secs(3));
    // A run that goes on from what was saved reads it too; now it can.
    let (mut sqs, mut came) = (open(&moto(), &queue, short, &positions), Came::default());
    poll(&mut sqs, &mut came, 1);
    assert_eq!(came.times(), [1]);
    sqs.positions();
    sqs.saved().unwrap();
    assert_eq!(state(&queue), (0, 0));
}

#[test]
fn messages_stay_hidden_while_they_are_held() {
    let queue = told("1");
    let short = SqsOptions { visibility_secs: 2, ..SqsOptions::default() };
    let mut came = Came::default();
    let mut sqs = open(&moto(), &queue, short, &Positions::new());
    poll(&mut sqs, &mut came, FILES as usize);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(state(&queue), (0, u64::from(FILES)));
    poll(&mut sqs, &mut came, usize::MAX);
    assert_eq!(came.set_aside.get("told before"), None, "none came again");
    assert_eq!(came.retries.get("visibility not renewed"), None);
}

#[test]
fn what_cannot_be_read_is_left_and_what_is_no_log_deleted() {
    let queue = unique_name("told");
    stage(&["sqs-create", &queue]);
    let send = |kind: &str, key: &str| {
        stage(&["sqs-send", &queue, "s3://b/", "--kind", kind, "--key", key]);
    };
    send("garbage", "x");
    send("test", "x");
    send("s3", "AWSLogs/notes.json");
    send("eventbridge", "AWSLogs/x.log.gz");
    let mut sqs = open(&moto(), &queue, SqsOptions::default(), &Positions::new());
    let mut came = Came::default();
    poll(&mut sqs, &mut came, usize::MAX);
    assert_eq!(came.keys.keys().collect::<Vec<_>>(), ["AWSLogs/x.log.gz"]);
    let reasons = ["unreadable message", "test event", "no flow log by its name"];
    assert!(reasons.iter().all(|reason| came.set_aside.get(reason) == Some(&1)));
    sqs.positions();
    sqs.saved().unwrap();
    assert_eq!(state(&queue), (0, 1), "the unreadable one is left to the redrive policy, hidden");
}

#[test]
fn a_failing_queue_is_asked_again_and_a_refusal_is_not() {
    let queue = told("1");
    let faults = vec![
        Fault::nth(1, Effect::Fail { status: 500 }).on_target("ReceiveMessage"),
        Fault::nth(2, Effect::Throttle).on_target("ReceiveMessage"),
        Fault::nth(1, Effect::LoseAnswer).on_target("DeleteMessageBatch"),
    ];
    let proxy = Proxy::start(&moto(), faults);
    let mut sqs = open(&proxy.url(), &queue, SqsOptions::default(), &Positions::new());
    let mut came = Came::default();
    poll(&mut sqs, &mut came, FILES as usize);
    assert_eq!(came.times(), [1; FILES as usize]);
    assert_eq!(came.retries.values().sum::<u64>(), 2, "{:?}", came.retries);
    sqs.positions();
    sqs.saved().unwrap();
    assert_eq!(state(&queue), (0, 0));
    let denied = Effect::Refuse { status: 403, code: "AccessDenied" };
    proxy.set_faults(vec![Fault::always(denied)]);
    let error = (0..30).find_map(|_| sqs.poll(Duration::from_secs(1)).err());
    assert_eq!(error.unwrap().denied(), Some("ReceiveMessage"));
}

#[test]
fn a_look_takes_nothing() {
    let queue = told("1");
    let url = SqsUrl::parse(&format!("sqs://{queue}")).unwrap().unwrap();
    let mut look = QueueLook::take(&aws(&moto()), &url).unwrap();
    assert_eq!((look.waiting, look.receipts_max), (Some(u64::from(FILES)), None));
    look.peek(&aws(&moto()), &url).unwrap();
    assert!(!look.objects.is_empty() && look.unreadable == 0);
    assert_eq!(state(&queue), (u64::from(FILES), 0));
}
