//! Decodes messages, each complete in itself.

use std::collections::VecDeque;
use std::sync::Arc;

use ingest::{DecodeOptions, Decoder, FlowBatch, Origin, RejectReason, Tally};

/// A decoder for each message, and what they counted together.
#[derive(Debug)]
pub(crate) struct Messages {
    options: DecodeOptions,
    tally: Tally,
    batches: VecDeque<FlowBatch>,
}

impl Messages {
    /// Nothing taken yet.
    pub(crate) fn new(options: DecodeOptions) -> Self {
        Self { options, tally: Tally::default(), batches: VecDeque::new() }
    }

    /// Takes one message.
    pub(crate) fn take(&mut self, origin: &Arc<Origin>, bytes: &[u8]) {
        let mut decoder = Decoder::new(Arc::clone(origin), self.options.clone());
        let pushed = decoder.decode(bytes);
        let ended = decoder.finish();
        while let Some(batch) = decoder.take_batch() {
            self.batches.push_back(batch);
        }
        let known = &mut self.tally;
        if pushed.and(ended).is_err() {
            known.ledger.reject(RejectReason::BadEnvelope);
        }
        let tally = decoder.into_tally();
        known.ledger.merge(&tally.ledger);
        known.declared = tally.declared.or(known.declared);
        for (reason, samples) in tally.samples {
            let kept = known.samples.entry(reason).or_default();
            let room = Tally::SAMPLES_MAX.saturating_sub(kept.len());
            kept.extend(samples.into_iter().take(room));
        }
    }

    /// The next batch.
    pub(crate) fn take_batch(&mut self) -> Option<FlowBatch> {
        self.batches.pop_front()
    }

    /// Makes batches of all that was taken.
    #[expect(clippy::unused_self, reason = "every message makes its batches at once")]
    pub(crate) fn flush(&mut self) {}

    /// What was counted of all messages.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}
