//! Measures the judging on made-up estates whose attacks are known: what was found and how soon, what
//! was told that is nothing.
//!
//! Nothing is written to disk: records go from the generator as text through the decoder, the fold and
//! the judge that `detect` uses. What `learn` would learn from the first days is the baseline of every
//! scenario that shares them.

mod also;
mod compare;
mod features;
mod feed;
mod json;
mod markdown;
mod poisson;
mod rivals;
mod score;
mod svg;
mod text;
mod trial;
mod truth;
mod watched;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};

pub(crate) use also::Also;
pub(crate) use compare::curves;
pub(crate) use features::Sheet;
pub(crate) use score::Evaluation;
pub(crate) use svg::to_svg;
pub(crate) use trial::{Outcome, Terms};
pub(crate) use {
    json::to_json,
    markdown::{Made, write_markdown},
    text::write_text,
};

use crate::{clock, output};
use trial::Judged;

/// Judges all scenarios under all seeds, seeds side by side on all cores. What is noted of the windows
/// goes to the sheet.
pub(crate) fn run(
    seeds: &Range<u64>,
    terms: &Terms,
    sheet: Option<&Sheet<'_>>,
) -> Result<Evaluation> {
    let seeds: Vec<u64> = seeds.clone().collect();
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Vec<Outcome>>> = Mutex::default();
    let progress = Progress::new(seeds.len());
    let work = || -> Result<()> {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(&seed) = seeds.get(place) else { return Ok(()) };
            let Judged { outcomes: judged, features } = trial::run(seed, terms)?;
            sheet.map_or(Ok(()), |sheet| sheet.put(place, features))?;
            let mut all = outcomes.lock().map_err(|_| anyhow!("another thread failed"))?;
            all.push(judged);
            progress.tell(seed, all.len());
        }
    };
    let n_workers = thread::available_parallelism().map_or(1, NonZero::get).min(seeds.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..n_workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker.join().map_err(|_| anyhow!("a thread ended early; this is a defect"))?
        })
    })?;
    let outcomes = outcomes.into_inner().map_err(|_| anyhow!("another thread failed"))?;
    Ok(Evaluation::of(outcomes.into_iter().flatten().collect(), terms))
}

/// A line on standard error for every seed that is done.
struct Progress {
    n_seeds: usize,
    begun: std::time::Instant,
}

impl Progress {
    fn new(n_seeds: usize) -> Self {
        Self { n_seeds, begun: clock::now() }
    }

    fn tell(&self, seed: u64, n_done: usize) {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let left = elapsed / n_done as f64 * (self.n_seeds - n_done) as f64;
        output::note(&format!("seed {seed} done, {n_done} of {}, {left:.0} s left", self.n_seeds));
    }
}
