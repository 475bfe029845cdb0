//! What was typed after `accept` and `audit`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// The finding's id, or the beginning of it.
    #[arg(value_name = "FINDING-ID")]
    pub(crate) id: String,
    /// The findings file that `detect --findings` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) findings: PathBuf,
    /// The suppression file to add rules to; made if it is not there. What is in it stays.
    #[arg(long, value_name = "FILE")]
    pub(crate) suppress: PathBuf,
    /// Why it is no matter.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who says so.
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// Hide it until then: a date, whose whole day in UTC it holds, or a time [default: 90 days after
    /// the finding's last record].
    #[arg(long, value_name = "DATE|TIME", conflicts_with = "forever")]
    pub(crate) until: Option<String>,
    /// Hide it without end.
    #[arg(long)]
    pub(crate) forever: bool,
    /// Hide only: what goes on is learned at the small weight of what is told, instead of like anything
    /// else.
    #[arg(long)]
    pub(crate) hide_only: bool,
    /// Hide findings of severity high or critical too.
    #[arg(long)]
    pub(crate) even_if_grave: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The suppression file; its log is FILE.audit.jsonl.
    #[arg(value_name = "FILE")]
    pub(crate) suppress: PathBuf,
}
