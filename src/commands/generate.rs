//! `tidegate generate`: made-up flow logs.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use datasets::Options;

use crate::flags::GenerateArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &GenerateArgs) -> Result<Ending> {
    if args.list || args.scenario == "list" {
        return list();
    }
    let out = args.out.as_deref().context("--out DIR is missing: the folder to write to")?;
    // Two estates in one tree are an estate that nobody made.
    ensure!(
        !out.join("AWSLogs").exists(),
        "{} has flow logs in it already: name another --out, or remove it",
        out.display()
    );
    let mut options = Options { seed: args.seed, ..Options::new(&args.scenario) };
    options.topology = args.topology.clone().unwrap_or(options.topology);
    options.services = args.services.unwrap_or(options.services);
    options.days = args.days.unwrap_or(options.days);
    options.records = args.records;
    let summary = datasets::write(out, &options)?;
    let mut stdout = output::stdout();
    writeln!(
        stdout,
        "{} records in {} files, inventory and labels.csv in {}",
        summary.records,
        summary.files,
        out.display()
    )?;
    if let Some(wanted) = args.records.filter(|&wanted| missed(wanted, summary.records)) {
        output::note(&format!(
            "--records {wanted} is out of reach: of so many days and services there is a least and a most. \
             Change --days or --services"
        ));
    }
    for stage in &summary.stages {
        let server = stage.server.as_deref().unwrap_or("many");
        let port = stage.port.map_or_else(String::new, |port| format!(":{port}"));
        let time = jiff::Timestamp::from_second(stage.first_seen)?;
        writeln!(stdout, "laid in: {time} {} {} -> {server}{port}", stage.name, stage.client)?;
    }
    stdout.flush()?;
    Ok(Ending::Ran)
}

/// Whether it is not even about as many.
fn missed(wanted: u64, written: u64) -> bool {
    wanted.abs_diff(written) > wanted / 4
}

fn list() -> Result<Ending> {
    let mut stdout = output::stdout();
    for scenario in datasets::scenarios() {
        writeln!(stdout, "{:22} {}", scenario.name, scenario.description)?;
    }
    writeln!(stdout, "\nTopologies:")?;
    for topology in datasets::topologies() {
        writeln!(stdout, "{:22} {}", topology.name, topology.description)?;
    }
    stdout.flush()?;
    Ok(Ending::Ran)
}
