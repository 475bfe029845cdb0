//! A log group as files: slices of its time, each read by itself, so that what works on files works on it.
//!
//! An event bears the start of its record, and belongs to one slice only. A slice's time is its first
//! second: no record of it, or of a later one, ends before that.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;

use super::ask::{Asker, Failed, Page};
use super::{Aws, Content, Cwl, CwlOptions, CwlUrl, Positions, SourceError, Stream};
use crate::batch::Origin;
use crate::files::LogFile;
use crate::place::Place;

/// Short enough that few windows are open at a time, long enough that quiet groups take few requests.
const SLICE_SECS: i64 = 900;

/// Of longer times the slices are longer: at four requests a second, so many take most of an hour.
const SLICES_MAX: i64 = 10_000;

/// What an event that misses a part is read as: a record that is counted as rejected.
pub(super) const BROKEN_EVENT: &str = "(event without id, time or message)";

/// A log group, found and ready to be read in slices.
#[derive(Clone, Debug)]
pub struct LogGroup {
    aws: Aws,
    url: CwlUrl,
    options: CwlOptions,
    asker: Asker,
    files: Vec<LogFile>,
}

impl LogGroup {
    /// Finds the group, and the slices from its first event whose record can end at `since` or later, to
    /// `until`, Unix seconds.
    pub fn find(
        aws: &Aws,
        url: &CwlUrl,
        since: Option<i64>,
        until: i64,
        options: CwlOptions,
    ) -> Result<Self, SourceError> {
        let options =
            CwlOptions { pause: Duration::ZERO, ..options.of_records(since, Some(until)) };
        let asker = Asker::new(aws, url, &options);
        let (asker, first_secs) = first_event(aws, asker, options.since_ms.unwrap_or(0))?;
        let url = asker.url().clone();
        let mut group = Self { aws: aws.clone(), url, options, asker, files: Vec::new() };
        if let Some(first) = first_secs {
            group.files = slices(first, until).map(|(from, to)| group.file(from, to)).collect();
        }
        Ok(group)
    }

    /// The slices, oldest first; none if the group has no event of the time.
    pub fn files(&self) -> &[LogFile] {
        &self.files
    }

    fn file(&self, since: i64, until: i64) -> LogFile {
        let region = self.url.region().or(self.aws.config().region().map(AsRef::as_ref));
        let group = self.url.to_string();
        let origin = Origin {
            name: group.clone(),
            account: self.url.account().map(str::to_owned),
            region: region.map(str::to_owned),
            flow_log_id: None,
            time: Some(since),
        };
        let place = Place::Slice { group, since, until };
        LogFile { place, origin: Arc::new(origin), bytes: 0, etag: None }
    }

    /// The events of a slice, if it is one of this group.
    pub(crate) fn open(&self, file: &LogFile) -> Option<Slice> {
        let Place::Slice { group, since, until } = &file.place else { return None };
        if *group != self.url.to_string() {
            return None;
        }
        let options = CwlOptions {
            since_ms: Some(since.saturating_mul(1000)),
            until_ms: Some(until.saturating_mul(1000)),
            ..self.options.clone()
        };
        let asker = self.asker.until(options.until_ms);
        let cwl = Cwl::open_with(&self.aws, &self.url, options, &Positions::new(), asker).ok()?;
        Some(Slice { cwl, lines: Vec::new(), n_taken: 0 })
    }
}

/// Looks for the first event from `since_ms` on, Unix seconds, and which reading of the name is right.
fn first_event(
    aws: &Aws,
    mut asker: Asker,
    since_ms: i64,
) -> Result<(Asker, Option<i64>), SourceError> {
    let mut refused = None;
    let mut page = Page { start_ms: since_ms, token: None, after: Duration::ZERO };
    loop {
        match aws.wait(asker.ask(page.clone())).page {
            Ok(output) => {
                let times = output.events().iter().filter_map(FilteredLogEvent::timestamp);
                let token = output.next_token().filter(|token| !token.is_empty());
                match (times.min(), token) {
                    (Some(ms), _) => return Ok((asker, Some(ms.div_euclid(1000)))),
                    (None, None) => return Ok((asker, None)),
                    (None, Some(token)) => page.token = Some(token.to_owned()),
                }
            }
            Err(Failed::NoSuchGroup(error)) => {
                let first = refused.take().unwrap_or(error);
                let Some(url) = asker.url().next() else { return Err(first) };
                refused = Some(first);
                asker = asker.of_group(&url);
            }
            Err(Failed::TokenLost(error) | Failed::ForGood(error)) => return Err(error),
        }
    }
}

/// Slices that cover `[first, until)`, their borders the same whatever `first` is.
fn slices(first: i64, until: i64) -> impl Iterator<Item = (i64, i64)> {
    let longer = until.saturating_sub(first).div_euclid(SLICE_SECS * SLICES_MAX) + 1;
    let step = SLICE_SECS * longer;
    let begin = first.div_euclid(step) * step;
    std::iter::successors(Some(begin), move |from| from.checked_add(step))
        .take_while(move |&from| from < until)
        .map(move |from| (from, from.saturating_add(step).min(until)))
}

/// The events of a slice, a line each.
#[derive(Debug)]
pub struct Slice {
    cwl: Cwl,
    lines: Vec<u8>,
    n_taken: usize,
}

/// A page may take the service a while; it is waited for as long as it is asked for.
const WAIT: Duration = Duration::from_mins(1);

impl Slice {
    /// Takes the next page; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        (self.n_taken, self.lines) = (0, Vec::new());
        while self.lines.is_empty() {
            let polled = self.cwl.poll(WAIT).map_err(io::Error::other)?;
            for delivery in polled.deliveries {
                if let Content::Bytes { bytes, .. } = delivery.content {
                    self.lines.extend_from_slice(&bytes);
                }
            }
            for _ in 0..polled.set_aside.values().sum() {
                self.lines.extend_from_slice(BROKEN_EVENT.as_bytes());
                self.lines.push(b'\n');
            }
            if polled.ended {
                return Ok(!self.lines.is_empty());
            }
        }
        Ok(true)
    }
}

impl Read for Slice {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.n_taken == self.lines.len() && !self.fill()? {
            return Ok(0);
        }
        let left = self.lines.get(self.n_taken..).unwrap_or_default();
        let n_read = (&mut &*left).read(into)?;
        self.n_taken += n_read;
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_time_and_keep_their_borders() {
        let all: Vec<_> = slices(1000, 3000).collect();
        assert_eq!(all, [(900, 1800), (1800, 2700), (2700, 3000)]);
        let later: Vec<_> = slices(2000, 3000).collect();
        assert_eq!(later, all[1..], "a group that forgot its first hours");
        assert_eq!(slices(2700, 2700).count(), 0);
    }

    #[test]
    fn years_take_no_more_requests_than_months() {
        let all: Vec<_> = slices(0, 10 * 365 * 86_400).collect();
        assert!((5_000..=10_000).contains(&all.len()), "{}", all.len());
        assert!(all.windows(2).all(|two| two[0].1 == two[1].0), "no gap");
    }
}
