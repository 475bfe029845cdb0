//! A window's observers, numbered: what is known of each is then found by its place.

use std::cell::Cell;

use hashbrown::HashMap;

use crate::fold::{Observed, ObserverId, WindowState};

/// The observers of one window.
pub(super) struct Observers<'a> {
    list: Vec<(ObserverId, &'a Observed)>,
    by_id: HashMap<ObserverId, usize>,
    /// The last one found: neighbouring five-tuples mostly share theirs.
    last: Cell<(ObserverId, usize)>,
}

impl<'a> Observers<'a> {
    pub(super) fn of(state: &'a WindowState) -> Self {
        let list: Vec<_> = state.observers.iter().map(|(&id, seen)| (id, seen)).collect();
        let by_id = list.iter().enumerate().map(|(n, &(id, _))| (id, n)).collect();
        let last = Cell::new(list.first().map_or((ObserverId(0), usize::MAX), |&(id, _)| (id, 0)));
        Self { list, by_id, last }
    }

    /// An observer's number.
    #[inline]
    pub(super) fn number(&self, id: ObserverId) -> Option<usize> {
        let (last, number) = self.last.get();
        if last == id && number != usize::MAX {
            return Some(number);
        }
        let number = *self.by_id.get(&id)?;
        self.last.set((id, number));
        Some(number)
    }

    pub(super) fn get(&self, number: usize) -> &'a Observed {
        self.list[number].1
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// With their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'a Observed)> {
        self.list.iter().enumerate().map(|(n, &(_, observed))| (n, observed))
    }

    /// In the order of their names: an id's own order is arbitrary.
    pub(super) fn by_name(&self) -> Vec<(usize, &'a Observed)> {
        let mut list: Vec<_> = self.iter().collect();
        list.sort_by(|(_, a), (_, b)| {
            (&a.account, &a.eni, &a.flow_log_id).cmp(&(&b.account, &b.eni, &b.flow_log_id))
        });
        list
    }
}
