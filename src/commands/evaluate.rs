//! `tidegate evaluate`: measures the judging where the truth is known.

use std::io::Write;

use anyhow::{Result, bail};
use datasets::Scenario;
use ingest::escape::harmless;

use crate::evaluate::{self, Also, Evaluation, Made, Sheet, Terms};
use crate::flags::{EvaluateArgs, OutputFormat};
use crate::{Ending, output};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Ending> {
    let terms = Terms {
        scenarios: scenarios(&args.scenarios)?,
        learn_days: args.learn_days,
        warms_up: args.warm_up,
        is_unlabelled: args.without_inventory,
        topologies: topologies(&args.topologies)?,
        services: args.services,
        budget: args.budget,
        compares: args.compare,
        notes_features: args.features.is_some(),
    };
    // Read first: half an hour later is late for a slip of the finger.
    let also = args.also.as_deref().map(Also::read).transpose()?;
    let mut evaluation = judged(args, &terms)?;
    also.map_or(Ok(()), |also| also.add_to(&mut evaluation))?;
    let mut out = output::stdout();
    match args.output {
        OutputFormat::Text => evaluate::write_text(&evaluation, &mut out)?,
        OutputFormat::Json => writeln!(out, "{:#}", evaluate::to_json(&evaluation))?,
    }
    out.flush()?;
    if let Some(path) = &args.write {
        let command = command(args);
        let curves = evaluate::curves(&evaluation.outcomes);
        let picture = path.with_extension("svg");
        let name = picture.file_name().unwrap_or_default().to_string_lossy();
        let made = Made { command: &command, picture: &name, curves: &curves };
        output::write_file(path, |file| evaluate::write_markdown(&evaluation, &made, file))?;
        if !curves.is_empty() {
            let svg = evaluate::to_svg(&curves);
            output::write_file(&picture, |file| Ok(file.write_all(svg.as_bytes())?))?;
        }
    }
    Ok(Ending::Ran)
}

/// Judges, and writes the windows' features if they are asked for.
fn judged(args: &EvaluateArgs, terms: &Terms) -> Result<Evaluation> {
    match &args.features {
        None => evaluate::run(&args.seeds, terms, None),
        Some(path) => output::write_file(path, |file| {
            let sheet = Sheet::new(file)?;
            evaluate::run(&args.seeds, terms, Some(&sheet))
        }),
    }
}

/// The scenarios of these names, in the order they are listed; all that are estates if none is named.
fn scenarios(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let all = || datasets::scenarios().iter().filter(|scenario| scenario.name != "bench");
    if let Some(unknown) = names.iter().find(|&name| all().all(|scenario| scenario.name != name)) {
        let known: Vec<&str> = all().map(|scenario| scenario.name).collect();
        bail!("no scenario {unknown:?} to evaluate: expected some of {}", known.join(","));
    }
    let is_wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(all().filter(is_wanted).collect())
}

/// The topologies of these names; the first one if none is named.
fn topologies(names: &[String]) -> Result<Vec<&'static str>> {
    let known: Vec<&str> = datasets::topologies().iter().map(|topology| topology.name).collect();
    if let Some(unknown) = names.iter().find(|&name| !known.contains(&name.as_str())) {
        bail!("no topology {unknown:?}: expected some of {}", known.join(","));
    }
    if names.is_empty() {
        return Ok(known.into_iter().take(1).collect());
    }
    Ok(known.into_iter().filter(|name| names.iter().any(|wanted| wanted == name)).collect())
}

/// What was typed, as far as it decides the result.
fn command(args: &EvaluateArgs) -> String {
    let scenarios = match args.scenarios.as_slice() {
        [] => String::new(),
        names => format!(" --scenarios {}", names.join(",")),
    };
    let topologies = match args.topologies.as_slice() {
        [] => String::new(),
        names => format!(" --topologies {}", names.join(",")),
    };
    let warm_up = if args.warm_up { " --warm-up" } else { "" };
    let unlabelled = if args.without_inventory { " --without-inventory" } else { "" };
    let compare = if args.compare { " --compare" } else { "" };
    let also = args
        .also
        .as_ref()
        .map_or_else(String::new, |path| format!(" --also {}", harmless(&path.to_string_lossy())));
    let (seeds, budget) = (&args.seeds, args.budget);
    let (learn_days, services) = (args.learn_days, args.services);
    format!(
        "tidegate evaluate{scenarios} --seeds {}..{} --budget {budget} --learn-days {learn_days} \
         --services {services}{topologies}{warm_up}{unlabelled}{compare}{also}",
        seeds.start, seeds.end
    )
}
