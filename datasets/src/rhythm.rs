//! When people are busy: the hour of the day and the day of the week, where they live.

use crate::random::Rng;
use crate::{DAY_SECS, HOUR_SECS};

/// Relative activity at the start of each hour; the day's mean is about 1.
const HOURS: [f64; 24] = [
    0.42, 0.33, 0.28, 0.26, 0.28, 0.38, 0.58, 0.86, 1.12, 1.30, 1.38, 1.40, //
    1.42, 1.36, 1.32, 1.30, 1.28, 1.32, 1.44, 1.54, 1.50, 1.28, 0.92, 0.62,
];

/// The days of the people an estate serves and is run by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rhythm {
    /// What their clocks are ahead of Unix time, in seconds.
    pub(crate) ahead_secs: i64,
    /// Saturday and Sunday against a working day.
    pub(crate) weekend: f64,
    /// How much the hours differ: 1 as usual, 0 not at all.
    pub(crate) swing: f64,
}

impl Rhythm {
    pub(crate) const USUAL: Self = Self { ahead_secs: 0, weekend: 0.68, swing: 1.0 };

    /// The rhythm of an estate somewhere from the Azores to Moscow, for people at work or at leisure.
    pub(crate) fn drawn(rng: &mut Rng) -> Self {
        let ahead_secs = rng.between(-2, 7) * HOUR_SECS / 2;
        Self { ahead_secs, weekend: 0.35 + 0.6 * rng.unit(), swing: 0.7 + 0.4 * rng.unit() }
    }

    /// What clocks there show.
    pub(crate) fn local(self, time: i64) -> i64 {
        time + self.ahead_secs
    }

    /// Relative activity at a time, in Unix seconds: 1 is the mean of a working day.
    pub(crate) fn activity(self, time: i64) -> f64 {
        let local = self.local(time);
        let second = local.rem_euclid(DAY_SECS);
        let hour = (second / HOUR_SECS) as usize;
        let within = (second % HOUR_SECS) as f64 / HOUR_SECS as f64;
        let level = HOURS[hour] * (1.0 - within) + HOURS[(hour + 1) % 24] * within;
        let level = if self.swing < 1.0 { 1.0 + self.swing * (level - 1.0) } else { level };
        if is_weekend(local) { level * self.weekend } else { level }
    }

    /// Whether people are at work: a weekday from 8 to 18 o'clock.
    pub(crate) fn is_office_hour(self, time: i64) -> bool {
        let local = self.local(time);
        let second = local.rem_euclid(DAY_SECS);
        !is_weekend(local) && (8 * HOUR_SECS..18 * HOUR_SECS).contains(&second)
    }
}

/// Whether a time on local clocks falls on a Saturday or a Sunday.
pub(crate) fn is_weekend(local: i64) -> bool {
    // Day 0 was a Thursday.
    (local.div_euclid(DAY_SECS) + 3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_day_averages_one_and_weekends_are_quieter() {
        let monday = 1_740_960_000; // 2025-03-03
        let activity = |time| Rhythm::USUAL.activity(time);
        let mean = (0..1440).map(|m| activity(monday + m * 60)).sum::<f64>() / 1440.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!(is_weekend(monday - 1) && !is_weekend(monday));
        assert!(activity(monday - DAY_SECS + 43_200) < activity(monday + 43_200));
    }

    #[test]
    fn clocks_that_are_ahead_bring_the_day_earlier() {
        let east = Rhythm { ahead_secs: 2 * HOUR_SECS, ..Rhythm::USUAL };
        let at_nine = DEFAULT_NINE - 2 * HOUR_SECS;
        assert!((east.activity(at_nine) - Rhythm::USUAL.activity(DEFAULT_NINE)).abs() < 1e-12);
        assert!(east.is_office_hour(at_nine) && !Rhythm::USUAL.is_office_hour(at_nine));
    }

    /// Nine o'clock of a Monday.
    const DEFAULT_NINE: i64 = crate::DEFAULT_START + 9 * HOUR_SECS;
}
