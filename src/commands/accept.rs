//! `tidegate accept`: writes rules that hide what a finding found into a suppression file, and the
//! change into the log beside it.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{fs, str};

use anyhow::{Context, Result, anyhow, bail};
use detect::suppress::Suppressions;
use detect::suppress::accept::{self, Accepted, Terms};
use detect::{Finding, Severity};
use ingest::escape::harmless;
use jiff::Timestamp;

use super::explain;
use crate::audit::{self, Entry, Log};
use crate::flags::AcceptArgs;
use crate::{Ending, clock, output};

/// How long rules hold if nothing is said.
const HOLDS_SECS: i64 = 90 * 86_400;

/// Other findings that are named one by one.
const OTHERS_MAX: usize = 20;

pub(crate) fn run(args: &AcceptArgs) -> Result<Ending> {
    let findings = explain::read_last(&args.findings)?;
    let finding = explain::pick(&findings, &args.id, &args.findings)?;
    let terms = terms(args, finding)?;
    let path = target(&args.suppress);
    let before = read(&path)?.unwrap_or_default();
    let name = path.display().to_string();
    let text = str::from_utf8(&before).with_context(|| format!("{name} is not UTF-8"))?;
    let accepted = accept::accept(&name, text, finding, &terms)?;
    let known = Suppressions::parse(&name, text)?;
    let others = others(&findings, finding, &known, &accepted.added);
    if !args.even_if_grave {
        refuse_grave(finding, &others)?;
    }
    // Held until the end, so that of two runs at once neither loses the other's rules.
    let mut log = Log::open(&audit::beside(&path))?;
    if read(&path)?.unwrap_or_default() != before {
        bail!("{name} was changed by another run just now: try again");
    }
    note_edited(&log, &before);
    let hash = log.add(entry(finding, &terms, &accepted, &before))?;
    write(&path, &accepted.text)?;
    let told = Told { finding, terms: &terms, accepted: &accepted, others: &others };
    let mut stdout = output::stdout();
    for line in told.lines(&name, &hash) {
        writeln!(stdout, "{}", harmless(&line))?;
    }
    stdout.flush()?;
    Ok(Ending::Ran)
}

fn terms(args: &AcceptArgs, finding: &Finding) -> Result<Terms> {
    let reason = args.reason.trim().to_owned();
    if reason.is_empty() {
        bail!("--reason is empty: say why it is no matter");
    }
    let until = match &args.until {
        _ if args.forever => None,
        Some(text) => Some(accept::until(text).map_err(|why| anyhow!("--until: {why}"))?),
        None => {
            let last: Timestamp = finding
                .last_seen
                .parse()
                .with_context(|| format!("last_seen of {}: not a time", finding.id))?;
            Some(last.as_second().saturating_add(HOLDS_SECS))
        }
    };
    Ok(Terms { reason, author: args.author.clone(), until, learns: !args.hide_only })
}

/// What a link leads to is what is written.
fn target(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// What is in the file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes the file whole or not at all; who could read it still can.
fn write(path: &Path, text: &str) -> Result<()> {
    let permissions = fs::metadata(path).ok().map(|metadata| metadata.permissions());
    output::write_file(path, |file| Ok(file.write_all(text.as_bytes())?))?;
    if let Some(permissions) = permissions {
        fs::set_permissions(path, permissions)
            .with_context(|| format!("cannot give {} its permissions", path.display()))?;
    }
    Ok(())
}

/// Another finding that the new rules hide of.
struct Other<'a> {
    finding: &'a Finding,
    n_hidden: u64,
    is_whole: bool,
}

/// What the new rules hide of other findings that is told now, the gravest first.
fn others<'a>(
    findings: &'a [Finding],
    accepted: &Finding,
    known: &Suppressions,
    added: &Suppressions,
) -> Vec<Other<'a>> {
    let mut others: Vec<Other<'a>> = findings
        .iter()
        .filter(|finding| finding.id != accepted.id)
        .filter_map(|finding| {
            let told = known.left(finding)?;
            let left = added.left(&told);
            let n_left = left.as_ref().map_or(0, |left| left.n_deviations);
            let n_hidden = told.n_deviations.saturating_sub(n_left);
            (n_hidden > 0 || left.is_none()).then_some(Other {
                finding,
                n_hidden,
                is_whole: left.is_none(),
            })
        })
        .collect();
    others.sort_by_key(|other| Reverse(other.finding.severity));
    others
}

fn refuse_grave(finding: &Finding, others: &[Other<'_>]) -> Result<()> {
    let is_grave = |finding: &Finding| finding.severity >= Severity::High;
    let severity = finding.severity.name();
    if is_grave(finding) {
        bail!(
            "{} is of severity {severity}: `tidegate explain` tells why. If it is known all the same, \
             give --even-if-grave",
            finding.id
        );
    }
    let mut whole = others.iter().filter(|other| other.is_whole);
    if let Some(other) = whole.find(|other| is_grave(other.finding)) {
        bail!(
            "the rules for {} would hide {} too, which is of severity {}. If that is known as well, give \
             --even-if-grave",
            finding.id,
            other.finding.id,
            other.finding.severity.name()
        );
    }
    Ok(())
}

/// Editing by hand is allowed; the log then tells of it from the next entry on.
fn note_edited(log: &Log, before: &[u8]) {
    let last = log.chain.last.as_ref();
    if last.is_some_and(|(entry, _)| entry.file_after != audit::hash(before)) {
        output::note("the file was edited by hand since the last entry of its log");
    }
}

fn entry(finding: &Finding, terms: &Terms, accepted: &Accepted, before: &[u8]) -> Entry {
    Entry {
        time: clock::wall().to_string(),
        author: terms.author.clone(),
        action: "accept".to_owned(),
        finding: finding.id.clone(),
        reason: terms.reason.clone(),
        until: until(terms),
        rules: accepted.rules.iter().map(|rule| rule.id.clone()).collect(),
        file_before: audit::hash(before),
        file_after: audit::hash(accepted.text.as_bytes()),
        previous: None,
    }
}

/// The last second the rules hold, RFC 3339.
fn until(terms: &Terms) -> Option<String> {
    Some(Timestamp::from_second(terms.until?).ok()?.to_string())
}

/// What is said of it.
struct Told<'a> {
    finding: &'a Finding,
    terms: &'a Terms,
    accepted: &'a Accepted,
    others: &'a [Other<'a>],
}

impl Told<'_> {
    fn lines(&self, name: &str, hash: &str) -> Vec<String> {
        let until =
            until(self.terms).map_or_else(|| "for ever".to_owned(), |time| format!("until {time}"));
        let mut lines = vec![format!("accepted {} into {name}, {until}:", self.finding.id)];
        let rules = self.accepted.rules.iter();
        lines.extend(rules.map(|rule| format!("  {} hides {}", rule.id, rule.hides)));
        let learned = if self.terms.learns {
            "what goes on is learned like anything else, so it may be usual when the rules end"
        } else {
            "what goes on is learned at the small weight of what is told"
        };
        lines.push(format!("  {learned}"));
        let listed = self.finding.deviations.len() as u64;
        if let Some(more) = self.finding.n_deviations.checked_sub(listed).filter(|&n| n > 0) {
            lines.push(format!(
                "  {more} deviations that the finding does not list have no rule, so it goes on being \
                 told"
            ));
        }
        lines.extend(self.others.iter().take(OTHERS_MAX).map(Other::line));
        if let Some(more) = self.others.len().checked_sub(OTHERS_MAX).filter(|&n| n > 0) {
            lines.push(format!("  and of {more} more findings"));
        }
        lines.push(format!("logged, hash {hash}"));
        lines
    }
}

impl Other<'_> {
    fn line(&self) -> String {
        let Finding { id, severity, summary, n_deviations, .. } = self.finding;
        let of = match (self.is_whole, self.n_hidden) {
            (true, _) => "all".to_owned(),
            (false, n) => format!("{n} of {n_deviations} deviations"),
        };
        format!("  also hides {of} of {id} ({}): {summary}", severity.name())
    }
}
