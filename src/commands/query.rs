//! `tidegate query`: questions in SQL.

use anyhow::Result;

use crate::Ending;
use crate::flags::QueryArgs;

#[cfg(feature = "query")]
pub(crate) fn run(args: &QueryArgs) -> Result<Ending> {
    crate::query::run(args)
}

#[cfg(not(feature = "query"))]
pub(crate) fn run(_: &QueryArgs) -> Result<Ending> {
    anyhow::bail!("this build answers no SQL; build it with `--features query`")
}
