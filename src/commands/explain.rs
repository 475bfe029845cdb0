//! `tidegate explain`: everything about one finding.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use detect::Finding;

use crate::flags::ExplainArgs;
use crate::{Ending, output};

pub(crate) fn run(args: &ExplainArgs) -> Result<Ending> {
    let findings = read(&args.findings)?;
    let matching: Vec<&Finding> =
        findings.iter().filter(|finding| finding.id.starts_with(&args.id)).collect();
    let finding = match matching.as_slice() {
        [finding] => finding,
        [] => bail!(
            "no finding `{}` in {}: it has {} findings",
            args.id,
            args.findings.display(),
            findings.len()
        ),
        [..] => bail!("`{}` begins {} findings' ids: write more of it", args.id, matching.len()),
    };
    let mut stdout = output::stdout();
    detect::report::write_explain(finding, &mut stdout, output::colour())?;
    stdout.flush()?;
    Ok(Ending::Ran)
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
