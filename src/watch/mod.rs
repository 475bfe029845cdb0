//! `watch`: reads a stream until it is told to stop, and tells findings as windows close.
//!
//! One turn of the loop: ask the stream, fold what it brought, close what the watermark has passed, tell.
//! The stream is asked again only when all of that is done, so nothing piles up. With a state, what is
//! told is part of what is saved before: a watch that is killed goes on from what it saved last, and
//! tells what it had no time to tell.

mod consumer;
mod first;
mod fold;
mod health;
mod inputs;
mod listen;
mod metrics;
mod notices;
mod outlet;
mod replay;
pub(crate) mod source;
mod stop;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use detect::Finding;
use detect::snapshot::Snapshot;
use ingest::source::stream::{Content, Polled, Stream};
use model::baseline::Baseline;

pub(crate) use consumer::{Consumer, ConsumerOptions};
pub(crate) use first::FirstLook;
pub(crate) use health::Health;
pub(crate) use inputs::{Inputs, Now};
pub(crate) use listen::Listener;
use notices::Notices;
pub(crate) use outlet::Outlet;
pub(crate) use stop::Stop;

use crate::pipeline::Tail;
use crate::sources::Reach;
use crate::{clock, output, plan};

/// Waiting longer would keep a signal waiting.
const POLL_WAIT: Duration = Duration::from_millis(500);

/// Findings wait for a save at least this long after the last one; they are part of it.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// A save takes at most one part in so many of the time.
const SAVE_SHARE: u32 = 10;

/// Figures are brought up to date this often.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// Lines about unreadable objects that are written in full.
const UNREADABLE_NOTES_MAX: u64 = 100;

/// Where generations of the state go.
pub(crate) trait Keep {
    /// Writes the next generation.
    fn commit(&mut self, snapshot: Snapshot) -> Result<()>;
    /// Notes that the findings of the last one reached somebody.
    fn delivered(&mut self) -> Result<()>;
}

/// A watch that is running.
pub(crate) struct Watch<'a> {
    pub(crate) consumer: Consumer<'a>,
    pub(crate) stream: &'a mut dyn Stream,
    pub(crate) reach: Reach,
    pub(crate) keep: Option<&'a mut dyn Keep>,
    pub(crate) outlet: Outlet<'a>,
    pub(crate) health: Arc<Health>,
    pub(crate) save_every: Duration,
    pending: Pending,
    notices: Notices,
}

/// What is not yet done.
struct Pending {
    findings: Vec<Finding>,
    /// When the windows of the oldest of them closed.
    closed_at: Option<Instant>,
    /// When the last records came of the windows they are about.
    came_at: Vec<Instant>,
    saved_at: Instant,
    save_took: Duration,
    figures_at: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// About to ask the stream.
    pub(crate) fn new(
        consumer: Consumer<'a>,
        stream: &'a mut dyn Stream,
        reach: Reach,
        keep: Option<&'a mut dyn Keep>,
        outlet: Outlet<'a>,
        health: Arc<Health>,
        save_every: Duration,
    ) -> Self {
        let pending = Pending {
            findings: Vec::new(),
            closed_at: None,
            came_at: Vec::new(),
            saved_at: clock::now(),
            save_took: Duration::ZERO,
            figures_at: None,
        };
        let notices = Notices::new();
        Self { consumer, stream, reach, keep, outlet, health, save_every, pending, notices }
    }

    /// Goes on until it is told to stop, the stream ends, or something fails; what was folded is saved
    /// and told in each case. `first` was fetched already.
    pub(crate) fn run(&mut self, first: &Polled, stop: &Stop, tail: Tail) -> Result<()> {
        let ran = self.turn(first).and_then(|ended| self.go_round(ended, stop));
        // What a failing source brought before is worth keeping.
        let ended = match ran {
            Err(error) if error.downcast_ref::<ingest::source::SourceError>().is_none() => {
                return Err(error);
            }
            ran => ran,
        };
        self.finish(tail)?;
        ended
    }

    /// The evidence, at the end.
    pub(crate) fn into_baseline(self) -> Baseline {
        self.consumer.into_baseline()
    }

    fn go_round(&mut self, mut ended: bool, stop: &Stop) -> Result<()> {
        while !ended && !stop.is_asked() {
            let polled = self.stream.poll(POLL_WAIT)?;
            ended = self.turn(&polled)?;
        }
        Ok(())
    }

    /// Does all that follows from one poll; says whether the stream ended.
    pub(crate) fn turn(&mut self, polled: &Polled) -> Result<bool> {
        self.health.beat();
        self.health.set_ready();
        self.note_poll(polled);
        let now = now();
        let objects: Vec<_> = (polled.deliveries.iter())
            .filter_map(|delivery| match &delivery.content {
                Content::Object(file) => Some(file.clone()),
                Content::Bytes { .. } => None,
            })
            .collect();
        let reader = self.reach.reader(&objects);
        let share = self.consumer.take(&polled.deliveries, &polled.inputs, &reader, now)?;
        for file in &share.untouched {
            self.stream.unread(file);
        }
        self.note_unreadable(&share.unreadable);
        for news in self.consumer.close(now)? {
            self.pending.closed_at.get_or_insert(clock::now());
            self.pending.came_at.extend(news.came_at);
            self.pending.findings.push(news.finding);
        }
        let ahead = self.consumer.inputs.ahead();
        self.stream.hold(&ahead);
        if self.is_due() {
            self.save()?;
        }
        if !polled.deliveries.is_empty() {
            self.notices.came();
        }
        self.health.figures().flow_log_gaps += self.notices.look(&self.consumer, &self.outlet);
        self.update_figures();
        Ok(polled.ended)
    }

    /// Findings are not kept waiting, and saving does not take all the time.
    fn is_due(&self) -> bool {
        let since = self.pending.saved_at.elapsed();
        let has_findings = !self.pending.findings.is_empty();
        if self.keep.is_none() {
            return has_findings;
        }
        let pause = SAVE_PAUSE.max(self.pending.save_took * SAVE_SHARE);
        since >= self.save_every || (has_findings && since >= pause.min(self.save_every))
    }

    /// Saves, lets the stream forget, tells, and notes that it was told: in this order nothing is lost
    /// wherever it stops.
    fn save(&mut self) -> Result<()> {
        let findings = std::mem::take(&mut self.pending.findings);
        let begun = clock::now();
        let told = self.outlet.sift(findings.clone(), self.consumer.newest());
        if let Some(keep) = &mut self.keep {
            let positions = self.stream.positions();
            let mut snapshot = self.consumer.snapshot(positions, findings);
            let known = self.outlet.known().clone();
            (snapshot.run.told, snapshot.run.withdrawn) = (known.open, known.withdrawn);
            keep.commit(snapshot)?;
            self.stream.saved()?;
            self.pending.save_took = begun.elapsed();
            let mut figures = self.health.figures();
            figures.saving.observe(self.pending.save_took.as_secs_f64());
        }
        self.pending.saved_at = clock::now();
        self.outlet.tell(&told)?;
        if let Some(keep) = &mut self.keep {
            keep.delivered()?;
        }
        let mut figures = self.health.figures();
        figures.count(&told);
        if let Some(closed_at) = self.pending.closed_at.take() {
            figures.telling.observe(closed_at.elapsed().as_secs_f64());
        }
        for came_at in self.pending.came_at.drain(..) {
            figures.finding.observe(came_at.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn finish(&mut self, tail: Tail) -> Result<()> {
        let findings = self.consumer.finish(tail)?;
        self.pending.findings.extend(findings);
        self.save()?;
        let hits = self.outlet.finish()?;
        crate::delivery::note_hits(&hits, self.outlet.n_deviations);
        self.pending.figures_at = None;
        self.update_figures();
        self.report();
        Ok(())
    }

    fn report(&mut self) {
        for (reason, samples) in self.consumer.samples() {
            for sample in samples {
                output::note(&format!("rejected ({}): {sample}", reason.name()));
            }
        }
        self.notices.gaps(&self.consumer);
        plan::note_stood_out(&self.consumer.stood_out());
        let figures = self.health.figures();
        if figures.objects_unreadable > 0 {
            output::note(&format!("{} objects could not be read", figures.objects_unreadable));
        }
        for (reason, n) in &figures.set_aside {
            output::note(&format!("{n} set aside: {reason}"));
        }
        plan::note_ledger(&figures.ledger);
    }

    fn note_poll(&self, polled: &Polled) {
        let mut figures = self.health.figures();
        figures.polls += 1;
        for (reason, n) in &polled.retries {
            *figures.retries.entry(reason).or_default() += n;
        }
        for (reason, n) in &polled.set_aside {
            *figures.set_aside.entry(reason).or_default() += n;
        }
        for (&reason, n) in &polled.given_up {
            *figures.given_up.entry(reason).or_default() += n;
            output::event(&format!("given up: {reason} ({n})"), &[("reason", reason.into())]);
        }
    }

    fn note_unreadable(&self, unreadable: &[(String, String)]) {
        let mut figures = self.health.figures();
        for (file, error) in unreadable {
            figures.objects_unreadable += 1;
            if figures.objects_unreadable <= UNREADABLE_NOTES_MAX {
                output::event(
                    &format!("could not read {file}: {error}"),
                    &[("object", file.as_str().into())],
                );
            }
        }
    }

    fn update_figures(&mut self) {
        if self.pending.figures_at.is_some_and(|at| at.elapsed() < FIGURES_EVERY) {
            return;
        }
        self.pending.figures_at = Some(clock::now());
        let ledger = self.consumer.ledger();
        let mut figures = self.health.figures();
        figures.ledger = ledger;
        figures.watermark = self.consumer.inputs.watermark(now());
        let behind = self.consumer.inputs.behind();
        figures.behind_ms = behind.map(|(input, ms)| (input.to_owned(), ms)).collect();
        figures.n_inputs = self.consumer.inputs.len();
        figures.windows_closed = self.consumer.n_closed;
        figures.windows_open = self.consumer.n_open();
    }
}

/// What time it is.
pub(crate) fn now() -> Now {
    Now { instant: clock::now(), unix_secs: clock::unix_secs() }
}
