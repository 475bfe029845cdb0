//! Standard output, standard error and files: the only places results leave by.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use detect::report::{Color, TextOptions};
use ingest::escape::{harmless, is_harmful};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::clock;

/// Reports are as wide as a page of text: a terminal wider than that is not read faster.
const WIDTH: usize = 100;

/// Whether lines on standard error are JSON. Standard error is one for the whole process, and so is how
/// it is written.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From now on lines on standard error are JSON objects.
#[cfg(feature = "watch")]
pub(crate) fn log_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// A line on standard error.
pub(crate) fn note(text: &str) {
    log("info", text, &[]);
}

/// What went wrong, on standard error.
pub(crate) fn complain(text: &str) {
    log("error", text, &[]);
}

/// A line on standard error, with what it is about as members of their own.
#[cfg(feature = "watch")]
pub(crate) fn event(text: &str, about: &[(&str, Value)]) {
    log("info", text, about);
}

#[expect(clippy::print_stderr, reason = "the one place that writes there")]
fn log(level: &str, text: &str, about: &[(&str, Value)]) {
    if IS_JSON.load(Ordering::Relaxed) {
        eprintln!("{}", json_line(level, text, about, clock::wall()));
        return;
    }
    let about: Vec<String> = about.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    eprintln!("{}", harmless_lines(&format!("{text}{about}")));
}

/// The message is read by people wherever the line ends up; what it is about is for programs.
fn json_line(level: &str, text: &str, about: &[(&str, Value)], now: Timestamp) -> String {
    let mut line = Map::new();
    line.insert("time".to_owned(), now.to_string().into());
    line.insert("level".to_owned(), level.into());
    line.insert("message".to_owned(), harmless_lines(text).into());
    line.extend(about.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    harmless_json(&Value::Object(line).to_string())
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
pub(crate) fn write_file<T>(
    path: &Path,
    content: impl FnOnce(&mut (dyn Write + Send)) -> Result<T>,
) -> Result<T> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = || format!("cannot write {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    let mut buffered = io::BufWriter::new(file.as_file_mut());
    let written = content(&mut buffered).with_context(failed)?;
    buffered.flush().with_context(failed)?;
    drop(buffered);
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(written)
}

/// Reads a file whole.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Messages may have several lines; nothing else in them steers a terminal.
fn harmless_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(harmless).collect();
    lines.join("\n")
}

/// JSON escapes only some of what steers a terminal. Outside of its strings it is ASCII, so that the
/// rest can be escaped wherever it stands.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_harmful(c) {
            text.push(c);
            continue;
        }
        let mut units = [0; 2];
        text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_one_line_whatever_the_text() {
        let about = [("input", Value::from("a\"\n\u{9b}"))];
        let line = json_line("info", "x\ny\u{1b}", &about, Timestamp::UNIX_EPOCH);
        assert!(!line.contains(is_harmful), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], "x\ny\\u{1b}");
        assert_eq!(read["input"], "a\"\n\u{9b}");
        assert_eq!(read["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        let shown = harmless_lines("a\u{1b}[31mb\u{202e}c\nd");
        assert_eq!(shown, "a\\u{1b}[31mb\\u{202e}c\nd");
    }

    #[test]
    fn json_keeps_its_text_and_steers_nothing() {
        let json = "{\"a\":\"x\u{9b}31m\u{202e}y\u{e0041}é\"}\n";
        let safe = harmless_json(json);
        assert!(!safe.chars().any(|c| c != '\n' && is_harmful(c)), "{safe}");
        let read: Value = serde_json::from_str(&safe).unwrap();
        assert_eq!(read["a"], "x\u{9b}31m\u{202e}y\u{e0041}é");
    }
}
