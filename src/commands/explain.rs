//! `tidegate explain`: everything about one finding.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use detect::Finding;

use crate::flags::ExplainArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &ExplainArgs) -> Result<Ending> {
    let findings = read(&args.findings)?;
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

/// Reads a findings file.
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
