//! Where windows close: what is folded goes through settling to whoever takes it, oldest first. Batch
//! and stream end here alike.

use anyhow::Result;
use ingest::Ledger;
use model::activity::Activity;
use model::fold::{Aggregator, WindowState};
use model::identity::{Directory, Party};
use model::settle::{Carried, settle};

/// What a closed window goes to.
pub(crate) trait Windows {
    /// Whether a party is known to serve a port.
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool;
    /// Takes the next window; the directory knows who is who as of its end.
    fn take(&mut self, activity: &Activity, directory: &Directory) -> Result<()>;
}

/// Everything a closing window needs.
pub(crate) struct Closing<'a> {
    pub(crate) aggregator: &'a mut Aggregator,
    pub(crate) carried: &'a mut Carried,
    pub(crate) directory: &'a mut Directory,
    /// What settling classes.
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) windows: &'a mut dyn Windows,
}

impl Closing<'_> {
    /// Closes the windows that end at or before the watermark; says how many.
    pub(crate) fn until(&mut self, watermark: i64) -> Result<usize> {
        let closed = self.aggregator.close(watermark);
        self.settle_all(closed)
    }

    /// Closes every window; says how many.
    pub(crate) fn all(&mut self) -> Result<usize> {
        let closed = self.aggregator.close_all();
        self.settle_all(closed)
    }

    fn settle_all(&mut self, closed: Vec<(i64, WindowState)>) -> Result<usize> {
        let n_closed = closed.len();
        for (start, state) in closed {
            self.settle(start, &state)?;
        }
        Ok(n_closed)
    }

    fn settle(&mut self, start: i64, state: &WindowState) -> Result<()> {
        let windows = &mut *self.windows;
        let activity = settle(
            start,
            self.aggregator.options().window_secs,
            state,
            self.carried,
            self.directory,
            &|party, port, protocol| windows.serves(party, port, protocol),
            self.ledger,
        );
        windows.take(&activity, self.directory)
    }
}

/// The ledger so far: what settling classed, what the fold counted, and what is in open windows.
pub(crate) fn add_up(ledger: &mut Ledger, aggregator: &Aggregator) {
    ledger.merge(aggregator.ledger());
    ledger.open = aggregator.open_windows().values().map(WindowState::n_records).sum();
}
