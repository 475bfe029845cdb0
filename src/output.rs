//! Standard output, standard error and files: the only places results leave by.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use detect::report::{Color, TextOptions};

/// Reports are as wide as a page of text: a terminal wider than that is not read faster.
const WIDTH: usize = 100;

/// A line on standard error.
#[expect(clippy::print_stderr, reason = "the one place that writes there")]
pub(crate) fn note(text: &str) {
    eprintln!("{}", printable(text));
}

/// What went wrong, on standard error.
pub(crate) fn complain(text: &str) {
    note(text);
}

/// Standard output, buffered.
pub(crate) fn stdout() -> io::BufWriter<io::StdoutLock<'static>> {
    io::BufWriter::new(io::stdout().lock())
}

/// Colours if standard output is a terminal and `NO_COLOR` does not refuse them.
pub(crate) fn colour() -> Color {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if io::stdout().is_terminal() && !refused { Color::Ansi } else { Color::Plain }
}

/// How findings are printed for people.
pub(crate) fn text_options(top: usize) -> TextOptions {
    TextOptions { top, color: colour(), width: WIDTH }
}

/// Writes a file whole or not at all, readable by its owner only.
pub(crate) fn write_file(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    {
        let mut buffered = io::BufWriter::new(file.as_file_mut());
        content(&mut buffered).with_context(failed)?;
        buffered.flush().with_context(failed)?;
    }
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// Reads a file whole.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Text from logs may hold anything: nothing of it may steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c\nd");
    }
}
