//! Whether events come at regular intervals: two tests, each with a null of its own.
//!
//! The null is a process with dead time and otherwise no memory: gaps are [`COLLAPSE_SECS`] plus an
//! exponential of unknown rate. Events closer than that are one burst.
//!
//! 1. *Cluster*: some ratio `r` has surprisingly many gaps within `[d, r·d]`. For an exponential the
//!    largest chance of falling into any such interval is `q(r) = r^(-1/(r-1)) - r^(-r/(r-1))`,
//!    whatever its rate; the count over the best of `n` intervals and four ratios is bounded by a
//!    binomial tail and Bonferroni. Missed and extra beats only take gaps away from the cluster.
//! 2. *Spread*: given their sum, exponential gaps are uniform on a simplex. Those with a coefficient of
//!    variation below `c` lie in a ball around its centre; the ball's volume over the simplex's bounds
//!    the chance.
//!
//! The combined p-value is twice the smaller.

/// Events closer than this to the last are the same burst, seconds.
pub const COLLAPSE_SECS: i64 = 10;

/// So many events at least, and the latest so many are looked at.
pub const EVENTS_MIN: usize = 12;
/// See [`EVENTS_MIN`].
pub const EVENTS_MAX: usize = 48;

/// The ratios tried, with the largest chance of an exponential gap falling into `[d, r·d]`.
const RATIOS: [(f64, f64); 4] = [(1.1, 0.0351), (1.35, 0.1101), (2.0, 0.25), (3.0, 0.3849)];

/// What was found of a series of events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regularity {
    /// The chance of such a series without a timer.
    pub p_value: f64,
    /// The usual gap, seconds.
    pub period_secs: f64,
    /// The spread of the gaps around the period: largest over smallest in the cluster.
    pub ratio: f64,
    /// The coefficient of variation of the gaps beyond the dead time.
    pub variation: f64,
}

/// Judges ascending event times that are at least [`COLLAPSE_SECS`] apart; `None` if there are too few.
pub fn judge(times: &[i64]) -> Option<Regularity> {
    let times = &times[times.len().saturating_sub(EVENTS_MAX)..];
    if times.len() < EVENTS_MIN {
        return None;
    }
    let mut gaps: Vec<f64> =
        times.windows(2).map(|pair| (pair[1] - pair[0] - COLLAPSE_SECS).max(0) as f64).collect();
    gaps.sort_by(f64::total_cmp);
    let (p_cluster, period, ratio) = cluster(&gaps);
    let variation = variation(&gaps);
    let p_value = (2.0 * p_cluster.min(spread(gaps.len(), variation))).min(1.0);
    Some(Regularity { p_value, period_secs: period + COLLAPSE_SECS as f64, ratio, variation })
}

/// The most surprising cluster: its chance, its median gap and its ratio. `gaps` ascend.
fn cluster(gaps: &[f64]) -> (f64, f64, f64) {
    let n = gaps.len();
    let mut best = (f64::MAX, gaps[n / 2], 0.0);
    for (ratio, q) in RATIOS {
        // Times are whole seconds, so an interval reaches one second further.
        let end_of = |first: usize| gaps.partition_point(|&gap| gap <= ratio * gaps[first] + 1.0);
        let widest = (0..n).max_by_key(|&first| (end_of(first) - first, n - first)).unwrap_or(0);
        let (first, end) = (widest, end_of(widest));
        let chance = (4 * n) as f64 * binomial_tail(n - 1, q, end - first - 1);
        if chance < best.0 {
            best = (chance, gaps[usize::midpoint(first, end - 1)], ratio);
        }
    }
    (best.0.min(1.0), best.1, best.2)
}

fn variation(gaps: &[f64]) -> f64 {
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    if mean <= 0.0 {
        return f64::MAX;
    }
    (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n).sqrt() / mean
}

/// The chance that `n` exponential gaps have a coefficient of variation of at most `variation`.
fn spread(n: usize, variation: f64) -> f64 {
    // A spread below half a second in five minutes cannot be told from none: times are whole seconds.
    let variation = variation.max(0.002);
    let n = n as f64;
    let ln_p = (n - 1.0) / 2.0 * std::f64::consts::PI.ln() - ln_gamma(n.midpoint(1.0))
        + (n - 1.0) * (variation / n.sqrt()).ln()
        + ln_gamma(n)
        - 0.5 * n.ln();
    ln_p.exp().min(1.0)
}

/// The chance of at least `k` of `n` with chance `q` each.
fn binomial_tail(n: usize, q: f64, k: usize) -> f64 {
    let ln_factorial = |m: usize| ln_gamma(m as f64 + 1.0);
    let term = |i: usize| {
        let ln_ways = ln_factorial(n) - ln_factorial(i) - ln_factorial(n - i);
        (ln_ways + i as f64 * q.ln() + (n - i) as f64 * (1.0 - q).ln()).exp()
    };
    (k..=n).map(term).sum::<f64>().min(1.0)
}

/// The logarithm of the gamma function (Lanczos, g = 7, nine terms: 15 digits).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS
        .iter()
        .enumerate()
        .skip(1)
        .fold(TERMS[0], |sum, (i, term)| sum + term / (x + i as f64));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small deterministic source of uniform numbers.
    struct Uniform(u64);

    impl Uniform {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    fn series(n: usize, mut gap: impl FnMut() -> f64) -> Vec<i64> {
        let mut time = 1_700_000_000.0;
        let mut times: Vec<i64> = Vec::new();
        while times.len() < n {
            time += gap();
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds, as in the records")]
            let second = time as i64;
            if times.last().is_none_or(|last| second - last >= COLLAPSE_SECS) {
                times.push(second);
            }
        }
        times
    }

    #[test]
    fn gamma_is_the_factorial() {
        assert!((ln_gamma(6.0) - 120.0_f64.ln()).abs() < 1e-12);
        assert!((binomial_tail(4, 0.5, 3) - 5.0 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn a_timer_with_half_a_period_of_jitter_shows_within_sixteen_events() {
        let mut u = Uniform(7);
        let found = (0..100).filter(|_| {
            let times = series(16, || 300.0 * (0.5 + u.next()));
            judge(&times).is_some_and(|r| r.p_value <= 1e-3)
        });
        assert!(found.count() >= 95);
    }

    #[test]
    fn chance_keeps_its_word() {
        let mut u = Uniform(11);
        let fired = (0..2000).filter(|_| {
            let times = series(20, || -120.0 * (1.0 - u.next()).ln());
            judge(&times).is_some_and(|r| r.p_value <= 1e-2)
        });
        assert!(fired.count() <= 20, "the bound is conservative");
    }

    #[test]
    fn the_period_is_that_of_the_timer() {
        let times: Vec<i64> = (0..20).map(|i| 1000 + 300 * i).collect();
        let found = judge(&times).unwrap();
        assert!((found.period_secs - 300.0).abs() < 1.0 && found.p_value < 1e-9);
    }
}
