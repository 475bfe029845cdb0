//! Reads single values from bytes: no UTF-8 check, no allocation.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::from_utf8;

/// Reads an unsigned decimal number.
#[inline]
pub(crate) fn number(token: &[u8]) -> Option<u64> {
    if token.is_empty() {
        return None;
    }
    token.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        let shifted = value.checked_mul(10).filter(|_| digit <= 9);
        shifted?.checked_add(u64::from(digit))
    })
}

/// Reads an address as a number, the first byte its highest; IPv4 comes back mapped into IPv6.
pub(crate) fn address(token: &[u8]) -> Option<u128> {
    let text = from_utf8(token).ok()?;
    match text.parse::<Ipv4Addr>() {
        Ok(address) => Some(u128::from(address.to_ipv6_mapped())),
        Err(_) => text.parse::<Ipv6Addr>().ok().map(u128::from),
    }
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
}
