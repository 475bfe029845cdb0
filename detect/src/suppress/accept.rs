//! Rules for what a finding found, added to the text of a file.
//!
//! What is there stays byte for byte, comments included: lines are added at the end, in the way the file
//! is written, and the whole is read back before anybody relies on it. All text of a finding comes from
//! strangers, so it is quoted, and a `*` in a name is that name's own.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ingest::escape::is_harmful;
use jiff::Timestamp;
use model::identity::Address;

use super::pattern::exactly;
use super::{SuppressError, Suppressions};
use crate::{Finding, FoundDeviation};

/// On what terms something is accepted.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Why it is no matter.
    pub reason: String,
    /// Who says so.
    pub author: Option<String>,
    /// The last second it holds, Unix seconds; `None` for ever.
    pub until: Option<i64>,
    /// Whether it is to be learned like anything else from now on.
    pub learns: bool,
}

/// What accepting a finding gave.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The file with the new rules in it.
    pub text: String,
    /// The new rules by themselves.
    pub added: Suppressions,
    /// The new rules in words, in the order of `added`.
    pub rules: Vec<AcceptedRule>,
}

/// One new rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedRule {
    /// Its id.
    pub id: String,
    /// What it hides.
    pub hides: String,
}

/// Why a finding cannot be accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The file cannot be read, or could not with the rules in it.
    #[error(transparent)]
    File(#[from] SuppressError),
    /// It would hide nothing.
    #[error(
        "`until` is before the finding's last record ({last_seen}), so nothing would be hidden"
    )]
    OverBefore {
        /// The finding's last record.
        last_seen: String,
    },
    /// There is nothing left to hide.
    #[error("all deviations that the finding lists are hidden by rules of {name} already")]
    Known {
        /// The file.
        name: String,
    },
    /// The file is written in a way that nothing can be added to at its end.
    #[error(
        "{name}: no rule can be added at the end; write `rules:` as the last key, with one rule an item \
         below it that begins with `- `"
    )]
    NoRoom {
        /// The file.
        name: String,
    },
}

/// One rule to be written.
struct NewRule {
    id: String,
    /// By key, each already as YAML.
    selectors: Vec<(&'static str, String)>,
    hides: String,
}

/// When a rule ends, Unix seconds, by a date, whose whole day in UTC it holds, or a time.
pub fn until(text: &str) -> Result<i64, String> {
    super::rule::until(Some(text), false)?.ok_or_else(|| "no time".to_owned())
}

/// Adds rules for the deviations of a finding to the text of a file; `name` serves error messages only.
///
/// There is one rule for each distinct deviation that no rule of the file hides yet.
pub fn accept(
    name: &str,
    text: &str,
    finding: &Finding,
    terms: &Terms,
) -> Result<Accepted, AcceptError> {
    let known = Suppressions::parse(name, text)?;
    let last = finding.last_seen.parse::<Timestamp>().map_or(i64::MAX, Timestamp::as_second);
    if terms.until.is_some_and(|until| until < last) {
        return Err(AcceptError::OverBefore { last_seen: finding.last_seen.clone() });
    }
    let rules = rules(finding, &known);
    if rules.is_empty() {
        return Err(AcceptError::Known { name: name.to_owned() });
    }
    let ways = ways(text).into_iter();
    let tried = ways.map(|way| format!("{text}{}", way.written(text, &rules, terms)));
    let mut too_much = None;
    for whole in tried {
        match Suppressions::parse(name, &whole) {
            Ok(read) if read.goes_on_from(&known, &rules) => {
                let added = Suppressions { rules: read.rules[known.rules.len()..].to_vec() };
                let told = |rule: &NewRule| AcceptedRule {
                    id: rule.id.clone(),
                    hides: rule.hides.clone(),
                };
                let rules = rules.iter().map(told).collect();
                return Ok(Accepted { text: whole, added, rules });
            }
            Err(error @ (SuppressError::TooLarge { .. } | SuppressError::TooMany { .. })) => {
                too_much = Some(error);
            }
            Ok(_) | Err(_) => {}
        }
    }
    Err(too_much.map_or_else(|| AcceptError::NoRoom { name: name.to_owned() }, AcceptError::File))
}

impl Suppressions {
    /// Whether these are the known rules and then the new ones.
    fn goes_on_from(&self, known: &Self, new: &[NewRule]) -> bool {
        let names = self.rules.iter().skip(known.rules.len()).map(|rule| rule.name.as_str());
        self.rules.starts_with(&known.rules) && names.eq(new.iter().map(|rule| rule.id.as_str()))
    }

    /// Whether a rule in force hides a deviation.
    fn hides(&self, finding: &Finding, deviation: &FoundDeviation) -> bool {
        self.first(finding, |rule| rule.hides_all(finding)).is_some()
            || self.first(finding, |rule| rule.hides(finding, deviation)).is_some()
    }
}

/// One for each distinct deviation that is not hidden yet.
fn rules(finding: &Finding, known: &Suppressions) -> Vec<NewRule> {
    let taken: BTreeSet<&str> = known.rules.iter().map(|rule| rule.name.as_str()).collect();
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let stem: String = finding.id.chars().filter(plain).take(64).collect();
    let mut ids = (1_u64..).map(|n| format!("{stem}-{n}"));
    let (mut rules, mut written) = (Vec::<NewRule>::new(), BTreeSet::new());
    for deviation in &finding.deviations {
        let selectors = selectors(finding, deviation);
        if known.hides(finding, deviation) || !written.insert(selectors.clone()) {
            continue;
        }
        let Some(id) = ids.find(|id| !taken.contains(id.as_str())) else { break };
        let hides = words(finding, deviation);
        rules.push(NewRule { id, selectors, hides });
    }
    rules
}

fn selectors(finding: &Finding, deviation: &FoundDeviation) -> Vec<(&'static str, String)> {
    let workload = &finding.workload;
    let of = match (&workload.eni, finding.service.parse::<Address>()) {
        (Some(eni), Ok(_)) if eni.starts_with("eni-") => ("workload", quoted(eni)),
        (_, Ok(_)) => ("workload", quoted(&workload.address)),
        (_, Err(_)) => ("service", quoted(&exactly(&finding.service))),
    };
    let port = deviation.port.map(|port| ("port", port.to_string()));
    let protocol = deviation.protocol.as_deref().map(|name| ("protocol", quoted(name)));
    let kind = ("kind", deviation.kind.name().to_owned());
    let peer = ("peer", quoted(&exactly(&deviation.peer)));
    [Some(of), Some(kind), Some(peer), port, protocol].into_iter().flatten().collect()
}

fn words(finding: &Finding, deviation: &FoundDeviation) -> String {
    let at = match (deviation.port, deviation.protocol.as_deref()) {
        (Some(port), Some(protocol)) => format!(", port {port}/{protocol}"),
        (Some(port), None) => format!(", port {port}"),
        (None, Some(protocol)) => format!(", {protocol}"),
        (None, None) => String::new(),
    };
    format!("{} of {} with {}{at}", deviation.kind.name(), finding.service, deviation.peer)
}

/// How lines may be added to a file.
struct Way {
    head: &'static str,
    indent: usize,
}

/// The ways to try, the likeliest first: only reading the whole tells which one fits.
fn ways(text: &str) -> Vec<Way> {
    let items = text.lines().rev().filter(|line| line.trim_start().starts_with("- "));
    let indents = items.map(|line| line.len() - line.trim_start().len());
    let mut seen = BTreeSet::new();
    let likely: Vec<usize> = indents.filter(|&n| seen.insert(n)).take(8).collect();
    let as_items = likely.into_iter().chain([2]).map(|indent| Way { head: "", indent });
    let with_rules = [Way { head: "rules:\n", indent: 2 }];
    if text.trim().is_empty() {
        return vec![Way { head: "version: 1\nrules:\n", indent: 2 }];
    }
    as_items.chain(with_rules).collect()
}

impl Way {
    fn written(&self, before: &str, rules: &[NewRule], terms: &Terms) -> String {
        let mut text = String::new();
        if !before.is_empty() && !before.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(self.head);
        let margin = " ".repeat(self.indent);
        for rule in rules {
            let mut line = |mark: &str, key: &str, value: &str| {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "{margin}{mark} {key}: {value}");
            };
            line("-", "id", &rule.id);
            line(" ", "reason", &quoted(&terms.reason));
            if let Some(author) = &terms.author {
                line(" ", "author", &quoted(author));
            }
            for (key, value) in &rule.selectors {
                line(" ", key, value);
            }
            match terms.until.map(Timestamp::from_second) {
                Some(Ok(until)) => line(" ", "until", &quoted(&until.to_string())),
                _ => line(" ", "forever", "true"),
            }
            if terms.learns {
                line(" ", "learn", "true");
            }
        }
        text
    }
}

/// A double-quoted scalar of one line that reads back as the text, and shows what hides in it.
fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for c in text.chars() {
        let code = u32::from(c);
        let _ = match c {
            '"' | '\\' => write!(shown, "\\{c}"),
            _ if !is_harmful(c) && code < 0xfff0 => write!(shown, "{c}"),
            _ if code <= 0xffff => write!(shown, "\\u{code:04X}"),
            _ => write!(shown, "\\U{code:08X}"),
        };
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests;
