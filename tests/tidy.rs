//! Guards on the shape of the tree: names, sizes, and what a file must not say.
//!
//! What clippy can check (function length, prints, clocks) is in `clippy.toml` and the lints table. This
//! file reads the sources as text, with just enough of a lexer to tell code from strings and comments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only file that spells the names of flow-log fields.
const FIELD_TABLE: &str = "ingest/src/field.rs";
/// This file names what it forbids.
const THIS_FILE: &str = "tests/tidy.rs";
/// Past this many lines a file holds more than one thing.
const MAX_FILE_LINES: usize = 500;
/// Names that say where code was put, not what it is.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];
/// Notes to oneself belong in an issue.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "TODO", "FIXME"];
/// Paths of one machine.
const LOCAL_PATHS: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];
/// Documents that a reader of this repository does not have, and talk about how it was made.
const FOREIGN_WORDS: &[&str] =
    &["shared/design", "shared/style", "shared/facts", "the brief", "as an ai", "subagent"];

/// A tracked text file.
struct TextFile {
    /// Relative to the repository's root, with forward slashes.
    path: String,
    text: String,
}

impl TextFile {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// A Rust file of a crate that is not only tests.
    fn is_source(&self) -> bool {
        let in_src = self.path.starts_with("src/") || self.path.contains("/src/");
        in_src && self.is_rust() && !self.is_test()
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The text up to the unit tests, which stand last in a file.
    fn without_tests(&self) -> &str {
        let tests_at = self.text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|&at| {
            let item = self.text[at..].lines().nth(1).unwrap_or_default();
            item.trim_start().starts_with("mod ") && item.trim_end().ends_with('{')
        });
        &self.text[..tests_at.unwrap_or(self.text.len())]
    }
}

/// Cargo runs tests in their package's folder; the path compiled in may be another checkout's.
fn root() -> &'static Path {
    Path::new(".")
}

/// Every file that is or could be committed: as git sees it, or by walking when there is no git.
fn paths() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let tracked: Vec<_> = listed.split_terminator('\0').map(PathBuf::from).collect();
    // An unpacked archive inside another repository lists nothing of ours.
    if tracked.contains(&PathBuf::from(THIS_FILE)) { tracked } else { walk(Path::new("")) }
}

/// The files below a folder of the repository, build output and hidden folders left out.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(root().join(folder)).expect("a folder of the repository is readable");
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = folder.join(entry.file_name());
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_output = name == "target" || (name.starts_with('.') && name != ".ci");
        if !is_dir {
            found.push(path);
        } else if !is_output {
            found.extend(walk(&path));
        }
    }
    found
}

/// The text files among them; a file deleted but still listed, or not UTF-8, is not one.
fn text_files() -> Vec<TextFile> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).ok()?;
        Some(TextFile { path: path.to_str()?.replace('\\', "/"), text })
    };
    let files: Vec<_> = paths().into_iter().filter_map(read).collect();
    assert!(files.iter().any(|file| file.path == THIS_FILE), "the guard does not see the tree");
    files
}

/// Fails with every offender named, and what to do instead.
#[track_caller]
fn assert_none(offenders: &[String], instead: &str) {
    assert!(offenders.is_empty(), "{instead}:\n  {}", offenders.join("\n  "));
}

/// `path:line` of each line that satisfies the predicate.
fn lines_where(path: &str, text: &str, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let numbered = text.lines().enumerate().filter(|(_, line)| wrong(line));
    numbered.map(|(index, line)| format!("{path}:{}: {}", index + 1, line.trim())).collect()
}

/// Code with comments and string contents blanked out, and the string literals by line.
#[derive(Default)]
struct Lexed {
    code: String,
    literals: Vec<(usize, String)>,
}

/// Tells code, comments and strings apart. Escapes in literals are kept as written.
fn lex(text: &str) -> Lexed {
    let mut lexed = Lexed::default();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let after_word = lexed.code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some((len, literal)) = string_literal(rest, after_word) {
            let line = text[..at].matches('\n').count() + 1;
            lexed.literals.push((line, literal.to_owned()));
            len
        } else {
            let len = char_literal_len(rest);
            lexed.code.push_str(&rest[..len]);
            at += len;
            continue;
        };
        // Line numbers survive the blanking.
        lexed.code.extend(std::iter::repeat_n('\n', rest[..len].matches('\n').count()));
        at += len;
    }
    lexed
}

/// The length and content of the string literal, raw or not, that the text begins with.
fn string_literal(text: &str, after_word: bool) -> Option<(usize, &str)> {
    let raw_prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix));
    if let Some(prefix) = raw_prefix.filter(|_| !after_word) {
        let hashes =
            text[prefix.len()..].len() - text[prefix.len()..].trim_start_matches('#').len();
        let open = prefix.len() + hashes + 1;
        if text[prefix.len() + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let content = text[open..].find(&close).map_or(text.len() - open, |end| end);
            return Some((
                (open + content + close.len()).min(text.len()),
                &text[open..open + content],
            ));
        }
    }
    let content = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = content.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    Some((end + 2, &content[..end]))
}

/// How much of the text is one step of code: a whole character literal (which may be a quote), or one character.
fn char_literal_len(text: &str) -> usize {
    for literal in [r#"'"'"#, r#"'\"'"#, r"'\''", r"'\\'"] {
        if text.starts_with(literal) {
            return literal.len();
        }
    }
    text.chars().next().map_or(1, char::len_utf8)
}

/// The field names that can mean nothing else, in both spellings; `bytes` or `action` is also a plain word.
fn field_names(files: &[TextFile]) -> BTreeSet<String> {
    let table =
        files.iter().find(|file| file.path == FIELD_TABLE).expect("the field table is there");
    let literals = lex(table.without_tests()).literals.into_iter().map(|(_, literal)| literal);
    let names: BTreeSet<_> = literals
        .filter(|name| name.contains('-') || name.ends_with("addr") || name.ends_with("port"))
        .flat_map(|name| [name.replace('-', "_"), name])
        .collect();
    assert!(
        names.contains("tcp-flags") && names.contains("srcaddr"),
        "the field table was not understood"
    );
    names
}

#[test]
fn names_say_what_they_hold() {
    let is_empty_name = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part);
        stem.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word))
    };
    let mut offenders = Vec::new();
    for file in text_files().iter().filter(|file| file.is_rust()) {
        offenders.extend(file.path.split('/').any(is_empty_name).then(|| file.path.clone()));
        offenders.extend(lines_where(&file.path, &lex(&file.text).code, |line| {
            let module = line.split_once("mod ").map(|(_, rest)| rest);
            let module = module.and_then(|rest| rest.split([';', ' ', '{']).next());
            module.is_some_and(is_empty_name)
        }));
    }
    assert_none(&offenders, "name a module after the one thing in it");
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let long = |file: &TextFile| {
        let lines = file.text.lines().count();
        (lines > MAX_FILE_LINES).then(|| format!("{}: {lines} lines", file.path))
    };
    let offenders: Vec<_> =
        text_files().iter().filter(|file| file.is_source()).filter_map(long).collect();
    assert_none(&offenders, "split by what the parts are (unit tests may move to tests.rs)");
}

#[test]
fn field_names_are_spelled_in_one_table_only() {
    let files = text_files();
    let names = field_names(&files);
    // One name, or a list of nothing but names: a header line written out.
    let spells_fields = |literal: &str| {
        let mut words = literal.split_whitespace().peekable();
        words.peek().is_some() && words.all(|word| names.contains(word))
            || literal.starts_with("version account-id")
    };
    let mut offenders = Vec::new();
    for file in files.iter().filter(|file| file.is_source() && file.path != FIELD_TABLE) {
        let literals = lex(file.without_tests()).literals.into_iter();
        let wrong = literals.filter(|(_, literal)| spells_fields(literal));
        offenders.extend(wrong.map(|(line, literal)| format!("{}:{line}: {literal:?}", file.path)));
    }
    assert_none(&offenders, "use `ingest::Field` and its `name()`");
}

#[test]
fn nothing_unwraps_outside_tests() {
    let mut offenders = Vec::new();
    for file in text_files().iter().filter(|file| file.is_source()) {
        let code = lex(file.without_tests()).code;
        offenders.extend(lines_where(&file.path, &code, |line| line.contains(".unwrap()")));
    }
    assert_none(&offenders, "no input may panic: return the error, or count it");
}

#[test]
fn every_rust_file_opens_with_what_it_is() {
    let silent = |file: &&TextFile| file.is_rust() && !file.text.starts_with("//! ");
    let offenders: Vec<_> =
        text_files().iter().filter(silent).map(|file| file.path.clone()).collect();
    assert_none(&offenders, "begin the file with `//!`: what it is, and what it is not");
}

#[test]
fn nothing_is_left_unfinished() {
    let mut offenders = Vec::new();
    for file in text_files().iter().filter(|file| file.is_rust() && file.path != THIS_FILE) {
        offenders.extend(lines_where(&file.path, &file.text, |line| {
            UNFINISHED.iter().any(|mark| line.contains(mark))
        }));
    }
    assert_none(&offenders, "finish it, or write an issue");
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut offenders = Vec::new();
    for file in text_files().iter().filter(|file| file.path != THIS_FILE) {
        offenders.extend(lines_where(&file.path, &file.text, |line| {
            let lower = line.to_lowercase();
            LOCAL_PATHS.iter().any(|path| line.contains(path))
                || FOREIGN_WORDS.iter().any(|word| lower.contains(word))
        }));
    }
    assert_none(&offenders, "a path or a document that a reader does not have");
}

#[test]
fn the_lexer_tells_strings_from_code_and_comments() {
    let text = "a(\"x\\\"y\"); // \"no\"\nb('\"', r#\"raw \"q\"\"#); /* \"no\" */ 'l: c";
    let lexed = lex(text);
    let literals: Vec<_> =
        lexed.literals.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(literals, [(1, "x\\\"y"), (2, "raw \"q\"")]);
    assert_eq!(lexed.code, "a(); \nb('\"', );  'l: c");
}
