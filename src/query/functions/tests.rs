//! The functions against the standard library, and on what is no address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datafusion::prelude::SessionContext;
use ingest::ip_ranges::Prefix;
use model::identity::{Directory, IdentityOptions};
use proptest::prelude::*;

use super::*;

/// Whether the first `bits` of both are the same, bit by bit.
fn shares(a: &[u8], b: &[u8], bits: usize) -> bool {
    let bit = |octets: &[u8], at: usize| octets[at / 8] >> (7 - at % 8) & 1;
    a.len() == b.len() && (0..bits).all(|at| bit(a, at) == bit(b, at))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// Addresses of both families that differ from one another late as often as early.
fn pair() -> impl Strategy<Value = (IpAddr, IpAddr, u8)> {
    let v4 = (any::<u32>(), 0..33_u8, 0..33_u8).prop_map(|(a, differs, bits)| {
        let b = a ^ (1_u32.checked_shl(u32::from(differs)).unwrap_or(0));
        (IpAddr::V4(Ipv4Addr::from_bits(a)), IpAddr::V4(Ipv4Addr::from_bits(b)), bits)
    });
    let v6 = (any::<u128>(), 0..129_u8, 0..129_u8).prop_map(|(a, differs, bits)| {
        // Nothing here is where IPv4 is mapped: that range has a test of its own.
        let a = a | 1 << 127;
        let b = a ^ (1_u128.checked_shl(u32::from(differs)).unwrap_or(0));
        (IpAddr::V6(Ipv6Addr::from_bits(a)), IpAddr::V6(Ipv6Addr::from_bits(b)), bits)
    });
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn a_range_has_the_addresses_that_share_its_bits((a, b, bits) in pair()) {
        let range: Prefix = format!("{a}/{bits}").parse().unwrap();
        let shared = shares(&octets(a), &octets(b), usize::from(bits));
        prop_assert_eq!(is_in(range, &b.to_string()), shared, "{}/{} {}", a, bits, b);
    }

    #[test]
    fn a_prefix_is_the_first_24_bits_or_48((a, b, _) in pair()) {
        let texts = [a, b].map(|address| prefix24(super::address(&address.to_string()).unwrap()));
        let bits = if a.is_ipv4() { 24 } else { 48 };
        prop_assert_eq!(texts[0] == texts[1], shares(&octets(a), &octets(b), bits));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let range: Prefix = "10.0.0.0/8".parse().unwrap();
        let is_address = text.parse::<IpAddr>().is_ok();
        prop_assert!(is_address || !is_in(range, &text));
    }
}

#[test]
fn families_do_not_mix_but_mapped_addresses_are_ipv4() {
    let range = |text: &str| text.parse::<Prefix>().unwrap();
    assert!(!is_in(range("::/0"), "10.0.0.1"));
    assert!(!is_in(range("0.0.0.0/0"), "2001:db8::1"));
    assert!(is_in(range("10.0.0.0/8"), "::ffff:10.1.2.3"));
    assert!(is_in(range("10.9.9.9/8"), "10.0.0.1"), "host bits do not count");
    assert_eq!(prefix24(address("::ffff:192.0.2.77").unwrap()), "192.0.2.0/24");
    assert_eq!(prefix24(address("2001:db8:1:2::3").unwrap()), "2001:db8:1::/48");
}

fn ask(sql: &str) -> Result<String> {
    let session = SessionContext::new();
    register(&session, Directory::new(IdentityOptions::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(async { session.sql(sql).await?.collect().await })?;
    let value = ScalarValue::try_from_array(batches[0].column(0), 0)?;
    Ok(value.to_string())
}

#[test]
fn they_take_constants_columns_and_nulls() {
    let cases = [
        ("cidr_contains('10.0.0.0/8', '10.1.1.1')", "true"),
        ("cidr_contains('10.0.0.0/8', null)", "NULL"),
        ("cidr_contains('10.0.0.0/8', '-')", "false"),
        ("prefix24('nothing')", "NULL"),
        ("service_of('203.0.113.9')", "203.0.113.9"),
        ("service_of('10.0.0.9', timestamp '2025-03-03T00:00:00Z')", "10.0.0.9"),
        ("service_of('a name')", "a name"),
    ];
    for (call, expected) in cases {
        assert_eq!(ask(&format!("select {call}")).unwrap(), expected, "{call}");
    }
    let of_columns = "select count(*) from (values ('10.0.0.0/8', '10.1.1.1'), ('x', '10.1.1.1'), \
                      ('11.0.0.0/8', '10.1.1.1')) t(c, a) where cidr_contains(c, a)";
    assert_eq!(ask(of_columns).unwrap(), "1");
}

#[test]
fn wrong_calls_say_how_to_call() {
    for (call, said) in [
        ("cidr_contains('10.0.0.0/8')", "cidr_contains(cidr, address)"),
        ("prefix24(7)", "prefix24(address)"),
        ("service_of('10.0.0.1', true)", "service_of(address[, time])"),
        ("cidr_contains('10.0.0.0/99', '10.0.0.1')", "10.0.0.0/99"),
    ] {
        let error = ask(&format!("select {call}")).unwrap_err().to_string();
        assert!(error.contains(said), "{call}: {error}");
    }
}
