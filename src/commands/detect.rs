//! `tidegate detect`: judges flow logs against a baseline, or learns as it goes.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use detect::report;
use detect::suggest::{PlanBudget, PlanOptions};
use detect::suppress::{Hit, Suppressions};
use detect::{Finding, Judge, JudgeOptions};
use jiff::Timestamp;
use model::activity::Activity;
use model::baseline::{Baseline, peer_key};
use model::fold::Aggregator;
use model::identity::{Directory, Party};
use model::settle::Carried;

use super::learn;
use crate::flags::{DetectArgs, OutputFormat};
use crate::pipeline::{self, Outcome, Reading, Tail, Windows};
use crate::plan::{self, ReadPlan};
use crate::{Ending, advice, output};

/// The judge as the pipeline feeds it.
struct Judging {
    judge: Judge,
    newest: i64,
}

impl Windows for Judging {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.judge.baseline().serves(&peer_key(party), port, protocol)
    }

    fn take(&mut self, activity: &Activity) -> Result<()> {
        self.newest = self.newest.max(activity.end());
        self.judge.judge(activity);
        Ok(())
    }
}

/// What detecting gave.
pub(crate) struct Detected {
    /// The last revision of each finding, by first record and id, with suggestions.
    pub(crate) findings: Vec<Finding>,
    /// The baseline with what was judged added.
    pub(crate) baseline: Baseline,
    pub(crate) outcome: Outcome,
    /// End of the newest window, Unix seconds.
    pub(crate) newest: i64,
}

pub(crate) fn run(args: &DetectArgs) -> Result<Ending> {
    let known = args.baseline.as_deref().map(learn::read).transpose()?;
    let suppressions = read_suppressions(args)?;
    let interval = known.as_ref().and_then(|baseline| baseline.learned.interval_secs);
    let plan = ReadPlan::of(&args.source, interval)?;
    let options = PlanOptions { ttl_secs: args.plan_ttl, ..PlanOptions::DEFAULT };
    let detected = detect(plan, known.unwrap_or_default(), args.warmup, &options)?;
    plan::report_ledger(&detected.outcome);
    if let (true, Some(path)) = (args.update_baseline, &args.baseline) {
        learn::save(path, &detected.baseline)?;
    }
    let (findings, hits) = suppressions.apply(detected.findings, detected.newest);
    for hit in &hits {
        note_hit(hit);
    }
    if let Some(path) = &args.findings {
        output::write_file(path, |file| Ok(report::write_json_lines(&findings, file)?))?;
    }
    print(args, &findings)?;
    Ok(match (detected.outcome.unreadable.is_empty(), args.exit_code && !findings.is_empty()) {
        (false, _) => Ending::Incomplete,
        (true, true) => Ending::Findings,
        (true, false) => Ending::Ran,
    })
}

fn read_suppressions(args: &DetectArgs) -> Result<Suppressions> {
    let Some(path) = &args.suppress else { return Ok(Suppressions::default()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Suppressions::parse(&path.display().to_string(), &text)?)
}

/// Says what a suppression hid: what is hidden must not be forgotten.
fn note_hit(hit: &Hit) {
    let expired = if hit.is_expired { ", expired: hides nothing" } else { "" };
    output::note(&format!(
        "suppression {}: hid {} deviations, {} whole findings{expired} ({})",
        hit.rule, hit.n, hit.n_findings, hit.reason
    ));
}

fn print(args: &DetectArgs, findings: &[Finding]) -> Result<()> {
    let mut stdout = output::stdout();
    match args.output {
        OutputFormat::Json => report::write_json_lines(findings, &mut stdout)?,
        OutputFormat::Text => {
            report::write_text(findings, &output::text_options(args.top), &mut stdout)?;
        }
    }
    stdout.flush()?;
    Ok(())
}

/// Judges everything a plan reads.
pub(crate) fn detect(
    mut plan: ReadPlan,
    baseline: Baseline,
    warmup_secs: i64,
    plans: &PlanOptions,
) -> Result<Detected> {
    note_lookahead(&baseline, &plan);
    let options = JudgeOptions {
        zone: plan.zone.clone(),
        window_secs: plan.fold.window_secs,
        interval_secs: plan.interval_secs,
        warmup_secs,
        blind: BTreeSet::new(),
    };
    let mut judging = Judging { judge: Judge::new(options, baseline), newest: i64::MIN };
    let mut aggregator = Aggregator::new(plan.fold.clone());
    let reading = Reading {
        files: &plan.files,
        decode: &plan.decode,
        lateness_secs: plan.lateness_secs,
        tail: Tail::Close,
    };
    let outcome = pipeline::run(
        &reading,
        &mut aggregator,
        &mut Carried::default(),
        &mut plan.directory,
        &mut judging,
    )?;
    let Judging { mut judge, newest } = judging;
    let findings = tell(&mut judge, &plan.directory, plans);
    let mut baseline = judge.into_baseline();
    learn::note_source(&mut baseline, &plan, &outcome);
    Ok(Detected { findings, baseline, outcome, newest })
}

/// Judging the past by what came later is allowed, but has to be known.
fn note_lookahead(baseline: &Baseline, plan: &ReadPlan) {
    let oldest = plan.files.iter().filter_map(|file| file.origin.time).min().max(plan.fold.since);
    if let (Some(until), Some(oldest)) = (baseline.learned.until, oldest)
        && oldest + 3600 < until
    {
        let until =
            Timestamp::from_second(until).map_or_else(|_| until.to_string(), |t| t.to_string());
        output::note(&format!(
            "these logs begin before the baseline ends ({until}): they are judged by what came later"
        ));
    }
}

/// The last revision of each finding, by first record and id, with what to do about it.
fn tell(judge: &mut Judge, directory: &Directory, plans: &PlanOptions) -> Vec<Finding> {
    let days = judge.baseline().learned.days();
    let closed = judge.episodes().take_closed();
    let episodes: Vec<_> = closed.into_iter().chain(judge.episodes().open().cloned()).collect();
    let mut findings: Vec<(Finding, _)> = episodes
        .into_iter()
        .map(|episode| (detect::tell(&episode, days), episode.workload.infrastructure))
        .collect();
    findings.sort_by(|(a, _), (b, _)| (&a.first_seen, &a.id).cmp(&(&b.first_seen, &b.id)));
    let mut budget = PlanBudget::default();
    findings
        .into_iter()
        .map(|(mut finding, infrastructure)| {
            finding.suggestion = advice::suggest(
                &finding,
                infrastructure,
                judge.baseline(),
                directory,
                plans,
                &mut budget,
            );
            finding
        })
        .collect()
}
