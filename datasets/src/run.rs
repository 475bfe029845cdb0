//! Lets time pass: one aggregation interval after the other, through churn, traffic and files.

use std::fs;
use std::path::Path;

use crate::estate::Estate;
use crate::files::{Bucket, FILE_SECS, Sink};
use crate::inventory;
use crate::scenario::Scenario;
use crate::topology::topologies;
use crate::traffic::{self, Bulk, Pace};
use crate::variety::Variety;
use crate::world::World;
use crate::{DAY_SECS, Error, HOUR_SECS, Options, Summary};

/// How many files `bench` fills.
const BENCH_FILES: i64 = 40;

/// How many records `bench` writes unless told otherwise.
const BENCH_RECORDS: u64 = 1_000_000;

/// Records a minute and service above which the machines tick as usual.
const SLOW_BELOW: f64 = 25.0;

/// See [`crate::write`].
pub(crate) fn write(
    dir: &Path,
    options: &Options,
    scenario: &'static Scenario,
) -> Result<Summary, Error> {
    fs::create_dir_all(dir).map_err(Error::write(dir))?;
    let bucket = Bucket::new(dir, options.format, options.seed, u64::MAX);
    let sink = Sink::Bucket(Box::new(bucket));
    let world = if scenario.is_bulk() {
        bench(dir, options, sink)?
    } else {
        let mut world = world(options, scenario, sink);
        live_through(&mut world, dir, options, scenario)?;
        world
    };
    summary(&world, dir, options)
}

/// A scenario's world at its start, as busy as the options want it.
pub(crate) fn world(options: &Options, scenario: &'static Scenario, sink: Sink) -> World {
    World::new(options, scenario, pace(options), scale(options, scenario), sink)
}

/// Covers all days, with snapshots of the inventory when it has changed.
fn live_through(
    world: &mut World,
    dir: &Path,
    options: &Options,
    scenario: &'static Scenario,
) -> Result<(), Error> {
    inventory::write_first(dir, &world.estate, options.start)?;
    while world.from < options.end() {
        if world.turn(options, scenario) {
            inventory::write(dir, &world.estate, world.from)?;
        }
        world.step(options.interval_secs.into())?;
    }
    Ok(())
}

fn summary(world: &World, dir: &Path, options: &Options) -> Result<Summary, Error> {
    let path = dir.join("labels.csv");
    fs::write(&path, world.wire.labels.to_csv()).map_err(Error::write(&path))?;
    let stages = world.wire.labels.stages();
    let files = match &world.wire.sink {
        Sink::Bucket(bucket) => bucket.n_files(),
        Sink::Count(_) | Sink::Pages(_) => 0,
    };
    Ok(Summary {
        records: world.wire.sink.n_records(),
        malicious_records: world.wire.n_malicious,
        files,
        attack_start: stages.iter().map(|stage| stage.first_seen).min(),
        attack_end: stages.iter().map(|stage| stage.last_seen).max(),
        stages,
        learn_until: options.learn_until(),
    })
}

/// Exactly so many records over forty files from nine o'clock on, six replicas where others have two.
fn bench(dir: &Path, options: &Options, sink: Sink) -> Result<World, Error> {
    let n_records = options.records.unwrap_or(BENCH_RECORDS);
    let start = options.start + 9 * HOUR_SECS;
    let services = (&topologies()[0], options.services as usize);
    let estate = Estate::new(options.seed, services, Variety::none(3), start);
    inventory::write_first(dir, &estate, options.start)?;
    let mut sources = traffic::sources(&estate, options.seed, Pace::USUAL);
    sources.push(Box::new(Bulk::new(&estate, options.seed)));
    let mut world = World::bare(estate, sources, start, sink);
    let interval_secs = i64::from(options.interval_secs);
    let n_steps = BENCH_FILES * FILE_SECS / interval_secs;
    for step in 0..n_steps {
        let share = u128::from(n_records) * (step + 1) as u128 / n_steps as u128;
        if let Sink::Bucket(bucket) = &mut world.wire.sink {
            bucket.limit(share as u64);
        }
        world.step(interval_secs)?;
    }
    Ok(world)
}

/// How finely machines tick: slowly in a shop that is to have few records.
fn pace(options: &Options) -> Pace {
    let minutes = f64::from(options.days) * 1_440.0;
    let n_services = options.estate().services().count() as f64;
    let wanted = options.records.unwrap_or(0) as f64 / minutes / n_services;
    if wanted < SLOW_BELOW { Pace::SLOW } else { Pace::USUAL }
}

/// Above this scale every pooled connection is busy all the time, and records grow in a straight line.
const SATURATED: f64 = 20.0;

/// How busy the shop must be to give the wanted number of records, from short trials. A second pair
/// of trials, nearer to the answer, is made when the first says that it is far away.
fn scale(options: &Options, scenario: &'static Scenario) -> f64 {
    let Some(records) = options.records else { return 1.0 };
    let first = scale_by_trials(options, scenario, records, 1.0);
    if (0.5..2.0).contains(&first) {
        return first;
    }
    scale_by_trials(options, scenario, records, first.min(SATURATED))
}

/// How busy the shop must be, judged by two trials at about that scale: what people cause is
/// proportional to it, what machines cause is not.
fn scale_by_trials(
    options: &Options,
    scenario: &'static Scenario,
    records: u64,
    about: f64,
) -> f64 {
    let (quiet, busy) = (about, about * 2.0);
    let (low, high) = (trial(options, scenario, quiet), trial(options, scenario, busy));
    let by_people = ((high - low) / (busy - quiet)).max(1.0);
    let by_machines = low - by_people * quiet;
    let estate = options.estate();
    let noons = (0..i64::from(options.days)).map(|day| options.start + day * DAY_SECS + NOON);
    let working_days: f64 =
        noons.map(|noon| estate.activity(noon)).sum::<f64>() / estate.activity(MONDAY + NOON);
    let wanted = records as f64 - by_machines * f64::from(options.days);
    (wanted / (by_people * working_days)).max(0.02)
}

/// Twelve o'clock, in seconds of the day.
const NOON: i64 = 12 * HOUR_SECS;

/// A working day.
const MONDAY: i64 = crate::DEFAULT_START;

/// How many records one working day has at a scale; nothing is written.
fn trial(options: &Options, scenario: &'static Scenario, scale: f64) -> f64 {
    let day = Options { start: MONDAY, days: 1, records: None, ..options.clone() };
    let mut world = World::new(&day, scenario, pace(options), scale, Sink::Count(0));
    while world.from < day.end() {
        world.turn(&day, scenario);
        // Counting cannot fail.
        let _ = world.step(day.interval_secs.into());
    }
    world.wire.sink.n_records() as f64
}
