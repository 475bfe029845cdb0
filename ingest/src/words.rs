//! Reads the value at the beginning of some bytes, eight or sixteen of them at a time.
//!
//! A branch per byte would be guessed wrongly at the end of almost every value, which costs more
//! than all else. These functions find a value's end and its worth without one. They read what is
//! usual and give `None` for all else, which [`crate::value`] then reads or refuses.

use wide::u8x16;

/// So many bytes are looked at for one value.
pub(crate) const WINDOW_BYTES: usize = 20;

/// A value and the number of bytes it took, without what ended it.
pub(crate) type Leading<T> = Option<(T, usize)>;

const DIGIT_ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
const ABOVE_NINE: u64 = u64::from_le_bytes([0x76; 8]);

/// The number before the first `end`, if it has one to fifteen digits.
#[inline]
pub(crate) fn leading_number(window: &[u8; WINDOW_BYTES], end: u8) -> Leading<u64> {
    const POWERS: [u64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
    let sixteen = window.first_chunk::<16>()?;
    let n_digits = positions_of(end, sixteen).trailing_zeros() as usize;
    let ([first, second], _) = sixteen.as_chunks::<8>() else { return None };
    if n_digits.wrapping_sub(1) < 8 {
        return Some((digits(*first, n_digits)?, n_digits));
    }
    let n_low = n_digits.wrapping_sub(8);
    let power = POWERS.get(n_low).filter(|_| n_low > 0)?;
    let high = digits(*first, 8)?;
    Some((high * power + digits(*second, n_low)?, n_digits))
}

/// Where a byte stands among sixteen: a bit for each, the first one's lowest.
#[inline]
fn positions_of(byte: u8, bytes: &[u8; 16]) -> u32 {
    u8x16::new(*bytes).simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// The number that the first one to eight bytes make, if they are digits.
///
/// Neighbours are joined to pairs, pairs to fours, fours to eight.
#[inline]
fn digits(bytes: [u8; 8], n_digits: usize) -> Option<u64> {
    // The digits go to the high places, zeros before them.
    let digits = (u64::from_le_bytes(bytes) ^ DIGIT_ZEROS) << (64 - 8 * n_digits);
    // A byte so high that the sum runs over into the next one is itself seen.
    if (digits.wrapping_add(ABOVE_NINE) | digits) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// The IPv4 address before the first `end`; where its dots are says where its numbers are.
#[inline]
pub(crate) fn leading_ipv4(window: &[u8; WINDOW_BYTES], end: u8) -> Leading<u32> {
    let sixteen = window.first_chunk::<16>()?;
    let ends = positions_of(end, sixteen);
    // All bits below the lowest one; none is set in no bits, and all of them are too many.
    let before_end = !ends & ends.wrapping_sub(1);
    let dots = positions_of(b'.', sixteen) & before_end;
    let n_bytes = ends.trailing_zeros() as usize;
    let second = dots & dots.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    if ends == 0 || third == 0 || third & (third - 1) != 0 {
        return None;
    }
    let [first, second, third] = [dots, second, third].map(|dots| dots.trailing_zeros() as usize);
    let high = octets(places(window, 0, first)?, places(window, first + 1, second)?)?;
    let low = octets(places(window, second + 1, third)?, places(window, third + 1, n_bytes)?)?;
    Some((high << 16 | low, n_bytes))
}

/// One to three digits, the ones in the highest byte, then the tens and the hundreds; and the least
/// number that so many digits may make. Elsewhere a leading zero means octal; AWS writes none.
#[inline]
fn places(window: &[u8; WINDOW_BYTES], from: usize, to: usize) -> Option<(u32, u32)> {
    const LEAST: [u32; 3] = [0, 10, 100];
    let n_digits = to.wrapping_sub(from);
    let least = LEAST.get(n_digits.wrapping_sub(1))?;
    let from = from & 15;
    let four = window.get(from..from + 4)?.first_chunk::<4>()?;
    Some(((u32::from_le_bytes(*four) ^ 0x3030_3030) << (32 - 8 * n_digits), *least))
}

/// Two numbers of an address, side by side in one word while they are read and checked.
#[inline]
fn octets(first: (u32, u32), second: (u32, u32)) -> Option<u32> {
    const LOW_BYTES: u64 = 0x0000_00ff_0000_00ff;
    const SIGNS: u64 = 0x8000_0000_8000_0000;
    let places = u64::from(first.0) | u64::from(second.0) << 32;
    let least = u64::from(first.1) | u64::from(second.1) << 32;
    let others = (places.wrapping_add(ABOVE_NINE) | places) & HIGH_BITS;
    let hundreds = (places >> 8 & LOW_BYTES) * 100;
    let values = hundreds + (places >> 16 & LOW_BYTES) * 10 + (places >> 24 & LOW_BYTES);
    // Where a value is too small, the subtraction takes the sign set for it.
    let too_small = !((values | SIGNS) - least) & SIGNS;
    let too_large = values & !LOW_BYTES;
    if others | too_small | too_large != 0 {
        return None;
    }
    let (first, second) = (values & 0xff, values >> 32);
    u32::try_from(first << 8 | second).ok()
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

    const REST: &str = " 9.9.9.9 the rest of the line\n";

    /// The text with more after it.
    fn window(text: &[u8]) -> [u8; WINDOW_BYTES] {
        *[text, REST.as_bytes()].concat().first_chunk().unwrap()
    }

    proptest! {
        #[test]
        fn numbers_agree_with_std(text in "[0-9]{0,22}|[-+0-9a-z/:]{0,12}") {
            let std = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(number(text.as_bytes()), std);
            let window = window(text.as_bytes());
            let want = std.filter(|_| text.len() < 16).map(|value| (value, text.len()));
            prop_assert_eq!(leading_number(&window, b' '), want);
        }

        #[test]
        fn addresses_agree_with_std(text in "[0-9./]{0,16}|[0-9a-f:.]{0,30}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-2]{0,4}(\\.[0-2]{0,4}){2,4}") {
            let std = text.parse::<IpAddr>().ok().map(|address| match address {
                IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
                IpAddr::V6(address) => u128::from(address),
            });
            prop_assert_eq!(address(text.as_bytes()), std);
            let window = window(text.as_bytes());
            let want = text.parse::<Ipv4Addr>().ok().map(|address| (u32::from(address), text.len()));
            prop_assert_eq!(leading_ipv4(&window, b' '), want);
        }

        #[test]
        fn every_ipv4_is_read(bits: u32) {
            let text = Ipv4Addr::from(bits).to_string();
            let window = window(text.as_bytes());
            prop_assert_eq!(leading_ipv4(&window, b' '), Some((bits, text.len())));
        }

        #[test]
        fn bytes_that_are_no_text_are_no_value(bytes: Vec<u8>, end in prop_oneof![Just(b' '), Just(b'\n')]) {
            let window = window(&bytes);
            let token = window.split(|&byte| byte == end).next().unwrap();
            let text = from_utf8(token).unwrap_or("x");
            prop_assert_eq!(leading_ipv4(&window, end).is_some(), text.parse::<Ipv4Addr>().is_ok());
            let is_number = token.iter().all(u8::is_ascii_digit) && (1..16).contains(&token.len());
            prop_assert_eq!(leading_number(&window, end).is_some(), is_number);
        }

        #[test]
        fn a_value_ends_where_a_plain_search_finds_its_end(line in "[ a-d\\x21\\x1f\u{80}\u{a0}]{0,60}") {
            let plain = line.as_bytes().split(|&byte| byte == b' ').next().unwrap();
            prop_assert_eq!(value_len(line.as_bytes()), plain.len());
        }
    }
}
