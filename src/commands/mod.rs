//! One function per command.

mod accept;
mod audit;
mod backfill;
mod baseline;
mod demo;
pub(crate) mod detect;
mod evaluate;
pub(crate) mod explain;
mod generate;
pub(crate) mod learn;
mod query;
mod services;
mod sources;
#[cfg(feature = "watch")]
pub(crate) mod watch;

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
        Command::Backfill(args) => backfill::run(&args),
        #[cfg(feature = "watch")]
        Command::Watch(args) => watch::run(&args),
        #[cfg(not(feature = "watch"))]
        Command::Watch(_) => anyhow::bail!(
            "this build watches no streams; build it with `--features kinesis,cwl,sqs`, or those of them \
             that are needed"
        ),
        Command::Baseline(command) => baseline::run(command),
        Command::Services(args) => services::run(&args),
        Command::Sources(command) => sources::run(&command),
        Command::Explain(args) => explain::run(&args),
        Command::Accept(args) => accept::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut output::stdout());
            Ok(Ending::Ran)
        }
    }
}
