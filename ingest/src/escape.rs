//! Makes text of strangers (logs, tags, inventories, names of objects) harmless where people read it.
//!
//! What is cut, and at what length, is for those who show it to say.

use std::borrow::Cow;

/// Whether a character steers a terminal or hides: control characters, line separators, what is
/// invisible or turns the reading order, variation selectors and tags.
pub fn is_harmful(c: char) -> bool {
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

/// The text on one line, with every harmful character shown as Rust writes it: `\n`, `\u{202e}`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Renders bytes on one line of at most `chars_max` characters, without control characters.
pub(crate) fn printable(bytes: &[u8], chars_max: usize) -> String {
    // A character is at most four bytes, so no more than these can be shown.
    let head = bytes.get(..chars_max * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut shown: String = text.chars().flat_map(escaped).take(chars_max).collect();
    if shown.chars().count() == chars_max {
        shown.push('…');
    }
    shown
}

/// Quotes stay as they are; what could move a cursor or hide text does not.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let plain = c == ' ' || c == '"' || c == '\'';
    let (as_is, as_escape) = if plain { (Some(c), None) } else { (None, Some(c.escape_debug())) };
    as_is.into_iter().chain(as_escape.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_length_are_tamed() {
        assert_eq!(printable(b"a\x1b[31m \"b\"\r", 80), "a\\u{1b}[31m \"b\"\\r");
        assert_eq!(printable(b"abcdef", 3), "abc…");
        assert_eq!(printable(b"\xff\xfe", 9), "\u{fffd}\u{fffd}");
        assert_eq!(printable("\u{202e}x".as_bytes(), 20), "\\u{202e}x");
    }

    #[test]
    fn what_steers_or_hides_is_shown_and_the_rest_stays() {
        assert_eq!(harmless("a\u{1b}[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\nd");
        assert_eq!(harmless("x\u{fe0f}\u{e0041}\u{9b}"), "x\\u{fe0f}\\u{e0041}\\u{9b}");
        let plain = "eni-0a1 \"é\\\" 名前 🌊";
        assert!(matches!(harmless(plain), Cow::Borrowed(text) if text == plain));
    }

    /// Both ways of showing text agree about what must not be shown.
    #[test]
    fn nothing_harmful_is_shown_either_way() {
        for c in ('\0'..=char::MAX).filter(|&c| is_harmful(c)) {
            let text = c.to_string();
            assert!(!harmless(&text).contains(is_harmful), "{c:?}");
            assert!(!printable(text.as_bytes(), 20).contains(is_harmful), "{c:?}");
        }
    }
}
