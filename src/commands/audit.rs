//! `tidegate audit`: whether the log of a suppression file is whole, and tells of the file as it is.

use std::io::Write;

use anyhow::Result;
use ingest::escape::harmless;

use super::accept;
use crate::audit::{self, Chain};
use crate::flags::AuditArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &AuditArgs) -> Result<Ending> {
    let path = audit::beside(&args.suppress);
    let chain = audit::check(&path)?;
    let now = audit::hash(&accept::read(&args.suppress)?.unwrap_or_default());
    let mut stdout = output::stdout();
    for line in lines(&chain, &now) {
        writeln!(stdout, "{}", harmless(&line))?;
    }
    stdout.flush()?;
    Ok(Ending::Ran)
}

/// What the log comes to, for a file with this hash.
fn lines(chain: &Chain, now: &str) -> Vec<String> {
    let Some((last, hash)) = &chain.last else {
        return vec!["the log is empty".to_owned()];
    };
    let by = last.author.as_ref().map_or_else(String::new, |author| format!(" by {author}"));
    let (time, action, finding) = (&last.time, &last.action, &last.finding);
    let file = if last.file_after == now {
        "the file is as the last entry left it".to_owned()
    } else {
        "the file was edited by hand since the last entry, or the run that wrote it was cut short"
            .to_owned()
    };
    vec![
        format!("{} entries, each as it was written", chain.n_entries),
        format!("last entry: {time}, {action} of {finding}{by}"),
        format!("last hash: {hash}"),
        file,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_log_tells_nothing() {
        assert_eq!(lines(&Chain::default(), "x"), ["the log is empty"]);
    }
}
