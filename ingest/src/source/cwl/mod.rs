//! A log group of CloudWatch Logs as a stream, or to a bound as a batch.
//!
//! It is read by `FilterLogEvents`, in sweeps from a time to the newest event; `window.rs` says from
//! which. Live Tail samples and exports take hours; a subscription to Kinesis is quicker and cheaper
//! than this, and AWS recommends it for large groups: a sweep reads the overlap anew each time.

mod ask;
mod look;
mod pace;
mod place;
mod slices;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsOutput;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use tokio::task::JoinHandle;

use super::SourceError;
use super::aws::Aws;
use super::stream::{Content, Delivery, Input, Polled, Positions, Stream};
use crate::batch::Origin;
use ask::{Asked, Asker, Failed, Page};
use window::{Seen, Window};

pub use look::GroupLook;
pub use place::CwlUrl;
pub use slices::LogGroup;
pub(crate) use slices::Slice;

/// How a log group is read.
#[derive(Clone, Debug, PartialEq)]
pub struct CwlOptions {
    /// Events with this time or a later one, Unix milliseconds; all of them if `None`. A flow log's
    /// event bears the start of its record. Saved positions take precedence.
    pub since_ms: Option<i64>,
    /// Read to this time, exclusive, and end; go on for ever if `None`. Unix milliseconds.
    pub until_ms: Option<i64>,
    /// How much later than the newest event an event may come and still be found, milliseconds.
    /// Flow logs come within about ten minutes, and interfaces differ by as much.
    pub overlap_ms: i64,
    /// Requests per second at most. The quota is the account's: five, where AWS has not raised it.
    pub requests_per_second: f64,
    /// Between the end of a sweep and the next one.
    pub pause: Duration,
    /// Ids kept, in memory and in positions; with more events than this in the overlap, it is
    /// shortened, which [`Polled::retries`] counts.
    pub ids_max: usize,
}

impl Default for CwlOptions {
    fn default() -> Self {
        Self {
            since_ms: None,
            until_ms: None,
            overlap_ms: 20 * 60 * 1000,
            requests_per_second: 4.0,
            pause: Duration::from_secs(10),
            ids_max: 400_000,
        }
    }
}

/// A record may span ten minutes and a little more, and its event bears its start.
const RECORD_MS_MAX: i64 = 660_000;

impl CwlOptions {
    /// Reads the events whose records can end in `[since, until)`, Unix seconds; to the newest and on for
    /// ever without `until`.
    #[must_use]
    fn of_records(self, since: Option<i64>, until: Option<i64>) -> Self {
        let ms = |secs: i64| secs.saturating_mul(1000);
        Self {
            since_ms: since.map(|since| ms(since).saturating_sub(RECORD_MS_MAX).max(0)),
            until_ms: until.map(ms),
            ..self
        }
    }
}

/// A log group that is being read.
#[derive(Debug)]
pub struct Cwl {
    aws: Aws,
    url: CwlUrl,
    input: Arc<str>,
    options: CwlOptions,
    window: Window,
    origins: BTreeMap<String, Arc<Origin>>,
    asker: Asker,
    asked: Option<JoinHandle<Asked>>,
    /// How often in a row a token had to be given up without a new event since.
    tokens_lost: u32,
    /// The lower bound of the sweep under way.
    sweep_from_ms: i64,
    /// What was said to the likeliest reading of the name, while no reading was found right.
    refused: Option<SourceError>,
    is_found: bool,
    ended: bool,
}

/// Origins kept; groups with more streams make them anew now and then.
const ORIGINS_MAX: usize = 50_000;

/// A token that is refused as often as this is not what is wrong.
const TOKENS_LOST_MAX: u32 = 3;

impl Cwl {
    /// Goes on from `positions`, or begins as the options say. The first request is made by the first
    /// poll.
    pub fn open(
        aws: &Aws,
        url: &CwlUrl,
        options: CwlOptions,
        positions: &Positions,
    ) -> Result<Self, SourceError> {
        let asker = Asker::new(aws, url, &options);
        Self::open_with(aws, url, options, positions, asker)
    }

    /// The same at the pace of another reader of the group.
    fn open_with(
        aws: &Aws,
        url: &CwlUrl,
        options: CwlOptions,
        positions: &Positions,
        asker: Asker,
    ) -> Result<Self, SourceError> {
        let input: Arc<str> = url.to_string().into();
        let window = match positions.get(&*input) {
            None => Window::new(options.since_ms.unwrap_or(0), options.overlap_ms, options.ids_max),
            Some(text) => Window::from_position(text, options.overlap_ms, options.ids_max)
                .ok_or_else(|| SourceError::Refused {
                    place: input.to_string(),
                    detail: "the saved position is damaged, or of a newer version".to_owned(),
                })?,
        };
        Ok(Self {
            aws: aws.clone(),
            url: url.clone(),
            input,
            options,
            window,
            origins: BTreeMap::new(),
            asker,
            asked: None,
            tokens_lost: 0,
            sweep_from_ms: 0,
            refused: None,
            is_found: false,
            ended: false,
        })
    }

    /// Asks for a page, unless one is on its way.
    fn ask(&mut self, page: Page) {
        if self.asked.is_none() {
            let asker = self.asker.clone();
            self.asked = Some(self.aws.runtime().spawn(async move { asker.ask(page).await }));
        }
    }

    fn first_page(&mut self, after: Duration) -> Page {
        self.window.begin_sweep();
        self.sweep_from_ms = self.window.floor_ms();
        Page { start_ms: self.sweep_from_ms, token: None, after }
    }

    /// Waits for the page on its way; `None` if it takes longer.
    fn answer(&mut self, wait: Duration) -> Option<Asked> {
        let answered = self.aws.arrived(&mut self.asked, wait)?;
        Some(answered.unwrap_or_else(|error| Asked::lost(&self.input, &error)))
    }

    /// Takes in an answer and asks for what comes next.
    fn take(&mut self, asked: Asked, polled: &mut Polled) -> Result<(), SourceError> {
        for (reason, n) in asked.retries {
            *polled.retries.entry(reason).or_default() += n;
        }
        match asked.page {
            Ok(page) => {
                self.is_found = true;
                self.take_page(page, polled);
                Ok(())
            }
            Err(Failed::TokenLost(error)) => {
                self.tokens_lost += 1;
                if self.tokens_lost > TOKENS_LOST_MAX {
                    return Err(error);
                }
                *polled.retries.entry("expired token").or_default() += 1;
                self.sweep_anew();
                Ok(())
            }
            Err(Failed::NoSuchGroup(error)) => self.read_name_otherwise(error),
            Err(Failed::ForGood(error)) => Err(error),
        }
    }

    fn sweep_anew(&mut self) {
        let first = self.first_page(Duration::ZERO);
        self.ask(first);
    }

    /// A group that was read and is gone is no question of its name.
    fn read_name_otherwise(&mut self, error: SourceError) -> Result<(), SourceError> {
        let refused = self.refused.take().unwrap_or(error);
        let Some(url) = self.url.next().filter(|_| !self.is_found) else { return Err(refused) };
        self.refused = Some(refused);
        self.asker = self.asker.of_group(&url);
        self.url = url;
        self.sweep_anew();
        Ok(())
    }

    fn take_page(&mut self, page: FilterLogEventsOutput, polled: &mut Polled) {
        let token = page.next_token.filter(|token| !token.is_empty());
        let mut by_stream: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for event in page.events.unwrap_or_default() {
            self.take_event(event, &mut by_stream, polled);
        }
        if self.window.advance() > 0 {
            *polled.retries.entry("overlap shortened").or_default() += 1;
        }
        for (stream, bytes) in by_stream {
            let origin = self.origin(stream);
            let content = Content::Bytes { origin, bytes };
            polled.deliveries.push(Delivery { input: Arc::clone(&self.input), content });
        }
        let is_last = token.is_none();
        let next = match token {
            Some(token) => {
                // A token goes with the start it was given for.
                Page { start_ms: self.sweep_from_ms, token: Some(token), after: Duration::ZERO }
            }
            None if self.options.until_ms.is_some() => {
                self.ended = true;
                return;
            }
            None => self.first_page(self.options.pause),
        };
        self.ask(next);
        // Between sweeps nothing is known to be there.
        let behind_ms = is_last.then_some(0);
        polled.inputs = vec![Input { name: Arc::clone(&self.input), behind_ms, is_answered: true }];
    }

    fn take_event(
        &mut self,
        event: FilteredLogEvent,
        by_stream: &mut BTreeMap<String, Vec<u8>>,
        polled: &mut Polled,
    ) {
        let (Some(id), Some(time_ms), Some(message)) =
            (event.event_id, event.timestamp, event.message)
        else {
            *polled.set_aside.entry("event without id, time or message").or_default() += 1;
            return;
        };
        let ingested_ms = event.ingestion_time;
        if !self.window.admit(Seen { id: &id, time_ms, ingested_ms }) {
            // Read again on purpose: no fact about the group.
            return;
        }
        self.tokens_lost = 0;
        let lines = by_stream.entry(event.log_stream_name.unwrap_or_default()).or_default();
        if lines.is_empty() && message.starts_with("PAR1") {
            // Nothing an event says may be taken for Parquet.
            lines.push(b'\n');
        }
        lines.extend_from_slice(message.as_bytes());
        lines.push(b'\n');
    }

    fn origin(&mut self, stream: String) -> Arc<Origin> {
        if let Some(origin) = self.origins.get(&stream) {
            return Arc::clone(origin);
        }
        if self.origins.len() >= ORIGINS_MAX {
            self.origins.clear();
        }
        let region = self.url.region().or(self.aws.config().region().map(AsRef::as_ref));
        let origin = Arc::new(Origin {
            name: format!("cwl://{}:{stream}", self.url.group),
            account: self.url.account().map(str::to_owned),
            region: region.map(str::to_owned),
            flow_log_id: None,
            time: None,
        });
        self.origins.insert(stream, Arc::clone(&origin));
        origin
    }
}

impl Stream for Cwl {
    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError> {
        let mut polled = Polled {
            inputs: vec![Input {
                name: Arc::clone(&self.input),
                behind_ms: None,
                is_answered: true,
            }],
            ended: self.ended,
            ..Polled::default()
        };
        if self.ended {
            polled.inputs.clear();
            return Ok(polled);
        }
        if self.asked.is_none() {
            self.sweep_anew();
        }
        if let Some(asked) = self.answer(wait) {
            self.take(asked, &mut polled)?;
        }
        polled.ended = self.ended;
        Ok(polled)
    }

    fn positions(&self) -> Positions {
        Positions::from([(self.input.to_string(), self.window.position())])
    }

    fn saved(&mut self) -> Result<(), SourceError> {
        // The service keeps what it has.
        Ok(())
    }
}

impl Drop for Cwl {
    fn drop(&mut self) {
        if let Some(asked) = &self.asked {
            asked.abort();
        }
    }
}
