//! What settling carries, as Parquet: a row per listener and per five-tuple active lately.

use std::sync::Arc;

use arrow_array::builder::{
    Int64Builder, StringBuilder, UInt8Builder, UInt16Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;

use super::columns::Columns;
use super::{SnapshotError, parquet};
use crate::settle::{Carried, Listeners, Recent};

const PART: &str = "carried";

/// What settling carries, as Parquet.
pub fn carried_to_bytes(carried: &Carried) -> Result<Vec<u8>, SnapshotError> {
    let (mut what, mut hash) = (StringBuilder::new(), UInt64Builder::new());
    let (mut port, mut protocol) = (UInt16Builder::new(), UInt8Builder::new());
    let mut time = Int64Builder::new();
    for (endpoint, of_port, of_protocol, last) in carried.listeners.rows() {
        what.append_value("listener");
        hash.append_value(endpoint);
        port.append_value(of_port);
        protocol.append_value(of_protocol);
        time.append_value(last);
    }
    for (window, tuple) in carried.recent.rows() {
        what.append_value("recent");
        hash.append_value(tuple);
        port.append_null();
        protocol.append_null();
        time.append_value(window);
    }
    let columns: [(&str, ArrayRef, bool); 5] = [
        ("what", Arc::new(what.finish()), true),
        ("hash", Arc::new(hash.finish()), true),
        ("port", Arc::new(port.finish()), true),
        ("protocol", Arc::new(protocol.finish()), true),
        ("time", Arc::new(time.finish()), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| SnapshotError::unwritable(PART, error))?;
    parquet::to_bytes(PART, &batch)
}

/// What [`carried_to_bytes`] wrote.
pub fn carried_from_bytes(bytes: Bytes) -> Result<Carried, SnapshotError> {
    let (mut listeners, mut recent) = (Vec::new(), Vec::new());
    parquet::read(PART, bytes, &mut |batch| {
        let columns = Columns::new(PART, batch);
        for row in 0..batch.num_rows() {
            let (hash, time) = (columns.u64("hash", row)?, columns.seconds("time", row)?);
            match columns.text("what", row)? {
                "listener" => {
                    let (port, protocol) =
                        (columns.u16("port", row)?, columns.u8("protocol", row)?);
                    listeners.push((hash, port, protocol, time));
                }
                "recent" => recent.push((time, hash)),
                // A kind of row that was added later.
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(Carried { listeners: Listeners::restore(listeners), recent: Recent::restore(recent) })
}
