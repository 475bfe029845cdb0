//! Where findings go: standard output, and a file that in the end holds the last revision of each id.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use detect::suppress::Hit;
use detect::{Finding, report};
use jiff::Timestamp;

use crate::advice::Planning;
use crate::delivery::planning;
use crate::flags::TellArgs;
use crate::output;

/// When findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Every revision, as it comes.
    AsItComes,
    /// The last revision of each, at the end.
    #[cfg_attr(not(any(feature = "cwl", test)), expect(dead_code, reason = "nothing ends"))]
    AtTheEnd,
}

/// Where findings go, and what is hidden of them.
pub(crate) struct Outlet<'a> {
    args: &'a TellArgs,
    planning: Planning,
    when: Telling,
    /// The last revisions, kept for the end, and the end of the newest window.
    kept: BTreeMap<String, Finding>,
    newest: i64,
    hits: BTreeMap<String, Hit>,
    /// Deviations in all that was handed over.
    pub(crate) n_deviations: u64,
    /// Whether anything was told that is not hidden.
    pub(crate) has_told: bool,
}

impl<'a> Outlet<'a> {
    /// Reads what is to be hidden.
    pub(crate) fn new(args: &'a TellArgs, when: Telling) -> Result<Self> {
        let planning = planning(args)?;
        let (kept, hits) = (BTreeMap::new(), BTreeMap::new());
        let (newest, n_deviations, has_told) = (i64::MIN, 0, false);
        Ok(Self { args, planning, when, kept, newest, hits, n_deviations, has_told })
    }

    /// How plans are made for what is handed over.
    pub(crate) fn planning(&self) -> &Planning {
        &self.planning
    }

    /// Hands over findings; `newest` is the end of the newest window, Unix seconds. Gives back what was
    /// not hidden.
    pub(crate) fn tell(&mut self, findings: Vec<Finding>, newest: i64) -> Result<Vec<Finding>> {
        if self.when == Telling::AtTheEnd {
            self.newest = newest;
            self.kept.extend(findings.iter().map(|one| (one.id.clone(), one.clone())));
            return Ok(findings);
        }
        self.n_deviations += findings.iter().map(|finding| finding.n_deviations).sum::<u64>();
        let (findings, hits) = self.planning.suppressions.apply(findings, newest);
        for hit in hits {
            let known = self.hits.entry(hit.rule.clone());
            known.and_modify(|known| known.merge(&hit)).or_insert(hit);
        }
        if findings.is_empty() {
            return Ok(findings);
        }
        self.has_told = true;
        if let Some(path) = &self.args.findings {
            append(path, &findings).with_context(|| format!("cannot write {}", path.display()))?;
        }
        crate::delivery::print(self.args, &findings)?;
        Ok(findings)
    }

    /// Leaves the last revision of each id in the file, and says how often each suppression hid
    /// something.
    pub(crate) fn finish(&mut self) -> Result<Vec<Hit>> {
        if self.when == Telling::AtTheEnd {
            return self.tell_kept();
        }
        if let Some(path) = &self.args.findings {
            keep_last(path)?;
        }
        Ok(std::mem::take(&mut self.hits).into_values().collect())
    }
}

impl Outlet<'_> {
    /// As a run over files does: the file is written anew.
    fn tell_kept(&mut self) -> Result<Vec<Hit>> {
        let mut findings: Vec<Finding> = std::mem::take(&mut self.kept).into_values().collect();
        let first = |one: &Finding| one.first_seen.parse::<Timestamp>().ok();
        // By id they are already.
        findings.sort_by_key(first);
        self.n_deviations = findings.iter().map(|finding| finding.n_deviations).sum();
        let (findings, hits) = self.planning.suppressions.apply(findings, self.newest);
        self.has_told = !findings.is_empty();
        if let Some(path) = &self.args.findings {
            output::write_file(path, |file| Ok(report::write_json_lines(&findings, file)?))?;
        }
        crate::delivery::print(self.args, &findings)?;
        Ok(hits)
    }
}

/// Adds lines to a file that only its owner can read. A last line that was cut short stays by itself.
fn append(path: &Path, findings: &[Finding]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut lines = Vec::new();
    if is_cut_short(&mut file)? {
        lines.push(b'\n');
    }
    report::write_json_lines(findings, &mut lines)?;
    file.write_all(&lines)?;
    file.sync_data()
}

/// Whether a file's last line has no end.
fn is_cut_short(file: &mut fs::File) -> io::Result<bool> {
    // A pipe has no end to look at.
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Rewrites the file with the last line of each id, by first record and id, every line as it was
/// written. What is no finding, as a line that was cut short, is left out.
fn keep_last(path: &Path) -> Result<()> {
    let failed = || format!("cannot read {}", path.display());
    let mut last: BTreeMap<String, (Option<Timestamp>, Vec<u8>)> = BTreeMap::new();
    match fs::File::open(path) {
        // No finding is an answer too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(failed),
        Ok(file) => {
            for line in BufReader::new(file).split(b'\n') {
                let line = line.with_context(failed)?;
                let Ok(finding) = serde_json::from_slice::<Finding>(&line) else { continue };
                last.insert(finding.id, (finding.first_seen.parse().ok(), line));
            }
        }
    }
    let mut lines: Vec<_> = last.into_iter().map(|(id, (first, line))| (first, id, line)).collect();
    lines.sort();
    output::write_file(path, |file| {
        for (_, _, line) in &lines {
            file.write_all(line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}
