//! The one place that looks at a clock: for progress, for how far a source is behind, and for times that
//! cannot be yet. Judging knows event time alone.

use std::time::Instant;

use jiff::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "progress is about the user's time, not the records'"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now as logs tell it.
#[expect(clippy::disallowed_methods, reason = "log lines and lags are about the user's time")]
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}

/// Now, Unix seconds.
pub(crate) fn unix_secs() -> i64 {
    wall().as_second()
}
