//! Reads single values from bytes: no UTF-8 check, no allocation, hardly a branch.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::from_utf8;

use crate::token::{Token, repeated};

/// Reads an unsigned decimal number.
#[inline]
pub(crate) fn number(token: Token<'_>) -> Option<u64> {
    let n_bytes = token.len();
    if (1..=8).contains(&n_bytes) {
        if let Some(word) = token.word(0) {
            return digits(word, n_bytes);
        }
    } else if (9..=16).contains(&n_bytes)
        && let (Some(head), Some(tail)) = (token.word(0), token.word(n_bytes - 8))
    {
        return Some(digits(head, n_bytes - 8)? * 100_000_000 + digits(tail, 8)?);
    }
    plain_number(token.bytes())
}

/// At the end of a line, or beyond sixteen digits.
fn plain_number(token: &[u8]) -> Option<u64> {
    if !token.iter().all(u8::is_ascii_digit) {
        return None;
    }
    from_utf8(token).ok()?.parse().ok()
}

/// Up to eight digits at once: neighbours are joined to pairs, pairs to fours, fours to eight.
#[inline]
fn digits(word: u64, n_digits: usize) -> Option<u64> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // The digits go to the high places, zeros before them; each byte then is its digit's value.
    let values = (word ^ ZEROS) << (64 - 8 * n_digits);
    let beyond_nine = (values & 0x7f7f_7f7f_7f7f_7f7f) + 0x7676_7676_7676_7676;
    if (beyond_nine | values) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (values.wrapping_mul(2561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(42_949_672_960_001) >> 32)
}

/// Reads an address; IPv4 comes back mapped into IPv6.
#[inline]
pub(crate) fn address(token: Token<'_>) -> Option<[u8; 16]> {
    let is_ipv4_size = (7..=15).contains(&token.len());
    let ipv4 = match token.wide_word() {
        Some(word) if is_ipv4_size => ipv4(word, token.len()),
        _ => plain_ipv4(token.bytes()),
    };
    // One number in one register: put together byte by byte, it would have to wait for memory.
    ipv4.map(|bits| (0xffff_0000_0000 | u128::from(bits)).to_be_bytes())
        .or_else(|| ipv6(token.bytes()))
}

/// Seven to fifteen bytes at once: where the dots are says where the numbers are.
#[inline]
fn ipv4(word: u128, n_bytes: usize) -> Option<u32> {
    let in_token = (1u128 << (8 * n_bytes)) - 1;
    let values = (word ^ repeated(b'0')) & in_token;
    let beyond_nine = (values & repeated(0x7f)) + repeated(0x76);
    let others = (beyond_nine | values) & repeated(0x80);
    let not_dots = (values ^ (repeated(b'.' ^ b'0') & in_token)) & in_token;
    let dots =
        !(((not_dots & repeated(0x7f)) + repeated(0x7f)) | not_dots) & repeated(0x80) & in_token;
    if others != dots || dots.count_ones() != 3 {
        return None;
    }
    let first = dots.trailing_zeros() / 8;
    let second = (dots & (dots - 1)).trailing_zeros() / 8;
    let third = 15 - dots.leading_zeros() / 8;
    let end = u32::try_from(n_bytes).ok()?;
    let octets = [(0, first), (first + 1, second), (second + 1, third), (third + 1, end)];
    let mut bits = 0;
    for (start, end) in octets {
        bits = bits << 8 | octet(values >> (8 * start), end.checked_sub(start)?)?;
    }
    Some(bits)
}

/// One to three digits, the first in the lowest byte.
#[inline]
fn octet(values: u128, n_digits: u32) -> Option<u32> {
    let three = u32::try_from(values & 0xff_ffff).ok()?;
    if n_digits.wrapping_sub(1) > 2 {
        return None;
    }
    // A leading zero could mean octal elsewhere; AWS writes none.
    if n_digits > 1 && three & 0xff == 0 {
        return None;
    }
    let [hundreds, tens, ones, _] = (three << (8 * (3 - n_digits))).to_le_bytes().map(u32::from);
    let value = hundreds * 100 + tens * 10 + ones;
    (value <= 255).then_some(value)
}

fn plain_ipv4(token: &[u8]) -> Option<u32> {
    from_utf8(token).ok()?.parse::<Ipv4Addr>().ok().map(u32::from)
}

fn ipv6(token: &[u8]) -> Option<[u8; 16]> {
    let text = from_utf8(token).ok()?;
    text.parse::<Ipv6Addr>().ok().map(|address| address.octets())
}

/// Undoes percent-encoding; `None` where nothing is encoded or the result is not UTF-8.
pub(crate) fn percent_decoded(token: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', token)?;
    let mut decoded = Vec::with_capacity(token.len());
    let mut rest = token;
    while let Some((&byte, after)) = rest.split_first() {
        let (value, after) = hex_pair(byte, after).unwrap_or((byte, after));
        decoded.push(value);
        rest = after;
    }
    from_utf8(&decoded).is_ok().then_some(decoded)
}

fn hex_pair(byte: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, rest) = after.split_first_chunk::<2>().filter(|_| byte == b'%')?;
    let nibble = |at: usize| char::from(pair[at]).to_digit(16);
    let value = nibble(0)? * 16 + nibble(1)?;
    Some((u8::try_from(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percent_encoding_is_undone_where_it_is_one() {
        let decoded = |text: &str| {
            percent_decoded(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(decoded("web%20shop"), Some("web shop".to_owned()));
        assert_eq!(decoded("100%"), Some("100%".to_owned()));
        assert_eq!(decoded("%zz%4"), Some("%zz%4".to_owned()));
        assert_eq!(decoded("caf%C3%A9"), Some("café".to_owned()));
        assert_eq!(decoded("%ff"), None);
        assert_eq!(decoded("plain"), None);
    }

    /// The same value at the end of a line and within it: two ways to read it.
    fn both<T: PartialEq + std::fmt::Debug>(text: &str, read: impl Fn(Token<'_>) -> T) -> T {
        let line = format!("{text} 9.9.9.9 the rest of the line");
        let within = read(Token::at(line.as_bytes(), 0, b' '));
        let alone = read(Token::whole(text.as_bytes()));
        assert_eq!(within, alone, "{text}");
        alone
    }

    proptest! {
        #[test]
        fn numbers_agree_with_std(text in "[0-9]{0,22}|[-+0-9a-z/:]{0,12}") {
            let std = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(both(&text, number), std);
        }

        #[test]
        fn addresses_agree_with_std(text in "[0-9./]{0,16}|[0-9a-f:.]{0,30}|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-2]{0,4}(\\.[0-2]{0,4}){2,4}") {
            let v4 = text.parse::<Ipv4Addr>().ok().map(|a| a.to_ipv6_mapped());
            let std = v4.or_else(|| text.parse::<Ipv6Addr>().ok()).map(|a| a.octets());
            prop_assert_eq!(both(&text, address), std);
        }

        #[test]
        fn every_ipv4_is_read(bits: u32) {
            let address4 = Ipv4Addr::from(bits);
            let want = address4.to_ipv6_mapped().octets();
            prop_assert_eq!(both(&address4.to_string(), address), Some(want));
        }

        #[test]
        fn bytes_that_are_no_text_are_no_value(bytes: Vec<u8>) {
            let line = [bytes.as_slice(), b" 9.9.9.9 the rest of the line"].concat();
            let token = Token::at(&line, 0, b' ');
            let text = from_utf8(token.bytes()).unwrap_or("x");
            let std = text.parse::<u64>().ok().filter(|_| !text.starts_with('+'));
            prop_assert_eq!(number(token), std);
            prop_assert_eq!(address(token).is_some(), text.parse::<std::net::IpAddr>().is_ok());
        }
    }
}
