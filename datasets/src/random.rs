//! A small pseudo-random generator with the distributions traffic is drawn from.
//!
//! xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64. It is kept here because a
//! dataset named by its seed must not change with a dependency's version, and its logarithm and
//! exponential use nothing but IEEE 754 basic operations, since `f64::ln` and `f64::exp` may differ
//! in the last bit from one platform's mathematics library to the next.

use std::f64::consts::{LN_2, LOG2_E};

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rng([u64; 4]);

impl Rng {
    /// The stream of that name under a seed; streams of different names are independent, so that a
    /// source of traffic added later leaves what the others draw as it was.
    pub(crate) fn new(seed: u64, stream: &str) -> Self {
        let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let name = stream.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
        let mut state = seed ^ mixed(name);
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(state)
        }))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A whole number below `n`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A whole number from `low` to below `high`; `low` when the range is empty.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).max(0) as u64) as i64
    }

    /// An index into a sequence of that length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of the items, or nothing when there is none.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        items.get(self.index(items.len())).copied()
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of that probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// About standard normal: the scaled sum of four uniforms, so never beyond 3.5.
    pub(crate) fn normal(&mut self) -> f64 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum();
        (sum as f64 / 65_535.0 - 2.0) * 3.0_f64.sqrt()
    }

    /// Log-normal with that median and that standard deviation of its logarithm.
    pub(crate) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * exp(sigma * self.normal())
    }

    /// Exponential with that mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * ln(1.0 - self.unit())
    }

    /// Poisson with that mean: exact below 24, by the normal approximation above.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean >= 24.0 {
            return (mean + mean.sqrt() * self.normal() + 0.5).max(0.0) as u64;
        }
        let limit = exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// An ephemeral port as Linux hands them out.
    pub(crate) fn ephemeral_port(&mut self) -> u16 {
        32_768 + self.below(28_232) as u16
    }

    /// That many hexadecimal digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let digit = |rng: &mut Self| char::from_digit(rng.below(16) as u32, 16).unwrap_or('0');
        (0..digits).map(|_| digit(self)).collect()
    }
}

/// splitmix64's finaliser: spreads every bit of a number over all of them.
pub(crate) fn mixed(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The exponential of `x`, clamped to ±700: a power of two times a Taylor series on ±ln 2 / 2.
pub(crate) fn exp(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let power = (x * LOG2_E + 0.5).floor();
    let rest = x - power * LN_2;
    let series = (1..=9).rev().fold(1.0, |sum, term| 1.0 + rest / f64::from(term) * sum);
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// The natural logarithm of a positive normal number: its exponent, and 2 artanh of the rest.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.max(f64::MIN_POSITIVE).to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series: f64 = (0..12).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_exponential_and_logarithm_agree_with_the_platform() {
        for x in [-30.0, -1.5, -0.1, 0.0, 1e-9, 0.3, 1.0, 7.7, 80.0_f64] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-9, "exp({x})");
        }
        for x in [1e-12, 0.2, 0.999, 1.0, 1.7, 2.0, 1e9_f64] {
            assert!((ln(x) - x.ln()).abs() < 1e-9, "ln({x})");
        }
    }

    #[test]
    fn distributions_have_the_moments_they_claim() {
        let mut rng = Rng::new(1, "moments");
        let n = 200_000;
        let mean =
            |draw: &mut dyn FnMut() -> f64| (0..n).map(|_| draw()).sum::<f64>() / f64::from(n);
        assert!(mean(&mut || rng.normal()).abs() < 0.01);
        assert!((mean(&mut || rng.normal().powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&mut || rng.exponential(5.0)) - 5.0).abs() < 0.1);
        assert!((mean(&mut || rng.poisson(3.0) as f64) - 3.0).abs() < 0.05);
        assert!((mean(&mut || rng.poisson(90.0) as f64) - 90.0).abs() < 0.5);
    }

    #[test]
    fn the_generator_never_changes() {
        let mut rng = Rng::new(7, "fixed");
        let drawn: Vec<String> = (0..3).map(|_| format!("{:016x}", rng.bits())).collect();
        expect_test::expect!["da1a208ce784ab82 1c71275096022a6b 09c64f08e8e4d884"]
            .assert_eq(&drawn.join(" "));
    }
}
