//! The one place that looks at a clock, for progress only: judging knows event time alone.

use std::time::Instant;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "progress is about the user's time, not the records'"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
