//! When people are busy: the hour of the day and the day of the week.

use crate::{DAY_SECS, HOUR_SECS};

/// Relative activity at the start of each hour; the day's mean is about 1.
const HOURS: [f64; 24] = [
    0.42, 0.33, 0.28, 0.26, 0.28, 0.38, 0.58, 0.86, 1.12, 1.30, 1.38, 1.40, //
    1.42, 1.36, 1.32, 1.30, 1.28, 1.32, 1.44, 1.54, 1.50, 1.28, 0.92, 0.62,
];

/// Saturday and Sunday against a working day.
const WEEKEND: f64 = 0.68;

/// Relative activity at a time, in Unix seconds: 1 is the mean of a working day.
pub(crate) fn activity(time: i64) -> f64 {
    let second = time.rem_euclid(DAY_SECS);
    let hour = (second / HOUR_SECS) as usize;
    let within = (second % HOUR_SECS) as f64 / HOUR_SECS as f64;
    let level = HOURS[hour] * (1.0 - within) + HOURS[(hour + 1) % 24] * within;
    if is_weekend(time) { level * WEEKEND } else { level }
}

/// Whether the time falls on a Saturday or a Sunday.
pub(crate) fn is_weekend(time: i64) -> bool {
    // Day 0 was a Thursday.
    (time.div_euclid(DAY_SECS) + 3).rem_euclid(7) >= 5
}

/// Whether people are at work: a weekday from 8 to 18 o'clock.
pub(crate) fn is_office_hour(time: i64) -> bool {
    let second = time.rem_euclid(DAY_SECS);
    !is_weekend(time) && (8 * HOUR_SECS..18 * HOUR_SECS).contains(&second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_day_averages_one_and_weekends_are_quieter() {
        let monday = 1_740_960_000; // 2025-03-03
        let mean = (0..1440).map(|m| activity(monday + m * 60)).sum::<f64>() / 1440.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!(is_weekend(monday - 1) && !is_weekend(monday));
        assert!(activity(monday - DAY_SECS + 43_200) < activity(monday + 43_200));
    }
}
