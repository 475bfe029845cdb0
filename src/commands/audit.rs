//! `tidegate audit`: whether the log of a suppression file is whole, and tells of the file as it is.

use std::io::Write;

use anyhow::{Context, Result};
use detect::suppress::Suppressions;
use ingest::escape::harmless;

use super::accept;
use crate::audit::{self, Chain};
use crate::flags::AuditArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &AuditArgs) -> Result<Ending> {
    let path = audit::beside(&args.suppress);
    let chain = audit::check(&path)?;
    let bytes = accept::read(&args.suppress)?.unwrap_or_default();
    let name = args.suppress.display().to_string();
    let text = str::from_utf8(&bytes).with_context(|| format!("{name} is not UTF-8"))?;
    // A file that cannot be read is no reason to say nothing of its log.
    let rules = Suppressions::parse(&name, text);
    let names = rules.iter().flat_map(Suppressions::names);
    let by_hand: Vec<&str> = names.filter(|rule| !chain.rules.contains(*rule)).collect();
    let mut stdout = output::stdout();
    for line in lines(&chain, &audit::hash(&bytes), &by_hand) {
        writeln!(stdout, "{}", harmless(&line))?;
    }
    stdout.flush()?;
    rules?;
    Ok(Ending::Ran)
}

/// Names that are listed one by one.
const LISTED_MAX: usize = 20;

/// What the log comes to, for a file with this hash and these rules that no entry made.
fn lines(chain: &Chain, now: &str, by_hand: &[&str]) -> Vec<String> {
    let written = told_by_hand(by_hand);
    let Some((last, hash)) = &chain.last else {
        return [Some("the log is empty".to_owned()), written].into_iter().flatten().collect();
    };
    let by = last.author.as_ref().map_or_else(String::new, |author| format!(" by {author}"));
    let (time, action, finding) = (&last.time, &last.action, &last.finding);
    let file = if last.file_after == now {
        "the file is as the last entry left it".to_owned()
    } else {
        "the file was edited by hand since the last entry, or the run that wrote it was cut short"
            .to_owned()
    };
    let edited = (!chain.edited_before.is_empty()).then(|| {
        let entries = listed(chain.edited_before.iter().map(usize::to_string));
        format!("the file was edited by hand before the entries {entries}")
    });
    let always = [
        format!("{} entries, each as it was written", chain.n_entries),
        format!("last entry: {time}, {action} of {finding}{by}"),
        format!("last hash: {hash}"),
        file,
    ];
    always.into_iter().chain(edited).chain(written).collect()
}

fn told_by_hand(rules: &[&str]) -> Option<String> {
    let names = listed(rules.iter().map(|&rule| rule.to_owned()));
    let n = rules.len();
    (n > 0).then(|| format!("in no entry, so written by hand: {n} of the file's rules, {names}"))
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let n_more = names.len().saturating_sub(LISTED_MAX);
    let first: Vec<String> = names.take(LISTED_MAX).collect();
    let more = if n_more > 0 { format!(" and {n_more} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_log_tells_nothing() {
        assert_eq!(lines(&Chain::default(), "x", &[]), ["the log is empty"]);
        let told = lines(&Chain::default(), "x", &["evil"]);
        assert!(told[1].contains("by hand: 1 of") && told[1].ends_with(", evil"), "{told:?}");
    }
}
