//! Where findings go: standard output, and a file that in the end holds the last revision of each id.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result};
use detect::suppress::Hit;
use detect::{Finding, report};
use jiff::Timestamp;

use crate::advice::Planning;
use crate::delivery::planning;
use crate::flags::{OutputFormat, TellArgs};
use crate::output;

/// Where findings go, and what is hidden of them.
pub(crate) struct Outlet<'a> {
    args: &'a TellArgs,
    planning: Planning,
    hits: BTreeMap<String, Hit>,
}

impl<'a> Outlet<'a> {
    /// Reads what is to be hidden.
    pub(crate) fn new(args: &'a TellArgs) -> Result<Self> {
        Ok(Self { args, planning: planning(args)?, hits: BTreeMap::new() })
    }

    /// How plans are made for what is handed over.
    pub(crate) fn planning(&self) -> &Planning {
        &self.planning
    }

    /// Hands over findings; `newest` is the end of the newest window, Unix seconds. Gives back what was
    /// not hidden.
    pub(crate) fn tell(&mut self, findings: Vec<Finding>, newest: i64) -> Result<Vec<Finding>> {
        let (findings, hits) = self.planning.suppressions.apply(findings, newest);
        for hit in hits {
            let known = self.hits.entry(hit.rule.clone()).or_insert_with(|| Hit {
                n: 0,
                n_findings: 0,
                ..hit.clone()
            });
            known.n += hit.n;
            known.n_findings += hit.n_findings;
            known.is_expired = hit.is_expired;
        }
        if findings.is_empty() {
            return Ok(findings);
        }
        if let Some(path) = &self.args.findings {
            append(path, &findings).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let mut stdout = output::stdout();
        match self.args.output {
            OutputFormat::Json => report::write_json_lines(&findings, &mut stdout)?,
            OutputFormat::Text => {
                report::write_text(&findings, &output::text_options(self.args.top), &mut stdout)?;
            }
        }
        stdout.flush()?;
        Ok(findings)
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

/// Adds lines to a file that only its owner can read.
fn append(path: &Path, findings: &[Finding]) -> io::Result<()> {
    let mut lines = Vec::new();
    report::write_json_lines(findings, &mut lines)?;
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&lines)?;
    file.sync_data()
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
