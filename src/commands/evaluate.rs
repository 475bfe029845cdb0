//! `tidegate evaluate`: measures the judging where the truth is known.

use std::io::Write;

use anyhow::{Result, bail};
use datasets::Scenario;

use crate::evaluate::{self, Terms};
use crate::flags::{EvaluateArgs, OutputFormat};
use crate::{Ending, output};

pub(crate) fn run(args: &EvaluateArgs) -> Result<Ending> {
    let terms = Terms {
        scenarios: scenarios(&args.scenarios)?,
        learn_days: args.learn_days,
        services: args.services,
        budget: args.budget,
    };
    let evaluation = evaluate::run(&args.seeds, &terms)?;
    let mut out = output::stdout();
    match args.output {
        OutputFormat::Text => evaluate::write_text(&evaluation, &mut out)?,
        OutputFormat::Json => writeln!(out, "{:#}", evaluate::to_json(&evaluation))?,
    }
    out.flush()?;
    if let Some(path) = &args.write {
        let command = command(args);
        output::write_file(path, |file| evaluate::write_markdown(&evaluation, &command, file))?;
    }
    Ok(Ending::Ran)
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

/// What was typed, as far as it decides the result.
fn command(args: &EvaluateArgs) -> String {
    let scenarios = match args.scenarios.as_slice() {
        [] => String::new(),
        names => format!(" --scenarios {}", names.join(",")),
    };
    let (seeds, budget) = (&args.seeds, args.budget);
    let (learn_days, services) = (args.learn_days, args.services);
    format!(
        "tidegate evaluate{scenarios} --seeds {}..{} --budget {budget} --learn-days {learn_days} \
         --services {services}",
        seeds.start, seeds.end
    )
}
