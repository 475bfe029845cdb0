//! Makes text from logs, tags and inventories harmless in a terminal.

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
    let mut shown = String::with_capacity(text.len().min(chars_max));
    for (n, c) in text.chars().enumerate() {
        if n == chars_max {
            shown.push('…');
            break;
        }
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, line separators, what is invisible or turns the reading order, and tags.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
