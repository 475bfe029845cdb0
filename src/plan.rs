//! What will be done: the command line made sense of.

use anyhow::{Context, Result, bail};
use detect::StoodOut;
use detect::snapshot::Run;
use ingest::inventory::flow_logs::Described;
use ingest::{DecodeOptions, FieldSet, Ledger, LogFile, LogFormat, RejectReason};
use jiff::tz::TimeZone;
use model::fold::{Aggregator, FoldOptions};
use model::identity::Directory;
use model::settle::Carried;

use crate::closing::Windows;
use crate::flags::SourceArgs;
use crate::output;
use crate::pipeline::{self, Outcome, Reading, Tail};
use crate::sources::{self, Course, Reach, Sources, Wanted};
use crate::survey::{self, Survey};
use crate::{clock, described, duration, identity};

/// Windows of 60-second logs are five minutes long, of 600-second logs ten.
const WINDOW_SECS_OF_60: i64 = 300;
const WINDOW_SECS_OF_600: i64 = 600;

/// A record that ends later than this from now has a wrong time, whatever clock wrote it, seconds.
const AHEAD_OF_CLOCK_SECS: i64 = 24 * 3600;

/// Everything needed to read and fold.
pub(crate) struct ReadPlan {
    pub(crate) files: Vec<LogFile>,
    pub(crate) reach: Reach,
    pub(crate) decode: DecodeOptions,
    pub(crate) fold: FoldOptions,
    pub(crate) lateness_secs: i64,
    pub(crate) interval_secs: i64,
    pub(crate) zone: TimeZone,
    pub(crate) directory: Directory,
    pub(crate) survey: Survey,
}

impl ReadPlan {
    /// Finds the files, looks at their first records, and says what the log cannot carry.
    pub(crate) fn of(args: &SourceArgs, baseline_interval_secs: Option<i64>) -> Result<Self> {
        Self::of_new(args, baseline_interval_secs, Course::default(), &mut |files| files)
    }

    /// The same for the files that `new` leaves of those found, by one run of several.
    pub(crate) fn of_new(
        args: &SourceArgs,
        baseline_interval_secs: Option<i64>,
        course: Course,
        new: &mut dyn FnMut(Vec<LogFile>) -> Vec<LogFile>,
    ) -> Result<Self> {
        let mut ground = Ground::of(args)?;
        ground.wanted.course = course;
        let Sources { files, reach } = sources::find(&args.sources, &args.aws, ground.wanted)?;
        let files = new(files);
        let survey = survey::of_files(&files, &reach, &ground.decode);
        let interval_secs = interval(ground.interval_secs, &survey, baseline_interval_secs)?;
        survey.report(
            interval_secs,
            ground.interval_secs.is_some(),
            ground.directory.has_ip_ranges(),
        );
        Ok(Self {
            files,
            reach,
            fold: ground.fold(interval_secs),
            decode: ground.decode,
            lateness_secs: args.lateness,
            interval_secs,
            zone: ground.zone,
            directory: ground.directory,
            survey,
        })
    }

    /// Reads everything from the first window to the last, carrying nothing in and nothing out.
    pub(crate) fn read_whole(&mut self, windows: &mut dyn Windows) -> Result<Outcome> {
        let reading = Reading {
            files: &self.files,
            reader: self.reach.reader(&self.files),
            decode: &self.decode,
            lateness_secs: self.lateness_secs,
            tail: Tail::Close,
        };
        let mut aggregator = Aggregator::new(self.fold.clone());
        let mut carried = Carried::default();
        pipeline::run(&reading, &mut aggregator, &mut carried, &mut self.directory, windows)
    }

    /// The fields the logs declare.
    pub(crate) fn fields(&self) -> FieldSet {
        self.survey.declared
    }

    /// Says that an inventory names nothing of what was read.
    pub(crate) fn note_acquaintance(&self) {
        if self.directory.is_acquainted() == Some(false) {
            output::note(
                "the inventory lists none of the interfaces in these logs, and so it names nothing: is it \
                 of their account and region?",
            );
        }
    }
}

/// What can be said before anything is read, whatever brings it.
pub(crate) struct Ground {
    pub(crate) zone: TimeZone,
    pub(crate) wanted: Wanted,
    pub(crate) decode: DecodeOptions,
    pub(crate) directory: Directory,
    /// Given, or told by what describes the flow logs.
    pub(crate) interval_secs: Option<i64>,
}

impl Ground {
    /// Makes sense of the options and reads who is who.
    pub(crate) fn of(args: &SourceArgs) -> Result<Self> {
        let zone = zone(args)?;
        let wanted = wanted(args, &zone)?;
        let described = described::read(args)?;
        let decode = decoding_as(args, described.as_ref(), Aggregator::columns())?;
        let directory = directory(args, &zone)?;
        let given = args.interval.as_deref().and_then(|text| text.parse().ok());
        // Flow logs of 600 seconds have records of 60 on most instances.
        let told = described.and_then(|described| described.interval_secs);
        let interval_secs = given.or(told.filter(|&secs| secs == 60));
        Ok(Self { zone, wanted, decode, directory, interval_secs })
    }

    /// How logs of this interval are folded.
    pub(crate) fn fold(&self, interval_secs: i64) -> FoldOptions {
        FoldOptions {
            since: self.wanted.since,
            until: self.wanted.records_until(),
            not_after: Some(not_after(clock::unix_secs())),
            ..FoldOptions::new(window_secs(interval_secs))
        }
    }
}

/// The latest time a record may end at, as of now, Unix seconds.
pub(crate) fn not_after(now: i64) -> i64 {
    now.saturating_add(AHEAD_OF_CLOCK_SECS)
}

/// The zone hours of the week are counted in.
pub(crate) fn zone(args: &SourceArgs) -> Result<TimeZone> {
    TimeZone::get(&args.timezone).with_context(|| {
        format!("`{}` is not a time zone: write one as in Europe/Berlin", args.timezone)
    })
}

/// The records that are wanted.
pub(crate) fn wanted(args: &SourceArgs, zone: &TimeZone) -> Result<Wanted> {
    let since = at(args.since.as_deref(), zone).context("--since")?;
    let until = at(args.until.as_deref(), zone).context("--until")?;
    if since.zip(until).is_some_and(|(since, until)| since >= until) {
        bail!("--since is not before --until: no record can match");
    }
    Ok(Wanted { since, until, lateness_secs: args.lateness, course: Course::default() })
}

fn at(text: Option<&str>, zone: &TimeZone) -> Result<Option<i64>> {
    text.map(|text| duration::time(text, zone)).transpose()
}

/// How these fields are decoded.
#[cfg(feature = "query")]
pub(crate) fn decoding(args: &SourceArgs, columns: FieldSet) -> Result<DecodeOptions> {
    let described = described::read(args)?;
    decoding_as(args, described.as_ref(), columns)
}

fn decoding_as(
    args: &SourceArgs,
    described: Option<&Described>,
    columns: FieldSet,
) -> Result<DecodeOptions> {
    let format = match (&args.log_format, described) {
        (Some(spec), _) => Some(LogFormat::parse(spec).context("--log-format")?),
        (None, described) => described.and_then(|described| described.format.clone()),
    };
    Ok(DecodeOptions { format, ..DecodeOptions::of_columns(columns) })
}

/// Who is who, before any record is read.
pub(crate) fn directory(args: &SourceArgs, zone: &TimeZone) -> Result<Directory> {
    let taken_at = at(args.inventory_time.as_deref(), zone).context("--inventory-time")?;
    let (labels, ip_ranges) = (args.labels.as_deref(), args.ip_ranges.as_deref());
    Ok(Directory::new(identity::read(&args.inventory, taken_at, labels, ip_ranges)?))
}

fn window_secs(interval_secs: i64) -> i64 {
    if interval_secs > 60 { WINDOW_SECS_OF_600 } else { WINDOW_SECS_OF_60 }
}

/// The interval the user gave, else the one the records show; the baseline's has to agree.
pub(crate) fn interval(given: Option<i64>, survey: &Survey, baseline: Option<i64>) -> Result<i64> {
    let found = given.or_else(|| survey.interval_secs());
    let interval = found.or(baseline).unwrap_or(60);
    match baseline {
        Some(learned) if learned != interval => bail!(
            "the baseline was learned from {learned}-second logs and these are {interval}-second \
             logs: counts per window do not compare. Learn a baseline from these logs, or give \
             --interval {learned} if the first records misled"
        ),
        _ => Ok(interval),
    }
}

/// Counts of windows of other lengths, or of records of other intervals, do not compare.
pub(crate) fn check_state(run: &Run, fold: &FoldOptions, interval_secs: i64) -> Result<()> {
    if (run.window_secs, run.interval_secs) != (fold.window_secs, interval_secs) {
        bail!(
            "the state is of {}-second logs and these are {interval_secs}-second logs: give each \
             kind a --state of its own, or --interval if the first records misled",
            run.interval_secs
        );
    }
    Ok(())
}

/// Says what came of reading, at the end of every run.
pub(crate) fn report_ledger(outcome: &Outcome) {
    for (reason, samples) in &outcome.samples {
        for sample in samples {
            output::note(&format!("rejected ({}): {sample}", reason.name()));
        }
    }
    for (file, error) in &outcome.unreadable {
        output::note(&format!("could not read {file}: {error}"));
    }
    outcome.gaps.lines().iter().for_each(|line| output::note(line));
    note_stood_out(&outcome.stood_out);
    note_ledger(&outcome.ledger);
}

/// Says what became of every record, and what to do about those whose times cannot be.
pub(crate) fn note_ledger(ledger: &Ledger) {
    let in_future = ledger.rejected.get(&RejectReason::InFuture).copied().unwrap_or(0);
    if in_future > 0 {
        output::note(&format!(
            "{in_future} records end more than a day after now, which is {} by this machine's clock: they are \
             rejected. If the clock is wrong, set it and run again",
            clock::wall().round(jiff::Unit::Second).unwrap_or_else(|_| clock::wall())
        ));
    }
    // A tenth of what there is, and more than a few.
    if ledger.late > 100 && ledger.late * 10 > ledger.records {
        output::note(&format!(
            "{} records end longer than --lateness before the time in their file's name, or than the stream has come: they add nothing. If these logs hold more time than that in a file, give a greater --lateness",
            ledger.late
        ));
    }
    output::note(&format!("ledger: {ledger}"));
}

/// Says what may have been an attack in what was learned as normal.
pub(crate) fn note_stood_out(stood_out: &StoodOut) {
    let StoodOut { findings, n_more } = stood_out;
    if findings.is_empty() {
        return;
    }
    let things = match findings.len() as u64 + n_more {
        1 => "One thing stood out in what was learned, and counts".to_owned(),
        n => format!("{n} things stood out in what was learned, and count"),
    };
    output::note(&format!(
        "{things} as normal from now on. If it was an attack, what it did stays unseen: learn from a \
         time without it (--since, --until)"
    ));
    for finding in findings {
        output::note(&format!("learned from {}: {}", finding.first_seen, finding.summary));
    }
}
