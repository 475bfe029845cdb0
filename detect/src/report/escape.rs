//! How much is shown of text from logs, tags and inventories; what must not be shown of it at all is
//! [`ingest::escape`]'s to say.

use ingest::escape::harmless;

/// Characters of one text shown at most.
pub(super) const SHOWN_CHARS_MAX: usize = 240;

/// Characters of one command shown at most; a plan's own commands stay far below.
pub(super) const COMMAND_CHARS_MAX: usize = 8192;

/// The text with everything that steers a terminal or turns its reading order shown as an escape, cut
/// at the cap.
pub(super) fn escape(text: &str) -> String {
    escape_to(text, SHOWN_CHARS_MAX)
}

/// As [`escape`], with another cap.
pub(super) fn escape_to(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max).and_then(|(at, _)| text.get(..at)) {
        Some(head) => format!("{}…", harmless(head)),
        None => harmless(text).into_owned(),
    }
}
