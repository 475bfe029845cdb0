//! `tidegate demo`: the main job on made-up traffic, without AWS and without configuration.

use std::io::Write;
use std::path::Path;

use ::detect::{Finding, Suggestion};
use anyhow::Result;
use datasets::Options;
use ingest::escape::harmless;
use jiff::Timestamp;

use super::detect::{self, Terms};
use super::learn;
use crate::advice::Planning;
use crate::flags::{DemoArgs, SourceArgs};
use crate::plan::{self, ReadPlan};
use crate::{Ending, output};

pub(crate) fn run(args: &DemoArgs) -> Result<Ending> {
    let kept = args.out.clone();
    let temporary = if kept.is_none() { Some(tempfile::tempdir()?) } else { None };
    let dir = match (&kept, &temporary) {
        (Some(dir), _) => dir.as_path(),
        (None, Some(temporary)) => temporary.path(),
        (None, None) => Path::new("."),
    };
    let mut out = output::stdout();
    let options = Options { seed: args.seed, ..Options::new("intrusion") };
    writeln!(
        out,
        "A shop of {} services, {} days of flow logs (seed {}).",
        options.services, options.days, args.seed
    )?;
    let summary = datasets::write(dir, &options)?;
    writeln!(out, "Made {} records in {} files.\n", summary.records, summary.files)?;
    out.flush()?;

    let learn_until = Timestamp::from_second(summary.learn_until)?.to_string();
    let baseline_args = SourceArgs::of_generated(dir, None, Some(learn_until.clone()))?;
    let (baseline, outcome) = learn::learn(ReadPlan::of(&baseline_args, None)?)?;
    plan::report_ledger(&outcome);
    let days = baseline.learned.days();
    writeln!(
        out,
        "Learned {} services over {days:.0} days; now judging the next day.\n",
        baseline.services.len()
    )?;
    out.flush()?;
    if let Some(kept) = &kept {
        learn::save(&kept.join("baseline.parquet"), &baseline)?;
    }

    let judged = ReadPlan::of(&SourceArgs::of_generated(dir, Some(learn_until), None)?, None)?;
    let detected = detect::detect(judged, baseline, Terms::default(), &Planning::default())?;
    plan::report_ledger(&detected.outcome);
    show(&mut out, &detected, &summary, kept.as_deref())?;
    out.flush()?;
    Ok(Ending::Ran)
}

/// The findings, the gravest in full, and what had been laid in.
fn show(
    out: &mut dyn Write,
    detected: &detect::Detected,
    summary: &datasets::Summary,
    kept: Option<&Path>,
) -> Result<()> {
    writeln!(out, "\nWhat had been laid in:")?;
    for stage in &summary.stages {
        let server = stage.server.as_deref().unwrap_or("many");
        let port = stage.port.map_or_else(String::new, |port| format!(":{port}"));
        let time = Timestamp::from_second(stage.first_seen)?;
        writeln!(out, "  {time}  {:14} {} -> {server}{port}", stage.name, stage.client)?;
    }
    writeln!(out, "\nWhat was found:\n")?;
    let findings = &detected.findings;
    ::detect::report::write_text(findings, &output::text_options(20), &mut *out)?;
    let gravest = findings.iter().max_by_key(|finding| finding.severity);
    if let Some((finding, plan)) = gravest.and_then(|f| Some((f, f.suggestion.as_ref()?))) {
        show_plan(finding, plan, out)?;
    }
    if let Some(kept) = kept {
        let path = kept.join("findings.jsonl");
        output::write_file(&path, |file| Ok(::detect::report::write_json_lines(findings, file)?))?;
        let id = gravest.map_or("tg-…", |finding| finding.id.as_str());
        let (folder, file) = (kept.display(), path.display());
        writeln!(
            out,
            "\nKept in {folder}. All of it, with commands: tidegate explain {id} --findings {file}"
        )?;
    } else {
        writeln!(
            out,
            "\nWith --out DIR everything is kept, and `tidegate explain` shows the commands."
        )?;
    }
    Ok(())
}

/// The plan's steps without their commands: what a person decides by.
fn show_plan(finding: &Finding, plan: &Suggestion, out: &mut dyn Write) -> Result<()> {
    let n_commands: usize = plan.steps.iter().map(|step| step.commands.len()).sum();
    writeln!(
        out,
        "\nThe plan for {}: {}, {} steps with {n_commands} commands, lapses {}\n",
        finding.id,
        plan.action,
        plan.steps.len(),
        plan.expires
    )?;
    for (number, step) in plan.steps.iter().enumerate() {
        // The first sentence says what it does; the rest is for whoever runs it.
        let what = step.what.split_once(". ").map_or(step.what.as_str(), |(first, _)| first);
        writeln!(out, "  {:2}. {}", number + 1, harmless(what.trim_end_matches('.')))?;
    }
    writeln!(out, "\nNothing is changed unless you run it; {} steps undo it.", plan.undo.len())?;
    Ok(())
}
