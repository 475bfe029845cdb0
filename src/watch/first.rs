//! What the first records show is found out before any of them is folded: they are kept back until it
//! is known.

use std::time::{Duration, Instant};

use anyhow::Result;
use ingest::source::stream::{Content, Polled, Stream};
use ingest::{DecodeOptions, Messages};

use super::stop::Stop;
use super::{Health, POLL_WAIT};
use crate::clock;
use crate::sources::Reach;
use crate::survey::{self, Survey};

/// After the first record, more are waited for so long.
const LOOK_FOR: Duration = Duration::from_secs(30);

/// The first polls and what they show.
#[derive(Default)]
pub(crate) struct FirstLook {
    pub(crate) survey: Survey,
    /// Everything that was brought, as one poll.
    pub(crate) kept: Polled,
}

impl FirstLook {
    /// Asks the stream until it is known what its records are, or it is told to stop.
    pub(crate) fn at(
        stream: &mut dyn Stream,
        reach: &Reach,
        decode: &DecodeOptions,
        health: &Health,
        stop: &Stop,
    ) -> Result<Self> {
        let mut look = Self::default();
        let mut since: Option<Instant> = None;
        while !stop.is_asked() && !look.kept.ended && !look.survey.is_settled() {
            if since.is_some_and(|since| since.elapsed() >= LOOK_FOR) {
                break;
            }
            let polled = stream.poll(POLL_WAIT)?;
            health.beat();
            health.set_ready();
            look.take(polled, reach, decode);
            if look.survey.has_records() {
                since.get_or_insert(clock::now());
            }
        }
        Ok(look)
    }

    fn take(&mut self, polled: Polled, reach: &Reach, decode: &DecodeOptions) {
        let mut messages = Messages::new(decode.clone());
        for delivery in &polled.deliveries {
            match &delivery.content {
                Content::Bytes { origin, bytes } => messages.take(origin, bytes),
                Content::Object(file) => {
                    let reader = reach.reader(std::slice::from_ref(file));
                    survey::look(file, &reader, decode, &mut self.survey);
                }
            }
        }
        messages.flush();
        while let Some(batch) = messages.take_batch() {
            self.survey.add(&batch);
        }
        let kept = &mut self.kept;
        kept.deliveries.extend(polled.deliveries);
        if !polled.inputs.is_empty() {
            kept.inputs = polled.inputs;
        }
        for (reason, n) in polled.retries {
            *kept.retries.entry(reason).or_default() += n;
        }
        for (reason, n) in polled.set_aside {
            *kept.set_aside.entry(reason).or_default() += n;
        }
        for (reason, n) in polled.given_up {
            *kept.given_up.entry(reason).or_default() += n;
        }
        kept.ended |= polled.ended;
    }
}
