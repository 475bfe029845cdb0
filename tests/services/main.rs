//! Tidegate against the services it reads from and writes to, on local stand-ins: `./test services`.
//!
//! The stand-ins do not throttle, expire, lose or garble anything; the proxy in front of them does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "the bench has more faults and data than the tests of one source use")]

mod bench;
mod cwl;
mod equivalence;
mod estate;
mod kills;
mod kinesis;
mod modes;
mod parquet_logs;
#[path = "../program/mod.rs"]
mod program;
mod proxy;
mod running;
mod s3;
mod sources;
mod sqs;
mod stand_ins;
mod state;
