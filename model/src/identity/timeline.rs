//! Values that hold from a time on.

/// What was known at each of several times, the earliest first.
#[derive(Clone, Debug)]
pub(super) struct Timeline<T> {
    entries: Vec<(i64, T)>,
}

impl<T: PartialEq> Timeline<T> {
    /// Appends what was known at a time no earlier than the last; a repetition costs nothing.
    pub(super) fn push(&mut self, time: i64, value: T) {
        if self.entries.last().is_none_or(|(_, last)| *last != value) {
            self.entries.push((time, value));
        }
    }
}

impl<T> Timeline<T> {
    /// The latest value at or before the time, else the earliest after it.
    pub(super) fn as_of(&self, time: i64) -> Option<&T> {
        let n_before = self.entries.partition_point(|&(at, _)| at <= time);
        self.entries.get(n_before.saturating_sub(1)).map(|(_, value)| value)
    }
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}
