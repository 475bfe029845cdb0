//! Numbers and times as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A count or measure with at most three significant digits, thousands apart: `12 300`, `4.5`.
pub(super) fn count(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:.2e}");
    }
    if size < 100.0 && value.fract() != 0.0 {
        let digits = if size < 0.01 { return format!("{value:.1e}") } else { 3 - magnitude(size) };
        let text = format!("{value:.digits$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    grouped(value.round())
}

/// How many digits are before the point.
fn magnitude(size: f64) -> usize {
    match size {
        s if s >= 10.0 => 2,
        s if s >= 1.0 => 1,
        _ => 0,
    }
}

fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) && digits.len() > 4 {
            text.push(' ');
        }
        text.push(digit);
    }
    if whole < 0.0 { format!("-{text}") } else { text }
}

/// Bytes: `12.3 MB`.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 || scaled.abs() >= 99.95 {
        format!("{} {name}", count(scaled.round()))
    } else {
        format!("{scaled:.1} {name}")
    }
}

/// A length of time: `45 s`, `4 h`, `2 d 3 h`.
pub(super) fn duration(secs: f64) -> String {
    if !secs.is_finite() || secs < 0.0 {
        return "?".to_owned();
    }
    let units = [(86_400.0, "d", 3600.0, "h"), (3600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s")];
    for (size, name, small_size, small_name) in units {
        if secs >= size {
            let large = (secs / size).floor();
            let small = ((secs - large * size) / small_size).floor();
            if small == 0.0 || large >= 10.0 {
                return format!("{} {name}", count(large));
            }
            return format!("{} {name} {small:.0} {small_name}", count(large));
        }
    }
    format!("{} s", count(secs))
}

/// A probability in words.
pub(super) fn probability(p_value: f64) -> String {
    if p_value.is_nan() || p_value < 0.0 {
        return "of unknown probability".to_owned();
    }
    if p_value >= 0.1 {
        return "not rare in normal traffic".to_owned();
    }
    // Below this the number says more of the model's tail than of traffic.
    if p_value < 1e-9 {
        return "normal traffic does this less than once in a thousand million times".to_owned();
    }
    let once_in = 1.0 / p_value;
    let words = match once_in {
        n if n >= 1e6 => format!("{} million", count(two_digits(n / 1e6))),
        n => count(two_digits(n)),
    };
    format!("normal traffic does this once in {words} times")
}

fn two_digits(value: f64) -> f64 {
    let scale = 10_f64.powf(value.log10().floor() - 1.0);
    (value / scale).round() * scale
}

/// From when to when, UTC: `2026-03-01 02:10 to 03:40 UTC (1 h 30 min)`.
pub(super) fn span(first: &str, last: &str) -> String {
    let (Ok(from), Ok(until)) = (first.parse::<Timestamp>(), last.parse::<Timestamp>()) else {
        return format!("{} to {}", super::escape::escape(first), super::escape::escape(last));
    };
    let (a, b) = (from.to_zoned(TimeZone::UTC), until.to_zoned(TimeZone::UTC));
    let start = a.strftime("%Y-%m-%d %H:%M");
    let secs = until.as_second() - from.as_second();
    if secs < 60 {
        return format!("{start} UTC");
    }
    let end = if a.date() == b.date() { b.strftime("%H:%M") } else { b.strftime("%Y-%m-%d %H:%M") };
    format!("{start} to {end} UTC ({})", duration(secs as f64))
}

/// A value by the unit that its name ends in.
pub(super) fn by_name(name: &str, value: f64) -> String {
    match name.rsplit('_').next() {
        Some("bytes") => bytes(value),
        Some("secs") => duration(value),
        Some("share") => format!("{} %", count(value * 100.0)),
        _ if name.starts_with("bytes") => bytes(value),
        _ => count(value),
    }
}
