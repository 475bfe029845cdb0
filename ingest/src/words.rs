//! Reads the value a line goes on with, eight or sixteen bytes at a time.
//!
//! A branch per byte would be guessed wrongly at the end of almost every value, which costs more
//! than all else. These functions find a value's end and its worth in the same few operations. They
//! read what is usual (a space follows, and the line goes on for a word's length) and give `None`
//! for all else, which [`crate::value`] then reads or refuses.

/// A value and the number of bytes it took.
pub(crate) type Leading<T> = Option<(T, usize)>;

const DIGIT_ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);
const ABOVE_NINE: u64 = u64::from_le_bytes([0x76; 8]);

/// A number of up to fifteen digits.
#[inline]
pub(crate) fn leading_number(line: &[u8]) -> Leading<u64> {
    const POWERS: [u64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
    let (first, after) = line.split_first_chunk::<8>()?;
    let (high, n_high) = leading_digits(u64::from_le_bytes(*first));
    if n_high < 8 {
        let ends = n_high > 0 && line.get(n_high) == Some(&b' ');
        return ends.then_some((high, n_high));
    }
    let (low, n_low) = leading_digits(u64::from_le_bytes(*after.first_chunk::<8>()?));
    let ends = after.get(n_low) == Some(&b' ');
    let power = POWERS.get(n_low).filter(|_| ends)?;
    Some((high * power + low, 8 + n_low))
}

/// The number that the first digits of eight bytes make, and how many they are.
///
/// Neighbours are joined to pairs, pairs to fours, fours to eight.
#[inline]
fn leading_digits(word: u64) -> (u64, usize) {
    let values = word ^ DIGIT_ZEROS;
    let others = (((values & LOW_BITS) + ABOVE_NINE) | values) & HIGH_BITS;
    let n_digits = others.trailing_zeros() / 8;
    // The digits go to the high places, zeros before them.
    let digits = values.checked_shl(64 - 8 * n_digits).unwrap_or(0);
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32, n_digits as usize)
}

/// The same byte in all sixteen places.
const fn repeated(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// The high bit of every byte above nine.
#[inline]
fn above_nine(values: u128) -> u128 {
    (((values & repeated(0x7f)) + repeated(0x76)) | values) & repeated(0x80)
}

/// The high bit of every byte that is zero.
#[inline]
fn zero_bytes(values: u128) -> u128 {
    !(((values & repeated(0x7f)) + repeated(0x7f)) | values) & repeated(0x80)
}

/// An IPv4 address; where its dots are says where its numbers are.
#[inline]
pub(crate) fn leading_ipv4(line: &[u8]) -> Leading<u32> {
    let word = u128::from_le_bytes(*line.first_chunk::<16>()?);
    let values = word ^ repeated(b'0');
    let dots = zero_bytes(word ^ repeated(b'.'));
    let end = (above_nine(values) ^ dots).trailing_zeros() / 8;
    if end > 15 || line.get(end as usize) != Some(&b' ') {
        return None;
    }
    let dots = dots & ((1 << (8 * end)) - 1);
    if dots.count_ones() != 3 {
        return None;
    }
    let first = dots.trailing_zeros() / 8;
    let second = (dots & (dots - 1)).trailing_zeros() / 8;
    let third = 15 - dots.leading_zeros() / 8;
    let mut bits = 0;
    for (from, to) in [(0, first), (first + 1, second), (second + 1, third), (third + 1, end)] {
        bits = bits << 8 | octet(values >> (8 * from), to.wrapping_sub(from))?;
    }
    Some((bits, end as usize))
}

/// One to three digits, the first in the lowest byte.
#[inline]
fn octet(values: u128, n_digits: u32) -> Option<u32> {
    let three = u32::try_from(values & 0xff_ffff).ok()?;
    let leading_zero = n_digits > 1 && three.to_le_bytes()[0] == 0;
    // Elsewhere a leading zero means octal; AWS writes none.
    if n_digits.wrapping_sub(1) > 2 || leading_zero {
        return None;
    }
    let [hundreds, tens, ones, _] = (three << (8 * (3 - n_digits))).to_le_bytes().map(u32::from);
    let value = hundreds * 100 + tens * 10 + ones;
    (value <= 255).then_some(value)
}

/// How many bytes there are before the first space.
#[inline]
pub(crate) fn value_len(line: &[u8]) -> usize {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let mut at = 0;
    while let Some(chunk) = line.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let differing = u64::from_le_bytes(*chunk) ^ SPACES;
        // The lowest set bit marks the first zero byte, which is where the space stands.
        let zeros = differing.wrapping_sub(ONES) & !differing & HIGH_BITS;
        if zeros != 0 {
            return at + (zeros.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::str::from_utf8;

    use proptest::prelude::*;

    use super::*;
    use crate::value::{address, number};

    const REST: &str = " 9.9.9.9 the rest of the line";

    proptest! {
        #[test]
        fn numbers_agree_with_std(text in "[0-9]{0,22}|[-+0-9a-z/:]{0,12}") {
            let std = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(number(text.as_bytes()), std);
            let leading = leading_number(format!("{text}{REST}").as_bytes());
            let want = std.filter(|_| text.len() < 16).map(|value| (value, text.len()));
            prop_assert_eq!(leading, want);
        }

        #[test]
        fn addresses_agree_with_std(text in "[0-9./]{0,16}|[0-9a-f:.]{0,30}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-2]{0,4}(\\.[0-2]{0,4}){2,4}") {
            let std = text.parse::<IpAddr>().ok().map(|address| match address {
                IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
                IpAddr::V6(address) => u128::from(address),
            });
            prop_assert_eq!(address(text.as_bytes()), std);
            let leading = leading_ipv4(format!("{text}{REST}").as_bytes());
            let want = text.parse::<Ipv4Addr>().ok().map(|address| (u32::from(address), text.len()));
            prop_assert_eq!(leading, want);
        }

        #[test]
        fn every_ipv4_is_read(bits: u32) {
            let text = Ipv4Addr::from(bits).to_string();
            let leading = leading_ipv4(format!("{text}{REST}").as_bytes());
            prop_assert_eq!(leading, Some((bits, text.len())));
        }

        #[test]
        fn bytes_that_are_no_text_are_no_value(bytes: Vec<u8>) {
            let line = [bytes.as_slice(), REST.as_bytes()].concat();
            let token = line.split(|&byte| byte == b' ').next().unwrap();
            let text = from_utf8(token).unwrap_or("x");
            prop_assert_eq!(leading_ipv4(&line).is_some(), text.parse::<Ipv4Addr>().is_ok());
            prop_assert_eq!(value_len(&line), token.len());
            let _ = leading_number(&line);
        }

        #[test]
        fn a_value_ends_where_a_plain_search_finds_its_end(line in "[ a-d\\x21\\x1f\u{80}\u{a0}]{0,60}") {
            let plain = line.as_bytes().split(|&byte| byte == b' ').next().unwrap();
            prop_assert_eq!(value_len(line.as_bytes()), plain.len());
        }
    }
}
