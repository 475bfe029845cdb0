//! What every stream looks like to the loop that watches it.
//!
//! A stream brings [`Delivery`]s: bytes as the service holds them, each complete in itself. Where
//! reading has come to is told by [`Stream::positions`], which the loop saves together with what it
//! made of the deliveries; only then it calls [`Stream::saved`]. A stream begun from saved positions
//! brings everything after them again, so nothing is lost; what the service brings twice is told apart
//! by the events' ids where they have any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::SourceError;
use crate::batch::Origin;
use crate::files::LogFile;

/// Where reading goes on, by input (a shard, a log stream); the values mean something to the stream
/// alone.
pub type Positions = BTreeMap<String, String>;

/// What one poll brought.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// In the order in which each input holds them.
    pub deliveries: Vec<Delivery>,
    /// Every input that may still bring records.
    pub inputs: Vec<Input>,
    /// What the service had to be asked again for since the last poll, by reason.
    pub retries: BTreeMap<&'static str, u64>,
    /// What came since the last poll and is not handed out, by reason: what came before, what is no
    /// flow log, what cannot be read.
    pub set_aside: BTreeMap<&'static str, u64>,
    /// What the stream could not go on with as it should have, by reason: records may be missing, or come
    /// twice.
    pub given_up: BTreeMap<&'static str, u64>,
    /// Nothing more will come: the stream was read to the bound it was given.
    pub ended: bool,
}

/// One thing a stream brought, complete in itself.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The name of the input that brought it.
    pub input: Arc<str>,
    /// What it is.
    pub content: Content,
}

/// What was brought.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in any form the decoder takes.
    Bytes {
        /// What is known of where they came from.
        origin: Arc<Origin>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// An object to be read.
    Object(LogFile),
}

/// An input that may still bring records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: Arc<str>,
    /// How far reading is behind the newest that is there, milliseconds; `None` if the service does
    /// not say. Nothing behind means the input is idle when it brings nothing.
    pub behind_ms: Option<u64>,
    /// Whether the service has answered for it yet: until then it may bring anything, and is not idle.
    pub is_answered: bool,
}

/// A source that goes on bringing.
pub trait Stream: Send {
    /// Waits at most so long for something to come.
    ///
    /// An error ends the stream: what can be asked again was.
    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError>;

    /// Where reading goes on after everything handed out so far.
    fn positions(&self) -> Positions;

    /// What was handed out up to the last call of [`Self::positions`] is safe: the service may forget it.
    fn saved(&mut self) -> Result<(), SourceError>;

    /// Nothing came of an object that was handed out: what told of it is not to be forgotten, so that it
    /// is handed out again. Called before what was handed out with it is saved. A stream that cannot do so
    /// does nothing.
    fn unread(&mut self, _object: &LogFile) {}

    /// These inputs are far ahead of others, and are not to be read from until they are no longer named
    /// here. A stream that cannot do so does nothing.
    fn hold(&mut self, _inputs: &[Arc<str>]) {}
}
