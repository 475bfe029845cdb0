//! One value of a line, with sight of what follows it, so that it can be read in whole machine words.

/// A value in a text. Reading it in words of fixed size spares a branch per byte, and a wrongly
/// guessed one costs more than the word does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    /// The value, and after it whatever stands there in memory.
    from_here: &'a [u8],
    n_bytes: usize,
}

impl<'a> Token<'a> {
    /// A value with nothing after it.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self { from_here: bytes, n_bytes: bytes.len() }
    }

    /// The value that begins at `start` and ends before the separator or the line's end.
    #[inline]
    pub(crate) fn at(line: &'a [u8], start: usize, separator: u8) -> Self {
        let from_here = line.get(start..).unwrap_or_default();
        Self { from_here, n_bytes: find(from_here, separator) }
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.n_bytes
    }

    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.from_here.get(..self.n_bytes).unwrap_or(self.from_here)
    }

    /// The eight bytes from `skipped` on, the first in the lowest place; those after the value are
    /// arbitrary.
    #[inline]
    pub(crate) fn word(self, skipped: usize) -> Option<u64> {
        let rest = self.from_here.get(skipped..)?;
        rest.first_chunk::<8>().map(|chunk| u64::from_le_bytes(*chunk))
    }

    /// The first sixteen bytes, likewise.
    #[inline]
    pub(crate) fn wide_word(self) -> Option<u128> {
        self.from_here.first_chunk::<16>().map(|chunk| u128::from_le_bytes(*chunk))
    }
}

/// The same byte in all sixteen places.
pub(crate) const fn repeated(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// Finds the separator sixteen bytes at a time: nearly every value but an identifier is shorter.
#[inline]
fn find(bytes: &[u8], separator: u8) -> usize {
    let pattern = repeated(separator);
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let differing = u128::from_le_bytes(*chunk) ^ pattern;
        // The lowest set bit marks the first zero byte, which is where the separator stands.
        let zeros = differing.wrapping_sub(repeated(1)) & !differing & repeated(0x80);
        if zeros != 0 {
            return at + (zeros.trailing_zeros() / 8) as usize;
        }
        at += 16;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte == separator).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_ends_where_a_plain_search_finds_its_end(line in "[ a-d\\x21\\x1f\u{80}\u{a0}]{0,60}", start in 0usize..70) {
            let line = line.as_bytes();
            let start = start.min(line.len());
            let plain = line[start..].split(|&byte| byte == b' ').next().unwrap();
            prop_assert_eq!(Token::at(line, start, b' ').bytes(), plain);
        }
    }
}
