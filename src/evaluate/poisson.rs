//! The exact interval of a rate of rare events (Garwood, 1936).

/// Half of what a 95 % interval leaves out.
const TAIL: f64 = 0.025;

/// The 95 % interval of the expected number when `n` events were counted.
///
/// Its ends are the means under which as many or more, and as few or fewer, have a probability of 2.5 %:
/// halves of chi-square quantiles with `2n` and `2n + 2` degrees of freedom.
pub(crate) fn interval(n: u64) -> (f64, f64) {
    let low = if n == 0 { 0.0 } else { mean_where(|mean| 1.0 - at_most(n - 1, mean) > TAIL, n) };
    let high = mean_where(|mean| at_most(n, mean) < TAIL, n);
    (low, high)
}

/// The mean from which on `is_beyond` holds, by halving.
fn mean_where(is_beyond: impl Fn(f64) -> bool, n: u64) -> f64 {
    let n = n as f64;
    // Six standard deviations and some more hold both ends for every count.
    let (mut low, mut high) = (0.0, n + 6.0 * n.sqrt() + 10.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if is_beyond(middle) { high = middle } else { low = middle }
    }
    f64::midpoint(low, high)
}

/// The probability of at most `n` events. Terms are summed as logarithms: for means above some
/// hundred the first ones are too small for a number.
fn at_most(n: u64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    let mut log_term = -mean;
    let mut sum = log_term.exp();
    for i in 1..=n {
        log_term += mean.ln() - (i as f64).ln();
        sum += log_term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        let known = [
            (0, 0.0, 3.6889),
            (1, 0.0253, 5.5716),
            (2, 0.2422, 7.2247),
            (10, 4.7954, 18.3904),
            (50, 37.1110, 65.9191),
            (100, 81.3640, 121.6275),
        ];
        for (n, low, high) in known {
            let (l, h) = interval(n);
            assert!((l - low).abs() < 1e-3 && (h - high).abs() < 1e-3, "{n}: {l} {h}");
        }
    }

    #[test]
    fn large_counts_come_near_the_normal_approximation() {
        let (low, high) = interval(10_000);
        assert!((low - (10_000.0 - 196.0)).abs() < 3.0, "{low}");
        assert!((high - (10_000.0 + 196.0)).abs() < 5.0, "{high}");
    }
}
