//! The one place that looks at a clock, for progress and for how far a source is behind: judging
//! knows event time alone.

use std::time::Instant;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "progress is about the user's time, not the records'"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now, Unix seconds; 0 on a clock before 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "how far a source is behind is against the user's time"
)]
pub(crate) fn unix_secs() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
