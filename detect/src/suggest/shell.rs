//! Builds command lines for a POSIX shell. Nothing reaches a command but through this file.
//!
//! Quoting keeps a shell from reading a value; it does not keep the AWS CLI from reading one that
//! starts with `-`, `file://` or `http://`. So names that come from logs and inventories are
//! [`token`]s first: a value that does not look like what AWS writes never gets into a command.

use std::fmt;

/// Quotes one word for a POSIX shell. NUL, which no argument can carry, is left out.
pub fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\0', "").replace('\'', r"'\''"))
}

/// Whether a text is an id that AWS makes: the prefix, then hexadecimal digits.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// A name that AWS lets one choose, if it is harmless as an argument: a letter or digit, then
/// letters, digits, `-`, `_`, `.`, `/` and `:`, but nothing the AWS CLI would fetch.
pub(super) fn token(text: &str) -> Option<&str> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./:".contains(&b);
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let is_harmless = text.bytes().all(is_allowed) && !text.contains("://");
    (starts_well && is_harmless && text.len() <= 512).then_some(text)
}

/// Makes the commands of one plan: they share a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aws<'a> {
    region: Option<&'a str>,
}

impl<'a> Aws<'a> {
    /// Commands for a region, where it is known and looks like one.
    pub(super) fn new(region: Option<&'a str>) -> Self {
        Self { region: region.and_then(token) }
    }

    /// Starts `aws SERVICE OPERATION`.
    pub(super) fn run(self, operation: &'static str) -> Command {
        let command = Command(format!("aws {operation}"));
        match self.region {
            Some(region) => command.with("--region", region),
            None => command,
        }
    }

    /// Starts a command of a service that has no region.
    pub(super) fn global(operation: &'static str) -> Command {
        Command(format!("aws {operation}"))
    }
}

/// A command under construction.
#[derive(Clone, Debug)]
pub(super) struct Command(String);

impl Command {
    /// Adds an option with a value, which is quoted.
    pub(super) fn with(self, option: &'static str, value: &str) -> Self {
        Self(format!("{} {option} {}", self.0, quote(value)))
    }

    /// Adds an option with several values, each quoted.
    pub(super) fn with_all<I: IntoIterator<Item: AsRef<str>>>(
        mut self,
        option: &'static str,
        values: I,
    ) -> Self {
        self = self.raw(option);
        for value in values {
            self.0.push(' ');
            self.0.push_str(&quote(value.as_ref()));
        }
        self
    }

    /// Adds shell text as it is: options and shell variables written in this program.
    pub(super) fn raw(self, text: &'static str) -> Self {
        Self(format!("{} {text}", self.0))
    }

    /// Picks what is printed, as plain text.
    pub(super) fn query(self, jmespath: &str) -> Self {
        self.with("--query", jmespath).raw("--output text")
    }

    /// Writes what it prints to a file, unless an earlier run has written that: a second run after
    /// the cut would record the cut state as the one to restore.
    pub(super) fn once_to(&self, file: &str) -> String {
        let file = quote(file);
        format!("test -s {file} || {self} > {file}")
    }

    /// Keeps what it prints in a shell variable.
    pub(super) fn into_variable(self, name: &'static str) -> String {
        format!("{name}=$({self})")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Command> for String {
    fn from(command: Command) -> Self {
        command.0
    }
}
