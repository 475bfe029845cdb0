//! A name with `*` for any text. `\*` is a star and `\\` a backslash, so that every name can be written,
//! those of strangers too.

/// What a name has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands between the stars; one part is the whole name.
    parts: Vec<String>,
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        let (mut parts, mut part) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => parts.push(std::mem::take(&mut part)),
                '\\' => part.push(chars.next_if(|&next| next == '*' || next == '\\').unwrap_or(c)),
                _ => part.push(c),
            }
        }
        parts.push(part);
        Self { parts }
    }
}

impl Pattern {
    /// Whether it narrows nothing.
    pub(super) fn is_any(&self) -> bool {
        self.parts.iter().all(|part| part.trim().is_empty())
    }

    /// Whether the text is the pattern. Each part is found leftmost, which cannot miss a match.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (first, middle, last) = match self.parts.as_slice() {
            [] => return text.is_empty(),
            [whole] => return whole == text,
            [first, middle @ .., last] => (first, middle, last),
        };
        let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some((_, after)) = left.split_once(part.as_str()) else { return false };
            left = after;
        }
        left.ends_with(last.as_str())
    }
}

/// The pattern that only this name is.
pub(super) fn exactly(name: &str) -> String {
    name.replace('\\', "\\\\").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(pattern: &str, text: &str) -> bool {
        Pattern::from(pattern.to_owned()).matches(text)
    }

    #[test]
    fn a_star_is_any_text() {
        assert!(is("a*c*e", "abcde") && is("*", "") && is("a**b", "ab") && is("a*", "a"));
        assert!(!is("a*b", "aXc") && !is("ab*ba", "aba") && !is("a", "ab"));
        assert!(is("a\\b", "a\\b"), "a backslash before another character is one");
    }

    #[test]
    fn every_name_has_a_pattern_that_is_no_others() {
        let names = ["*", "a*", "a\\*", "\\", "\\\\*", "a b", "", "svc:*\\", "é*"];
        for name in names {
            let of_this: Vec<&str> =
                names.into_iter().filter(|other| is(&exactly(name), other)).collect();
            assert_eq!(of_this, [name]);
        }
    }
}
