//! Durations and times as people type them.

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds in `90s`, `20m`, `8h`, `14d`, `2w`; a bare number is seconds.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("`{text}` is not a duration: write a number and s, m, h, d or w, as in 8h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    if number < 0 {
        return Err(wrong());
    }
    number.checked_mul(unit).ok_or_else(wrong)
}

/// Unix seconds of a time (RFC 3339) or of a date's midnight in the zone.
pub(crate) fn time(text: &str, zone: &TimeZone) -> Result<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_second());
    }
    let Ok(date) = text.parse::<Date>() else {
        bail!("`{text}` is not a time: write 2025-03-03T14:00:00Z or 2025-03-03");
    };
    let midnight =
        date.to_zoned(zone.clone()).with_context(|| format!("`{text}` is out of range"))?;
    Ok(midnight.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(seconds("8h"), Ok(28_800));
        assert_eq!(seconds("90"), Ok(90));
        assert!(seconds("8 hours").is_err() && seconds("").is_err() && seconds("-1h").is_err());
    }

    #[test]
    fn a_date_is_its_midnight_in_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(time("2025-03-03", &zone).unwrap(), 1_740_956_400);
        assert_eq!(time("2025-03-03T00:00:00Z", &zone).unwrap(), 1_740_960_000);
        assert!(time("yesterday", &zone).is_err());
    }
}
