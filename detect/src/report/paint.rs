//! Colours, and lines no longer than the terminal.

use std::io::{self, Write};

use crate::Severity;

/// Whether to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// With ANSI escapes, for a terminal.
    Ansi,
    /// Plain text.
    #[default]
    Plain,
}

/// How a piece of text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Bold,
    Dim,
    Severity(Severity),
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Severity(Severity::Critical) => "1;37;41",
            Self::Severity(Severity::High) => "1;31",
            Self::Severity(Severity::Medium) => "1;33",
            Self::Severity(Severity::Low) => "36",
            Self::Severity(Severity::Info) => "34",
        }
    }
}

impl Color {
    /// The text in a style. It is escaped already.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Ansi => format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()),
            Self::Plain => text.to_owned(),
        }
    }
}

/// Where lines go.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) color: Color,
    /// Columns; 0 is no limit.
    pub(super) width: usize,
}

impl Page<'_> {
    /// Writes a line as it is.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    /// Writes escaped text, broken at spaces; lines after the first are indented by `indent` as well.
    pub(super) fn wrapped(&mut self, lead: &str, indent: usize, text: &str) -> io::Result<()> {
        for (n, part) in broken(text, self.columns(indent)).iter().enumerate() {
            let lead = if n == 0 { lead.to_owned() } else { " ".repeat(indent) };
            writeln!(self.out, "{lead}{part}")?;
        }
        Ok(())
    }

    /// As [`Page::wrapped`], dimmed.
    pub(super) fn dimmed(&mut self, indent: usize, text: &str) -> io::Result<()> {
        for part in broken(text, self.columns(indent)) {
            writeln!(self.out, "{}{}", " ".repeat(indent), self.color.paint(Style::Dim, &part))?;
        }
        Ok(())
    }

    fn columns(&self, indent: usize) -> usize {
        if self.width == 0 { usize::MAX } else { self.width.saturating_sub(indent).max(20) }
    }
}

/// Lines of at most so many characters; a longer word has a line to itself.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
    lines
}
