//! SIGTERM and SIGINT: the first asks to end well, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether it is time to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

/// What a shell says of a program that a signal ended.
const ENDED_BY: i32 = 128;

impl Stop {
    /// Asked for by signals.
    pub(crate) fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // In this order: the flag is not up yet when the first one comes.
            let second = Arc::clone(&stop.0);
            flag::register_conditional_shutdown(signal, ENDED_BY + signal, second)
                .and_then(|_| flag::register(signal, Arc::clone(&stop.0)))
                .context("cannot listen to signals")?;
        }
        Ok(stop)
    }

    /// Whether somebody asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
