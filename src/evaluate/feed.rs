//! Pages of text into windows, through the decoder and the fold that files go through.

use std::sync::Arc;

use anyhow::Result;
use datasets::Page;
use ingest::{DecodeOptions, Decoder, Ledger, Origin};
use model::fold::{Aggregator, FoldOptions};
use model::identity::Directory;
use model::settle::Carried;

use crate::closing::{Closing, Windows};

/// Reads pages in order of their times.
pub(super) struct Feed {
    aggregator: Aggregator,
    carried: Carried,
    pub(super) directory: Directory,
    ledger: Ledger,
    decode: DecodeOptions,
}

impl Feed {
    pub(super) fn new(fold: FoldOptions, directory: Directory) -> Self {
        Self {
            aggregator: Aggregator::new(fold),
            carried: Carried::default(),
            directory,
            ledger: Ledger::default(),
            decode: DecodeOptions::of_columns(Aggregator::columns()),
        }
    }

    /// One that goes on from here with what is open closed, and with a directory that knows more
    /// snapshots.
    pub(super) fn branch(&self, mut directory: Directory) -> Self {
        directory.remember(self.directory.remembered());
        let fresh = Self::new(self.aggregator.options().clone(), directory);
        Self { carried: self.carried.clone(), ..fresh }
    }

    /// Takes the next page, and closes the windows it completes: nothing comes late.
    pub(super) fn take(&mut self, page: &Page, windows: &mut dyn Windows) -> Result<()> {
        let origin = Origin { time: Some(page.from), ..Origin::default() };
        let mut decoder = Decoder::new(Arc::new(origin), self.decode.clone());
        decoder.decode(&page.text)?;
        decoder.finish()?;
        while let Some(batch) = decoder.take_batch() {
            self.aggregator.push(&batch);
        }
        self.closing(windows).until(page.until()).map(drop)
    }

    /// Closes what is open.
    pub(super) fn finish(&mut self, windows: &mut dyn Windows) -> Result<()> {
        self.closing(windows).all().map(drop)
    }

    fn closing<'a>(&'a mut self, windows: &'a mut dyn Windows) -> Closing<'a> {
        Closing {
            aggregator: &mut self.aggregator,
            carried: &mut self.carried,
            directory: &mut self.directory,
            ledger: &mut self.ledger,
            windows,
        }
    }
}
