//! The functions against the standard library, and on what is no address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use datafusion::prelude::SessionContext;
use ingest::ip_ranges::Prefix;
use model::identity::{Directory, IdentityOptions};

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

/// Numbers without a pattern, the same in every run.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }

    /// Two addresses of one family, the same or different in one bit, and a length of a prefix.
    fn pair(&mut self) -> (IpAddr, IpAddr, u32) {
        let one =
            |at: u32, width: u32| 1_u128.checked_shl(at).unwrap_or(0) * u128::from(at < width);
        if self.below(2) == 0 {
            let a = self.below(u32::MAX);
            let b = a ^ u32::try_from(one(self.below(33), 32)).unwrap();
            (Ipv4Addr::from_bits(a).into(), Ipv4Addr::from_bits(b).into(), self.below(33))
        } else {
            // None where IPv4 is mapped, which has a test of its own.
            let a = u128::from(self.next()) << 64 | u128::from(self.next()) | 0xff << 120;
            let b = a ^ one(self.below(120), 128);
            (Ipv6Addr::from_bits(a).into(), Ipv6Addr::from_bits(b).into(), self.below(129))
        }
    }
}

#[test]
fn a_range_has_the_addresses_that_share_its_bits() {
    let mut draws = Draws(7);
    let (mut n_in, mut n_out) = (0, 0);
    for _ in 0..20_000 {
        let (a, b, bits) = draws.pair();
        let range: Prefix = format!("{a}/{bits}").parse().unwrap();
        let shared = shares(&octets(a), &octets(b), usize::try_from(bits).unwrap());
        assert_eq!(is_in(range, &b.to_string()), shared, "{a}/{bits} {b}");
        *(if shared { &mut n_in } else { &mut n_out }) += 1;
    }
    assert!(n_in > 5000 && n_out > 5000, "{n_in} {n_out}");
}

#[test]
fn a_prefix_is_the_first_24_bits_or_48() {
    let mut draws = Draws(8);
    for _ in 0..20_000 {
        let (a, b, _) = draws.pair();
        let texts = [a, b].map(|end| prefix24(address(&end.to_string()).unwrap()));
        let bits = if a.is_ipv4() { 24 } else { 48 };
        assert_eq!(texts[0] == texts[1], shares(&octets(a), &octets(b), bits), "{a} {b}");
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
