//! The `tidegate` program: reads the command line, runs one command, says what went wrong.

mod advice;
mod audit;
mod clock;
mod closing;
mod commands;
mod csv;
mod delivery;
mod described;
mod duration;
mod evaluate;
mod flags;
mod identity;
mod judging;
mod output;
mod pipeline;
mod plan;
mod progress;
#[cfg(feature = "query")]
mod query;
mod silence;
mod sources;
mod state;
mod survey;
#[cfg(feature = "watch")]
mod watch;

use std::process::ExitCode;

use clap::Parser;

/// How a run ended; the codes are documented in the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ran.
    Ran,
    /// It ran and told findings, with `--exit-code`.
    Findings,
    /// It finished, but something could not be read.
    Incomplete,
}

fn main() -> ExitCode {
    let arguments = flags::Cli::parse();
    match commands::run(arguments) {
        Ok(Ending::Ran) => ExitCode::SUCCESS,
        Ok(Ending::Findings) => ExitCode::from(1),
        Ok(Ending::Incomplete) => ExitCode::from(3),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// A reader that has seen enough, such as `head`, is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
