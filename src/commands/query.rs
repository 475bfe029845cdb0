//! `tidegate query`: questions in SQL.

use anyhow::Result;

use crate::Ending;
use crate::flags::QueryArgs;

#[cfg(feature = "query")]
pub(crate) fn run(args: Box<QueryArgs>) -> Result<Ending> {
    crate::query::run(args)
}

#[cfg(not(feature = "query"))]
#[expect(clippy::boxed_local, reason = "as in a build that asks")]
pub(crate) fn run(_: Box<QueryArgs>) -> Result<Ending> {
    anyhow::bail!("this build answers no SQL; build it with `--features query`")
}
