//! `tidegate baseline`: merge and inspect.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ingest::escape::harmless;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::baseline::{Baseline, HourOfWeek, RangesUse};

use super::learn;
use crate::flags::BaselineCommand;
use crate::{Ending, identity, output};

/// Fewer days than this leave most hours of the week unseen.
const DAYS_WANTED: f64 = 14.0;

pub(crate) fn run(command: BaselineCommand) -> Result<Ending> {
    match command {
        BaselineCommand::Merge { files, out } => merge(&files, &out),
        BaselineCommand::Inspect { file, inventory, timezone, service } => {
            let zone = TimeZone::get(&timezone)
                .with_context(|| format!("`{timezone}` is not a time zone"))?;
            let baseline = learn::read(&file)?;
            let enis = known_enis(&inventory)?;
            let mut stdout = output::stdout();
            match service {
                Some(name) => show_service(&baseline, &name, &mut stdout)?,
                None => inspect(&baseline, &enis, &mut HourOfWeek::new(zone), &mut stdout)?,
            }
            stdout.flush()?;
            Ok(Ending::Ran)
        }
    }
}

fn merge(files: &[PathBuf], out: &Path) -> Result<Ending> {
    let mut merged = Baseline::default();
    for file in files {
        let baseline = learn::read(file)?;
        let (a, b) = (merged.learned.interval_secs, baseline.learned.interval_secs);
        if let (Some(a), Some(b)) = (a, b)
            && a != b
        {
            bail!(
                "{} was learned from {b}-second logs, the others from {a}-second ones",
                file.display()
            );
        }
        merged.merge(&baseline);
    }
    learn::save(out, &merged)?;
    output::note(&format!("merged {} baselines into {}", files.len(), out.display()));
    Ok(Ending::Ran)
}

fn known_enis(inventory: &[PathBuf]) -> Result<BTreeSet<String>> {
    let options = identity::read(inventory, None, None, None)?;
    let interfaces = options.inventories.into_iter().flat_map(|inventory| inventory.interfaces);
    Ok(interfaces.map(|interface| interface.id).collect())
}

fn inspect(
    baseline: &Baseline,
    inventory: &BTreeSet<String>,
    hours: &mut HourOfWeek,
    out: &mut dyn Write,
) -> Result<()> {
    let learned = &baseline.learned;
    let time = |seconds: Option<i64>| {
        seconds
            .and_then(|s| Timestamp::from_second(s).ok())
            .map_or_else(|| "-".to_owned(), |t| t.to_string())
    };
    let interval = learned.interval_secs.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
    writeln!(out, "learned from  {} to {}", time(learned.from), time(learned.until))?;
    writeln!(out, "              {:.1} days, aggregation interval {interval}", learned.days())?;
    let fields: Vec<&str> = learned.fields.iter().map(ingest::Field::name).collect();
    writeln!(out, "fields        {}", fields.join(" "))?;
    writeln!(out, "ip-ranges     {}", of_ranges(learned.ip_ranges))?;
    writeln!(out, "ledger        {}", learned.ledger)?;
    let n_edges: usize = baseline.services.iter().map(|(_, service)| service.edges.len()).sum();
    writeln!(
        out,
        "knows         {} services, {n_edges} edges, {} interfaces",
        baseline.services.len(),
        learned.enis.len()
    )?;
    let observed: BTreeSet<usize> = learned.hours.keys().map(|&hour| hours.of(hour)).collect();
    writeln!(out, "hours of week {} of 168 observed", observed.len())?;
    show_silent(baseline, inventory, out)?;
    show_undecided(baseline, observed.len(), out)
}

fn of_ranges(used: Option<RangesUse>) -> &'static str {
    match used {
        Some(RangesUse::Used) => "used",
        Some(RangesUse::Unused) => "not used",
        Some(RangesUse::Mixed) => "used in part",
        None => "-",
    }
}

fn show_silent(
    baseline: &Baseline,
    inventory: &BTreeSet<String>,
    out: &mut dyn Write,
) -> Result<()> {
    if baseline.learned.enis.overflowed() {
        // Which were not seen cannot be told from those that were not kept.
        return Ok(());
    }
    let seen: BTreeSet<&str> =
        baseline.learned.enis.unordered().map(|((_, eni), ())| eni.as_ref()).collect();
    let silent: Vec<&String> =
        inventory.iter().filter(|eni| !seen.contains(eni.as_str())).collect();
    if silent.is_empty() {
        return Ok(());
    }
    writeln!(out, "{} interfaces of the inventory have no records:", silent.len())?;
    for eni in silent.iter().take(20) {
        writeln!(out, "  {}", harmless(eni))?;
    }
    if silent.len() > 20 {
        writeln!(out, "  and {} more", silent.len() - 20)?;
    }
    Ok(())
}

fn show_undecided(baseline: &Baseline, n_hours: usize, out: &mut dyn Write) -> Result<()> {
    let days = baseline.learned.days();
    writeln!(out, "cannot judge yet:")?;
    let mut n = 0;
    let mut cannot = |text: String| {
        n += 1;
        writeln!(out, "  {text}")
    };
    if days < 1.0 {
        cannot(format!("volume, denied-spike and fan-out: {days:.1} days known, 1 needed"))?;
    }
    if days < DAYS_WANTED {
        cannot(format!(
            "what is weekly: {days:.1} days known, {DAYS_WANTED} wanted; {} hours of the week never seen",
            168 - n_hours
        ))?;
    }
    let young = baseline.services.iter().filter(|(_, service)| service.windows.total() < 50);
    let n_young = young.count();
    if n_young > 0 {
        cannot(format!(
            "{n_young} services seen in fewer than 50 windows: the estate's rates stand in for theirs"
        ))?;
    }
    let crowded = baseline.services.iter().filter(|(_, service)| service.edges.overflowed());
    for (name, _) in crowded {
        cannot(format!(
            "new peers of {}: it has more than {} edges, of which a sample is kept",
            harmless(name),
            model::baseline::EDGES_PER_SERVICE_MAX
        ))?;
    }
    if n == 0 {
        writeln!(out, "  nothing is missing")?;
    }
    Ok(())
}

fn show_service(baseline: &Baseline, name: &str, out: &mut dyn Write) -> Result<()> {
    let Some(service) = baseline.service(&Arc::from(name)) else {
        bail!("the baseline knows no service `{name}`");
    };
    writeln!(
        out,
        "{}: {} workloads, {} windows",
        harmless(name),
        service.workloads.len(),
        service.windows.total()
    )?;
    for (key, edge) in service.edges.iter() {
        writeln!(
            out,
            "  {:8} {:40} {:>5}/{:5} {:>8} windows {:>10} connections {:>14} bytes out {:>14} in",
            key.direction.name(),
            harmless(&key.peer),
            key.port,
            detect::protocol(key.protocol),
            edge.windows.total(),
            edge.connections.total(),
            edge.bytes_out.total(),
            edge.bytes_in.total(),
        )?;
    }
    Ok(())
}
