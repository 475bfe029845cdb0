//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{clock, output};

/// Without a terminal, a line this often.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// How far a run is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
    bytes_total: u64,
    bytes: u64,
    records: u64,
}

impl Progress {
    /// Nothing done of so many bytes.
    pub(crate) fn new(bytes_total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(bytes_total));
        let now = clock::now();
        Self { bar, begun: now, last_line: now, bytes_total, bytes: 0, records: 0 }
    }

    /// Some more is done.
    pub(crate) fn advance(&mut self, bytes: u64, records: u64) {
        self.bytes += bytes;
        self.records += records;
        let elapsed = self.begun.elapsed().as_secs_f64().max(1e-3);
        let rate = self.records as f64 / elapsed;
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes);
            bar.set_message(format!("{rate:.0} records/s"));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = clock::now();
            let records = self.records;
            if self.bytes_total == 0 {
                // Nobody knows the size of a log group's slices.
                output::note(&format!("{records} records, {rate:.0} records/s"));
                return;
            }
            let done = self.bytes as f64 / self.bytes_total as f64;
            let left = elapsed / done.max(1e-6) - elapsed;
            output::note(&format!(
                "{:.0} % of {} bytes, {records} records, {rate:.0} records/s, {left:.0} s left",
                done * 100.0,
                self.bytes_total,
            ));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(bytes_total: u64) -> ProgressBar {
    let template = "{bar:32} {bytes}/{total_bytes} {msg} {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes_total).with_style(style)
}
