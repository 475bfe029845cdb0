//! What a watch says while it runs of what is no finding: flow logs that stop (T1562.008), suppressions
//! that hide much. Nobody waits for its end to hear of these.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Consumer, Outlet};
use crate::silence::ToldGaps;
use crate::{clock, delivery, output};

/// Gaps are looked for this often.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// With no record for so long something is to be looked at.
const SILENT: Duration = Duration::from_hours(1);

/// With fewer deviations than this, half of them are not much.
const DEVIATIONS_MIN: u64 = 20;

/// What was said, so that nothing is said twice.
pub(super) struct Notices {
    gaps: ToldGaps,
    rules: BTreeSet<String>,
    /// When the last record came.
    came_at: Instant,
    is_silence_told: bool,
    looked_at: Instant,
}

impl Notices {
    pub(super) fn new() -> Self {
        let now = clock::now();
        Self {
            gaps: ToldGaps::default(),
            rules: BTreeSet::new(),
            came_at: now,
            is_silence_told: false,
            looked_at: now,
        }
    }

    /// Something came.
    pub(super) fn came(&mut self) {
        (self.came_at, self.is_silence_told) = (clock::now(), false);
    }

    /// Says what is new since it last looked, if that is long enough ago; gives back how many gaps that
    /// were.
    pub(super) fn look(&mut self, consumer: &Consumer<'_>, outlet: &Outlet<'_>) -> u64 {
        self.silence();
        if self.looked_at.elapsed() < LOOK_EVERY {
            return 0;
        }
        self.looked_at = clock::now();
        self.rules(outlet);
        self.gaps(consumer)
    }

    /// A stream whose flow logs were all turned off looks like one that has nothing to say.
    fn silence(&mut self) {
        let silent = self.came_at.elapsed();
        if silent < SILENT || self.is_silence_told {
            return;
        }
        self.is_silence_told = true;
        output::event(
            "no record came for an hour: see whether the flow logs, and what delivers them, are still on \
             (T1562.008)",
            &[("silent_seconds", silent.as_secs().into())],
        );
    }

    fn rules(&mut self, outlet: &Outlet<'_>) {
        let is_said =
            |hit: &detect::suppress::Hit| outlet.n_deviations >= DEVIATIONS_MIN || hit.n_grave > 0;
        let much = outlet.hits().filter(|hit| hit.hides_much(outlet.n_deviations) && is_said(hit));
        for hit in much {
            if self.rules.insert(hit.rule.clone()) {
                let text = format!(
                    "{}; each revision of a finding counts",
                    delivery::much_line(hit, outlet.n_deviations)
                );
                output::event(&text, &[("rule", hit.rule.as_str().into())]);
            }
        }
    }

    /// Says which gaps are new or over, and gives back how many are new.
    pub(super) fn gaps(&mut self, consumer: &Consumer<'_>) -> u64 {
        let mut gaps = consumer.gaps();
        let n_first = gaps.leave_out_told(&mut self.gaps);
        for notice in gaps.notices() {
            let about: Vec<(&str, Value)> =
                notice.about.iter().map(|(name, value)| (*name, value.as_str().into())).collect();
            output::event(&notice.text, &about);
        }
        n_first
    }
}
