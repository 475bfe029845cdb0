//! Where findings go: standard output, and a file that in the end holds the last revision of each id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use detect::suppress::Hit;
use detect::{Finding, report};
use jiff::Timestamp;

use crate::advice::Planning;
use crate::delivery::{Known, News, planning};
use crate::flags::TellArgs;
use crate::output;

/// Where findings go, and what is hidden of them.
pub(crate) struct Outlet<'a> {
    args: &'a TellArgs,
    planning: Planning,
    hits: BTreeMap<String, Hit>,
    known: Known,
    /// Deviations in all that was handed over.
    pub(crate) n_deviations: u64,
    /// Whether anything was told that is not hidden.
    pub(crate) has_told: bool,
}

impl<'a> Outlet<'a> {
    /// Reads what is to be hidden.
    pub(crate) fn new(args: &'a TellArgs) -> Result<Self> {
        let planning = planning(args)?;
        let (hits, known) = (BTreeMap::new(), Known::default());
        Ok(Self { args, planning, hits, known, n_deviations: 0, has_told: false })
    }

    /// How plans are made for what is handed over.
    pub(crate) fn planning(&self) -> &Planning {
        &self.planning
    }

    /// What became of each suppression so far.
    pub(crate) fn hits(&self) -> impl Iterator<Item = &Hit> {
        self.hits.values()
    }

    /// What those who are told know.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// Goes on where an earlier run had told these.
    pub(crate) fn take_up(&mut self, open: BTreeSet<String>) {
        self.known.open = open;
    }

    /// Leaves out of findings what is hidden; `newest` is the end of the newest window, Unix seconds.
    pub(crate) fn sift(&mut self, findings: Vec<Finding>, newest: i64) -> Vec<Finding> {
        let news = News::of(&self.planning.suppressions, findings, newest, &mut self.known);
        self.n_deviations += news.n_deviations;
        self.has_told |= news.has_told;
        for hit in news.hits {
            let known = self.hits.entry(hit.rule.clone());
            known.and_modify(|known| known.merge(&hit)).or_insert(hit);
        }
        news.findings
    }

    /// Hands over what is not hidden.
    pub(crate) fn tell(&self, findings: &[Finding]) -> Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        if let Some(path) = &self.args.findings {
            append(path, findings).with_context(|| format!("cannot write {}", path.display()))?;
        }
        crate::delivery::print(self.args, findings)
    }

    /// Leaves the last revision of each id in the file, and says how often each suppression hid
    /// something.
    pub(crate) fn finish(&mut self) -> Result<Vec<Hit>> {
        if let Some(path) = &self.args.findings {
            keep_last(path)?;
        }
        Ok(std::mem::take(&mut self.hits).into_values().collect())
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
