//! When a rule holds: days of the week, times of the day, or both, in a zone.
//!
//! ```text
//! Sat,Sun 02:00-04:00
//! Mon-Fri
//! 22:00-02:00            # every day, into the next one
//! ```

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// Stretches that a deviation is followed through where one goes over into the next: more than a year
/// of days. What lasts longer is no job that a schedule tells of.
const STRETCHES_MAX: usize = 400;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Stretches of time that come again each week.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schedule {
    /// From Monday on.
    days: [bool; 7],
    from: Time,
    /// On the next day if it is not after `from`.
    to: Time,
    zone: TimeZone,
}

impl Schedule {
    /// Reads what a rule says; `zone` is UTC if not given.
    pub(super) fn parse(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let shown: String = text.chars().take(64).collect();
        let wrong = || {
            format!("`schedule` is days, times or both, as in `Sat,Sun 02:00-04:00`, not `{shown}`")
        };
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                let shown: String = name.chars().take(64).collect();
                format!("`timezone` is a name as in Europe/Berlin, not `{shown}`")
            })?,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (of_days, of_times) = match words.as_slice() {
            [one] if one.contains(':') => (None, Some(*one)),
            [one] => (Some(*one), None),
            [of_days, of_times] => (Some(*of_days), Some(*of_times)),
            _ => return Err(wrong()),
        };
        let days = of_days.map_or(Some([true; 7]), days).ok_or_else(wrong)?;
        let midnight = (Time::midnight(), Time::midnight());
        let (from, to) = of_times.map_or(Some(midnight), times).ok_or_else(wrong)?;
        Ok(Self { days, from, to, zone })
    }

    /// Whether all of it, from the first second to the last, Unix seconds, is at such times.
    pub(super) fn holds(&self, first: i64, last: i64) -> bool {
        let mut at = first;
        for _ in 0..STRETCHES_MAX {
            match self.end_of_stretch(at) {
                Some(end) if last <= end => return first <= last,
                Some(end) => at = end,
                None => return false,
            }
        }
        false
    }

    /// The end of the stretch that this second is in, or begins.
    fn end_of_stretch(&self, at: i64) -> Option<i64> {
        let date = Timestamp::from_second(at).ok()?.to_zoned(self.zone.clone()).date();
        // One that began yesterday may still last; of two the later end counts.
        let stretches = [date.yesterday().ok(), Some(date)].into_iter().flatten();
        let stretches = stretches.filter_map(|date| self.stretch(date));
        stretches.filter(|&(from, to)| from <= at && at < to).map(|(_, to)| to).max()
    }

    /// The stretch that begins on a day, Unix seconds.
    fn stretch(&self, date: Date) -> Option<(i64, i64)> {
        let n_day = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        if !*self.days.get(n_day)? {
            return None;
        }
        let last_date = if self.to > self.from { date } else { date.tomorrow().ok()? };
        let second = |date: Date, time| {
            Some(date.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp().as_second())
        };
        Some((second(date, self.from)?, second(last_date, self.to)?))
    }
}

/// `Sat,Sun` or `Mon-Fri`, or a list of such; which days they are.
fn days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (day(from)?, day(to)?);
        let n_more = (to + 7 - from) % 7;
        (from..=from + n_more).for_each(|n| days[n % 7] = true);
    }
    Some(days)
}

/// Which day a name is, Monday 0.
fn day(name: &str) -> Option<usize> {
    DAYS.iter().position(|short| name.eq_ignore_ascii_case(short))
}

/// `02:00-04:00`; 24:00 is the midnight that ends the day.
fn times(text: &str) -> Option<(Time, Time)> {
    let (from, to) = text.split_once('-')?;
    let to = if to == "24:00" { Time::midnight() } else { time(to)? };
    let from = time(from)?;
    (from != to || from == Time::midnight()).then_some((from, to))
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let is_two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !is_two(hour) || !is_two(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(schedule: &str, zone: Option<&str>, first: &str, last: &str) -> bool {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        Schedule::parse(schedule, zone).unwrap().holds(second(first), second(last))
    }

    /// 2026-03-07 is a Saturday.
    #[test]
    fn only_what_lies_wholly_within_is_held() {
        let sat = |from: &str, to: &str| {
            let at = |time: &str| format!("2026-03-07T{time}:00Z");
            holds("Sat,Sun 02:00-04:00", None, &at(from), &at(to))
        };
        assert!(sat("02:00", "04:00") && sat("03:00", "03:00"));
        assert!(!sat("01:59", "03:00") && !sat("03:00", "04:01") && !sat("04:00", "04:00"));
        assert!(!sat("05:00", "06:00"));
        let friday = ["2026-03-06T02:30:00Z", "2026-03-06T03:00:00Z"];
        assert!(!holds("Sat,Sun 02:00-04:00", None, friday[0], friday[1]));
        let over_the_day = ["2026-03-07T03:00:00Z", "2026-03-08T03:00:00Z"];
        assert!(!holds("Sat,Sun 02:00-04:00", None, over_the_day[0], over_the_day[1]));
    }

    #[test]
    fn stretches_that_touch_are_one() {
        let (friday, sunday) = ("2026-03-06T23:00:00Z", "2026-03-08T23:00:00Z");
        assert!(holds("Fri-Sun", None, friday, sunday));
        assert!(!holds("Sat,Sun", None, friday, sunday));
        assert!(holds("Sat-Mon", None, sunday, "2026-03-09T23:59:59Z"), "over the week's end");
        assert!(!holds("Mon-Sun", None, "2020-01-01T00:00:00Z", sunday), "no job lasts years");
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        assert!(holds("Sat 22:00-02:00", None, "2026-03-07T22:00:00Z", "2026-03-08T01:00:00Z"));
        assert!(holds("Sat 22:00-02:00", None, "2026-03-08T00:00:00Z", "2026-03-08T02:00:00Z"));
        assert!(!holds("Sun 22:00-02:00", None, "2026-03-08T00:00:00Z", "2026-03-08T01:00:00Z"));
        assert!(holds("20:00-24:00", None, "2026-03-08T20:00:00Z", "2026-03-09T00:00:00Z"));
    }

    /// In Berlin clocks go from 02:00 to 03:00 on 2026-03-29.
    #[test]
    fn hours_are_those_of_the_zone() {
        let berlin = Some("Europe/Berlin");
        let winter = ["2026-03-22T01:00:00Z", "2026-03-22T02:59:00Z"];
        let summer = ["2026-04-05T00:00:00Z", "2026-04-05T01:59:00Z"];
        for [first, last] in [winter, summer] {
            assert!(holds("Sun 02:00-04:00", berlin, first, last));
            assert!(!holds("Sun 02:00-04:00", None, first, last));
        }
        let changing = ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"];
        assert!(holds("Sun 01:00-04:00", berlin, changing[0], changing[1]));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in
            ["", "Caturday", "Sat 2:00-4:00", "Sat 25:00-26:00", "Sat,", "03:00-03:00", "a b c"]
        {
            assert!(Schedule::parse(text, None).is_err(), "{text}");
        }
        assert!(Schedule::parse("Sat", Some("Mars/Base")).is_err());
        assert!(Schedule::parse("SAT,sun", Some("Asia/Kolkata")).is_ok());
    }
}
