//! What the loop shows of itself to whoever asks from outside: figures, whether it lives, whether it
//! is ready.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::Figures;
use crate::clock;

/// A loop that does not come round for so long hangs. Reading one poll's objects and saving take part
/// of it.
const ALIVE_WITHIN: Duration = Duration::from_mins(2);

/// Shared between the loop and those who ask.
#[derive(Debug)]
pub(crate) struct Health {
    figures: Mutex<Figures>,
    begun: Instant,
    /// Milliseconds after `begun`.
    beat_ms: AtomicU64,
    is_ready: AtomicBool,
}

impl Health {
    /// Alive from now on, and not ready yet.
    pub(crate) fn new() -> Self {
        Self {
            figures: Mutex::default(),
            begun: clock::now(),
            beat_ms: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
        }
    }

    /// The figures, to change or read them.
    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        // Figures that were left half written are figures still.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop came round.
    pub(crate) fn beat(&self) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(ms, Ordering::Relaxed);
    }

    /// The state is loaded, and the stream has answered.
    pub(crate) fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }

    /// Whether the stream has answered.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Whether the loop came round lately.
    pub(crate) fn is_alive(&self) -> bool {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(beat) < ALIVE_WITHIN
    }

    /// The page of metrics.
    pub(crate) fn page(&self) -> String {
        self.figures().clone().render(clock::unix_secs(), resident_bytes())
    }
}

/// Memory the process holds, where the system says so.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
