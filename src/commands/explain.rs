//! `tidegate explain`: everything about one finding.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use detect::Finding;

use crate::flags::ExplainArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &ExplainArgs) -> Result<Ending> {
    let findings = read_last(&args.findings)?;
    let finding = pick(&findings, &args.id, &args.findings)?;
    let mut stdout = output::stdout();
    detect::report::write_explain(finding, &mut stdout, output::colour())?;
    stdout.flush()?;
    Ok(Ending::Ran)
}

/// The finding whose id begins so.
pub(crate) fn pick<'a>(findings: &'a [Finding], id: &str, path: &Path) -> Result<&'a Finding> {
    let matching: Vec<&Finding> =
        findings.iter().filter(|finding| finding.id.starts_with(id)).collect();
    match matching.as_slice() {
        [finding] => Ok(finding),
        [] => bail!("no finding `{id}` in {}: it has {} findings", path.display(), findings.len()),
        [..] => bail!("`{id}` begins {} findings' ids: write more of it", matching.len()),
    }
}

/// Reads the last revision of each finding of a file: one that `watch` writes, or that several runs were
/// put together in, has all of them.
pub(crate) fn read_last(path: &Path) -> Result<Vec<Finding>> {
    let mut last: BTreeMap<String, Finding> = BTreeMap::new();
    for finding in read(path)? {
        let is_older = last.get(&finding.id).is_some_and(|known| known.revision > finding.revision);
        if !is_older {
            last.insert(finding.id.clone(), finding);
        }
    }
    Ok(last.into_values().collect())
}

/// Reads a findings file, every line of it.
pub(crate) fn read(path: &Path) -> Result<Vec<Finding>> {
    let bytes = output::read_file(path)?;
    let text =
        String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("{}, line {}: not a finding", path.display(), number + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}
