//! How many false findings a person accepts: the one knob of judging.

use std::fmt;
use std::str::FromStr;

const DAY_SECS: f64 = 86_400.0;

/// False findings accepted per day, over the whole estate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    per_day: f64,
}

/// Less is no budget but silence; more is no judgement.
const PER_DAY_MIN: f64 = 0.001;
const PER_DAY_MAX: f64 = 1000.0;

impl Budget {
    /// So many a day; `None` unless it is from 0.001 to 1000.
    pub fn per_day(per_day: f64) -> Option<Self> {
        (PER_DAY_MIN..=PER_DAY_MAX).contains(&per_day).then_some(Self { per_day })
    }

    /// How many a day.
    pub fn of_a_day(self) -> f64 {
        self.per_day
    }
}

impl Default for Budget {
    /// One a day: what a person on call can look into.
    fn default() -> Self {
        Self { per_day: 1.0 }
    }
}

/// What is no budget, and what one looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a number of false findings per hour, day or week from 0.001 to 1000 a day, as in 1/day or 3/week"
)]
pub struct NotABudget;

impl FromStr for Budget {
    type Err = NotABudget;

    fn from_str(text: &str) -> Result<Self, NotABudget> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "day"));
        let unit_secs = match unit.trim() {
            "hour" => 3600.0,
            "day" => DAY_SECS,
            "week" => 7.0 * DAY_SECS,
            _ => return Err(NotABudget),
        };
        let number: f64 = number.trim().parse().map_err(|_| NotABudget)?;
        Self::per_day(number * DAY_SECS / unit_secs).ok_or(NotABudget)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/day", self.per_day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_a_unit_of_time() {
        let per_day = |text: &str| text.parse::<Budget>().map(Budget::of_a_day);
        assert_eq!(per_day("1/day"), Ok(1.0));
        assert_eq!(per_day("0.1"), Ok(0.1));
        assert_eq!(per_day("2/hour"), Ok(48.0));
        assert_eq!(per_day("7/week"), Ok(1.0));
    }

    #[test]
    fn what_is_no_budget_is_an_error() {
        for text in ["", "x/day", "1/month", "0/day", "-1/day", "NaN/day", "inf", "1e9/day"] {
            assert_eq!(text.parse::<Budget>(), Err(NotABudget), "{text}");
        }
    }
}
