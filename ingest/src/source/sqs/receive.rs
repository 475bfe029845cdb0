//! Requests to a queue: where it is, what it holds, the next messages.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use tokio::task::JoinError;

use super::body::{self, Told};
use super::{LogFile, SqsUrl, client, lacks_size, log_file};
use crate::source::aws::Aws;
use crate::source::{SourceError, again};

/// What came of receiving.
#[derive(Debug)]
pub(super) enum Received {
    Messages(Vec<Message>),
    /// Asking again may help, and is counted as this.
    Again(&'static str, SourceError),
    Failed(SourceError),
}

impl Received {
    /// The task that received ended without an answer.
    pub(super) fn lost(place: &str, error: &JoinError) -> Self {
        Self::Failed(SourceError::of_request(place, RECEIVE, error))
    }
}

const RECEIVE: &str = "ReceiveMessage";

/// The longest a queue lets a request wait, and so the fewest requests when it is empty.
const WAIT_SECS: i32 = 20;

/// A request that waits longer than this has been lost on its way.
const REQUEST_TIME_MAX: Duration = Duration::from_mins(1);

/// The most one request gives.
const MESSAGES_MAX: i32 = 10;

const WAIT_MAX: Duration = Duration::from_secs(20);

/// How long to wait after so many failures in a row.
pub(super) fn wait_after(n_failures: u32) -> Duration {
    (Duration::from_millis(100) * (1 << n_failures.min(10))).min(WAIT_MAX)
}

/// Waits for messages, once.
pub(super) async fn once(
    client: &Client,
    queue_url: &str,
    place: &str,
    visibility_secs: i32,
) -> Received {
    let request = client
        .receive_message()
        .queue_url(queue_url)
        .max_number_of_messages(MESSAGES_MAX)
        .wait_time_seconds(WAIT_SECS)
        .visibility_timeout(visibility_secs)
        .customize()
        // What the SDK retries it does not tell.
        .config_override(Builder::new().retry_config(RetryConfig::disabled()));
    let Ok(sent) = tokio::time::timeout(REQUEST_TIME_MAX, request.send()).await else {
        let detail = format!("no answer within {} s", REQUEST_TIME_MAX.as_secs());
        let place = place.to_owned();
        return Received::Again(
            "timeout",
            SourceError::Request { place, operation: RECEIVE, detail },
        );
    };
    match sent {
        Ok(output) => Received::Messages(output.messages.unwrap_or_default()),
        Err(error) => {
            let told = SourceError::of_request(place, RECEIVE, &error);
            match again::reason(&error) {
                Some(reason) => Received::Again(reason, told),
                None => Received::Failed(told),
            }
        }
    }
}

/// Where a queue is.
pub(super) fn queue_url(aws: &Aws, client: &Client, url: &SqsUrl) -> Result<String, SourceError> {
    let SqsUrl::Named { name, account, .. } = url else {
        let SqsUrl::Addressed(address) = url else { return Ok(String::new()) };
        return Ok(address.clone());
    };
    let request =
        client.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(account.clone());
    let place = url.to_string();
    let output = aws
        .wait(request.send())
        .map_err(|error| SourceError::of_request(&place, "GetQueueUrl", &error))?;
    output.queue_url.ok_or_else(|| SourceError::Refused {
        place,
        detail: "the service tells no URL of this queue".to_owned(),
    })
}

/// What a queue holds, without taking anything from it.
#[derive(Clone, Debug, Default)]
pub struct QueueLook {
    /// Messages that wait, about.
    pub waiting: Option<u64>,
    /// Messages that somebody holds, about.
    pub in_flight: Option<u64>,
    /// After how many receipts a message goes to a dead-letter queue; `None` without such a queue.
    pub receipts_max: Option<u64>,
    /// Objects that some of the messages told of.
    pub objects: Vec<LogFile>,
    /// Messages looked at that cannot be read.
    pub unreadable: u64,
}

impl QueueLook {
    /// Asks for the queue's attributes.
    pub fn take(aws: &Aws, url: &SqsUrl) -> Result<Self, SourceError> {
        let client = client(aws, url);
        let request = client
            .get_queue_attributes()
            .queue_url(queue_url(aws, &client, url)?)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::RedrivePolicy);
        let output = aws.wait(request.send()).map_err(|error| {
            SourceError::of_request(&url.to_string(), "GetQueueAttributes", &error)
        })?;
        let text = |name: QueueAttributeName| output.attributes()?.get(&name).map(String::as_str);
        let number = |name| text(name)?.parse().ok();
        Ok(Self {
            waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            receipts_max: text(QueueAttributeName::RedrivePolicy).and_then(receipts_max),
            ..Self::default()
        })
    }

    /// Looks into some messages. They stay visible to others, but count as received once more.
    pub fn peek(&mut self, aws: &Aws, url: &SqsUrl) -> Result<(), SourceError> {
        let client = client(aws, url);
        let request = client
            .receive_message()
            .queue_url(queue_url(aws, &client, url)?)
            .max_number_of_messages(MESSAGES_MAX)
            .visibility_timeout(0);
        let output = aws
            .wait(request.send())
            .map_err(|error| SourceError::of_request(&url.to_string(), RECEIVE, &error))?;
        for message in output.messages() {
            match body::read(message.body().unwrap_or_default()) {
                Told::Objects(objects, _) => {
                    let readable = objects.into_iter().filter(|object| !lacks_size(object));
                    self.objects.extend(readable.map(log_file));
                }
                Told::Test => {}
                Told::Unreadable => self.unreadable += 1,
            }
        }
        Ok(())
    }
}

/// `{"deadLetterTargetArn":"arn:…","maxReceiveCount":"5"}`, the number with or without quotes.
fn receipts_max(policy: &str) -> Option<u64> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_says_how_often_a_message_may_come() {
        assert_eq!(receipts_max(r#"{"deadLetterTargetArn":"a","maxReceiveCount":"5"}"#), Some(5));
        assert_eq!(receipts_max(r#"{"maxReceiveCount":3}"#), Some(3));
        assert_eq!(receipts_max("{}"), None);
        assert_eq!(receipts_max("no policy"), None);
    }

    #[test]
    fn waits_grow_to_a_bound() {
        assert!(wait_after(1) < wait_after(5));
        assert_eq!(wait_after(u32::MAX), WAIT_MAX);
    }
}
