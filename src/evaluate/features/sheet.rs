//! Windows in numbers as CSV, with what is needed to weigh alarms at them as every method's are.
//!
//! The seeds' parts stand in the order of the seeds, whichever was done first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Mutex;

use anyhow::{Result, anyhow};
use detect::Kind;
use ingest::escape::harmless;

use super::{MEASURED, Row};
use crate::csv;
use crate::evaluate::trial::{Outcome, WINDOW_SECS};
use crate::evaluate::truth::Trace;

/// What says whose row it is; the numbers follow, then which attacks an alarm at it would be of.
///
/// `days`, `records` and `attacks` are the judged run's, in each of its rows: how long it is judged, what
/// tells it from one on other terms, and how many attacks were laid in.
const ABOUT: [&str; 13] = [
    "seed", "topology", "history", "part", "scenario", "days", "records", "attacks", "service",
    "workload", "window", "hour", "weekday",
];
const TRUTH: [&str; 2] = ["explained", "names"];

/// Where rows go.
pub(crate) struct Sheet<'a>(Mutex<Pages<'a>>);

/// Parts that wait for their turn.
struct Pages<'a> {
    out: &'a mut (dyn Write + Send),
    next: usize,
    waiting: BTreeMap<usize, String>,
}

impl<'a> Sheet<'a> {
    /// One with its header line.
    pub(crate) fn new(out: &'a mut (dyn Write + Send)) -> Result<Self> {
        let names: Vec<&str> = ABOUT.into_iter().chain(MEASURED).chain(TRUTH).collect();
        writeln!(out, "{}", names.join(","))?;
        Ok(Self(Mutex::new(Pages { out, next: 0, waiting: BTreeMap::new() })))
    }

    /// Takes the lines that come at a place, and writes what is next.
    pub(crate) fn put(&self, place: usize, lines: String) -> Result<()> {
        let mut pages = self.0.lock().map_err(|_| anyhow!("another thread failed"))?;
        pages.waiting.insert(place, lines);
        let Pages { out, next, waiting } = &mut *pages;
        while let Some(lines) = waiting.remove(next) {
            out.write_all(lines.as_bytes())?;
            *next += 1;
        }
        Ok(())
    }
}

/// The seed and the history that rows are of.
#[derive(Clone, Copy, Debug)]
pub(in crate::evaluate) struct Chapter<'a> {
    pub(in crate::evaluate) seed: u64,
    pub(in crate::evaluate) topology: &'a str,
    pub(in crate::evaluate) history: &'a str,
}

/// Writes the rows of the days that are learned, which the runs of the history share.
pub(in crate::evaluate) fn write_learned(of: Chapter<'_>, rows: &[Row], lines: &mut String) {
    let Chapter { seed, topology, history } = of;
    let head = format!("{seed},{},{},train,,,,", csv::text(topology), csv::text(history));
    for row in rows {
        write_row(&head, row, ",", lines);
    }
}

/// Writes the rows of a judged run.
pub(in crate::evaluate) fn write_judged(
    of: Chapter<'_>,
    outcome: &Outcome,
    rows: &[Row],
    lines: &mut String,
) {
    let Chapter { seed, topology, history } = of;
    let head = format!(
        "{seed},{},{},judge,{},{},{},{}",
        csv::text(topology),
        csv::text(history),
        csv::text(outcome.scenario),
        outcome.judged_days,
        outcome.records,
        outcome.attacks.len()
    );
    for row in rows {
        write_row(&head, row, &truth(row, outcome), lines);
    }
}

fn write_row(head: &str, row: &Row, truth: &str, lines: &mut String) {
    let (hours, days) = (row.start.div_euclid(3_600), row.start.div_euclid(86_400));
    // The first of January 1970 was a Thursday; Monday is 0.
    let (hour, weekday) = (hours.rem_euclid(24), (days + 3).rem_euclid(7));
    let service = csv::text(&harmless(&row.service));
    // Writing to a string cannot fail.
    let _ = write!(lines, "{head},{service},{},{},{hour},{weekday}", row.address, row.start);
    for value in row.values {
        let _ = write!(lines, ",{value}");
    }
    let _ = writeln!(lines, ",{truth}");
}

/// Whether an attack explains an alarm at the row, and the places of those that it would name.
fn truth(row: &Row, outcome: &Outcome) -> String {
    if outcome.attacks.is_empty() {
        return "0,".to_owned();
    }
    let trace = row.trace();
    let stages = || outcome.attacks.iter().map(|attack| &attack.stage);
    let is_explained = stages().any(|stage| trace.belongs(stage, WINDOW_SECS));
    let names = stages().enumerate().filter(|(_, stage)| trace.names(stage, WINDOW_SECS));
    let names: Vec<String> = names.map(|(place, _)| place.to_string()).collect();
    format!("{},{}", u8::from(is_explained), names.join(" "))
}

impl Row {
    /// An alarm at the row: of its workload, about no one other end or port, which is the most
    /// favourable reading.
    fn trace(&self) -> Trace {
        Trace {
            kind: Kind::Incident,
            workloads: BTreeSet::from([self.address.to_string()]),
            peer_address: None,
            port: None,
            span: (self.start, self.start + WINDOW_SECS - 1),
            windows: vec![self.start],
            score: 0.0,
        }
    }
}
