//! The two ways requests and answers write a time, to and from seconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_SECS: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Now, in seconds.
#[expect(clippy::disallowed_methods, reason = "the proxy stands for a server with a clock")]
pub(crate) fn now_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a clock before the year 292 billion")
}

/// `Sun, 22 Nov 2026 04:30:22 GMT`, as in the `Date` field.
pub(crate) fn to_http(secs: i64) -> String {
    let days = secs.div_euclid(DAY_SECS);
    let of_day = secs.rem_euclid(DAY_SECS);
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).expect("below 7")];
    let month = MONTHS[usize::try_from(month - 1).expect("below 12")];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The seconds of `20261122T043022Z`, as in `x-amz-date`; `None` for anything else.
pub(crate) fn from_amz(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if text.len() != 16 || text.get(8..9) != Some("T") {
        return None;
    }
    let days = days(number(0, 4)?, number(4, 6)?, number(6, 8)?);
    Some(days * DAY_SECS + number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?)
}

/// Days since 1970 of a date; years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// The date of a day since 1970: year, month, day.
fn civil(days_since: i64) -> (i64, i64, i64) {
    // Days over 366 is never too late a year; the years it falls short by are walked.
    let mut year = 1970 + days_since.div_euclid(366);
    while days(year + 1, 1, 1) <= days_since {
        year += 1;
    }
    let month = (1..=12).rev().find(|&month| days(year, month, 1) <= days_since).unwrap_or(1);
    (year, month, days_since - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        assert_eq!(to_http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(to_http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(to_http(1_709_251_199), "Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(from_amz("19941106T084937Z"), Some(784_111_777));
        assert_eq!(from_amz("20240229T235959Z"), Some(1_709_251_199));
        assert_eq!(from_amz("20240229"), None);
    }
}
