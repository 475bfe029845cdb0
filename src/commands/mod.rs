//! One function per command.

mod baseline;
mod demo;
mod detect;
pub(crate) mod explain;
mod generate;
pub(crate) mod learn;
mod query;
mod services;

use anyhow::Result;
use clap::CommandFactory;

use crate::flags::{Cli, Command};
use crate::{Ending, output};

/// Runs what the command line asks for.
pub(crate) fn run(arguments: Cli) -> Result<Ending> {
    match arguments.command {
        Command::Demo(args) => demo::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Learn(args) => learn::run(&args),
        Command::Detect(args) => detect::run(&args),
        Command::Baseline(command) => baseline::run(command),
        Command::Services(args) => services::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut output::stdout());
            Ok(Ending::Ran)
        }
    }
}
