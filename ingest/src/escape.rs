//! Shows bytes of strangers in messages: control characters escaped, length capped.

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
}
