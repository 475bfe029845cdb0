//! Recorded logs played as a stream, as fast as they are taken: for trials, without a service.
//!
//! Every flow log is an input that brings its files one after the other, in the order of their times.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ingest::source::SourceError;
use ingest::source::stream::{Content, Delivery, Input, Polled, Positions, Stream};
use ingest::{LogFile, find_files};

/// Files one poll brings of each input.
const FILES_PER_POLL: usize = 2;

/// Files played as a stream.
#[derive(Debug)]
pub(crate) struct Replay {
    inputs: BTreeMap<Arc<str>, Played>,
}

#[derive(Debug)]
struct Played {
    left: VecDeque<LogFile>,
    n_done: usize,
}

impl Replay {
    /// Plays a file or the files of a folder, from `positions` on.
    pub(crate) fn open(path: &str, positions: &Positions) -> Result<Self> {
        let mut inputs: BTreeMap<Arc<str>, Played> = BTreeMap::new();
        for file in find_files(path)? {
            let name = file.origin.flow_log_id.as_deref().unwrap_or("files");
            let played = (inputs.entry(name.into()))
                .or_insert_with(|| Played { left: VecDeque::new(), n_done: 0 });
            played.left.push_back(file);
        }
        for (name, played) in &mut inputs {
            let Some(position) = positions.get(&**name) else { continue };
            let n_done: usize = position
                .parse()
                .with_context(|| format!("the saved position of {name} is damaged"))?;
            played.left.drain(..n_done.min(played.left.len()));
            played.n_done = n_done;
        }
        Ok(Self { inputs })
    }
}

impl Stream for Replay {
    fn poll(&mut self, _: Duration) -> Result<Polled, SourceError> {
        let mut polled = Polled::default();
        for (name, played) in &mut self.inputs {
            for file in played.left.drain(..played.left.len().min(FILES_PER_POLL)) {
                played.n_done += 1;
                let content = Content::Object(file);
                polled.deliveries.push(Delivery { input: Arc::clone(name), content });
            }
            if !played.left.is_empty() {
                polled.inputs.push(Input {
                    name: Arc::clone(name),
                    behind_ms: Some(1),
                    is_answered: true,
                });
            }
        }
        polled.ended = polled.inputs.is_empty();
        Ok(polled)
    }

    fn positions(&self) -> Positions {
        let position =
            |(name, played): (&Arc<str>, &Played)| (name.to_string(), played.n_done.to_string());
        self.inputs.iter().map(position).collect()
    }

    fn saved(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// The path of a `replay:PATH` source.
pub(crate) fn path(url: &str) -> Option<&str> {
    url.strip_prefix("replay:").filter(|path| Path::new(path).exists() || !path.is_empty())
}
