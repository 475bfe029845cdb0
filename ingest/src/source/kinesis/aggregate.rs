//! Records that the Kinesis Producer Library packed into one, taken apart.
//!
//! Follows the Kinesis Client Library: what is not whole in every respect is a plain record, and a
//! packed record with a key outside the shard's range is left out, because its producer sends the
//! records in it again, one by one, when the service tells it where the packed one went.

use md5::{Digest, Md5};

/// What begins a packed record.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const SUM_BYTES: usize = 16;

/// The hash keys of a shard, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HashRange {
    pub(super) first: u128,
    pub(super) last: u128,
}

impl HashRange {
    /// Every key.
    pub(super) const ALL: Self = Self { first: 0, last: u128::MAX };
}

/// What a record of a stream turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// It is one record.
    Plain,
    /// The records in it, in order.
    Packed(Vec<Vec<u8>>),
    /// A key in it belongs to another shard.
    Elsewhere,
}

/// Takes a record apart, if it is packed.
pub(super) fn unpacked(record: &[u8], range: HashRange) -> Unpacked {
    let Some(message) = checked_message(record) else { return Unpacked::Plain };
    let Some(packed) = Packed::parse(message) else { return Unpacked::Plain };
    let mut records = Vec::with_capacity(packed.records.len());
    for record in &packed.records {
        let Some(hash_key) = packed.hash_key(record) else { return Unpacked::Plain };
        if hash_key < range.first || hash_key > range.last {
            return Unpacked::Elsewhere;
        }
        records.push(record.data.to_vec());
    }
    Unpacked::Packed(records)
}

/// What lies between the magic and the sum, if the sum is right.
fn checked_message(record: &[u8]) -> Option<&[u8]> {
    let rest = record.strip_prefix(&MAGIC)?;
    let (message, sum) = rest.split_at_checked(rest.len().checked_sub(SUM_BYTES)?)?;
    (!message.is_empty() && Md5::digest(message).as_slice() == sum).then_some(message)
}

/// The protobuf message `AggregatedRecord`.
#[derive(Debug, Default)]
struct Packed<'a> {
    partition_keys: Vec<&'a [u8]>,
    hash_keys: Vec<&'a [u8]>,
    records: Vec<PackedRecord<'a>>,
}

/// The protobuf message `Record`. Its tags are of no interest.
#[derive(Debug)]
struct PackedRecord<'a> {
    partition_key: u64,
    hash_key: Option<u64>,
    data: &'a [u8],
}

impl<'a> Packed<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let mut packed = Self::default();
        let mut rest = message;
        while !rest.is_empty() {
            let (number, value, after) = field(rest)?;
            rest = after;
            match (number, value) {
                (1, Value::Bytes(key)) => packed.partition_keys.push(key),
                (2, Value::Bytes(key)) => packed.hash_keys.push(key),
                (3, Value::Bytes(record)) => packed.records.push(PackedRecord::parse(record)?),
                _ => {}
            }
        }
        Some(packed)
    }

    /// The hash key that decides on the shard; `None` if the record names a key that is not there.
    fn hash_key(&self, record: &PackedRecord<'_>) -> Option<u128> {
        let partition_key = self.partition_keys.get(usize::try_from(record.partition_key).ok()?)?;
        match record.hash_key {
            Some(at) => {
                let text = self.hash_keys.get(usize::try_from(at).ok()?)?;
                str::from_utf8(text).ok()?.parse().ok()
            }
            None => Some(u128::from_be_bytes(Md5::digest(partition_key).into())),
        }
    }
}

impl<'a> PackedRecord<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let (mut partition_key, mut hash_key, mut data) = (None, None, None);
        let mut rest = message;
        while !rest.is_empty() {
            let (number, value, after) = field(rest)?;
            rest = after;
            match (number, value) {
                (1, Value::Number(at)) => partition_key = Some(at),
                (2, Value::Number(at)) => hash_key = Some(at),
                (3, Value::Bytes(bytes)) => data = Some(bytes),
                _ => {}
            }
        }
        Some(Self { partition_key: partition_key?, hash_key, data: data? })
    }
}

/// A value of the protobuf wire format.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a kind no field of interest has.
    Other,
}

/// The field that a message goes on with: its number, its value, and what follows.
fn field(message: &[u8]) -> Option<(u64, Value<'_>, &[u8])> {
    let (tag, rest) = varint(message)?;
    let (value, rest) = match tag & 7 {
        0 => varint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
        1 => (Value::Other, rest.get(8..)?),
        2 => {
            let (len, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => (Value::Other, rest.get(4..)?),
        _ => return None,
    };
    (tag >> 3 > 0).then_some((tag >> 3, value, rest))
}

/// Seven bits to a byte, the lowest first, in at most ten bytes.
fn varint(message: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, &byte) in message.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((value, message.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value > 0x7f {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
        bytes
    }

    fn bytes_field(tag: u64, content: &[u8]) -> Vec<u8> {
        [number(tag << 3 | 2), number(content.len() as u64), content.to_vec()].concat()
    }

    fn number_field(tag: u64, value: u64) -> Vec<u8> {
        [number(tag << 3), number(value)].concat()
    }

    fn sealed(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, Md5::digest(message).as_slice()].concat()
    }

    /// Records by (number of a partition key, number of an explicit hash key, data).
    fn packed(keys: &[&str], hash_keys: &[&str], records: &[(u64, Option<u64>, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        keys.iter().for_each(|key| message.extend(bytes_field(1, key.as_bytes())));
        hash_keys.iter().for_each(|key| message.extend(bytes_field(2, key.as_bytes())));
        for (key, hash_key, data) in records {
            let hash_key = hash_key.map(|at| number_field(2, at)).unwrap_or_default();
            let tag = bytes_field(4, &bytes_field(1, b"tag"));
            let record = [number_field(1, *key), hash_key, bytes_field(3, data), tag].concat();
            message.extend(bytes_field(3, &record));
        }
        message
    }

    fn hash_of(key: &str) -> u128 {
        u128::from_be_bytes(Md5::digest(key).into())
    }

    #[test]
    fn packed_records_come_apart_in_order() {
        let long = vec![7; 300];
        let message = packed(&["a", "b"], &["12"], &[(1, None, b"x"), (0, Some(0), &long)]);
        let records = Unpacked::Packed(vec![b"x".to_vec(), long]);
        assert_eq!(unpacked(&sealed(&message), HashRange::ALL), records);
        assert_eq!(
            unpacked(&sealed(&packed(&["a"], &[], &[])), HashRange::ALL),
            Unpacked::Packed(vec![])
        );
    }

    #[test]
    fn one_key_outside_the_shard_leaves_all_out() {
        let message = packed(&["a", "b"], &["12"], &[(0, None, b"x"), (1, Some(0), b"y")]);
        let is_whole = |first, last| {
            let unpacked = unpacked(&sealed(&message), HashRange { first, last });
            assert_ne!(unpacked, Unpacked::Plain);
            unpacked != Unpacked::Elsewhere
        };
        assert!(is_whole(12, hash_of("a")), "both ends belong to the shard");
        assert!(!is_whole(13, hash_of("a")), "an explicit hash key goes before the key's");
        assert!(!is_whole(12, hash_of("a") - 1));
    }

    #[test]
    fn what_is_not_whole_is_a_plain_record() {
        let whole = sealed(&packed(&["a"], &["x", "12"], &[(0, None, b"data")]));
        assert_ne!(unpacked(&whole, HashRange::ALL), Unpacked::Plain);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(unpacked(&damaged, HashRange::ALL), Unpacked::Plain, "byte {at}");
            assert_eq!(unpacked(&whole[..at], HashRange::ALL), Unpacked::Plain, "{at} bytes");
        }
        let wrong = [
            packed(&["a"], &[], &[(1, None, b"no such key")]),
            packed(&["a"], &[], &[(0, Some(0), b"no such hash key")]),
            packed(&["a"], &["x"], &[(0, Some(0), b"a hash key that is no number")]),
            bytes_field(3, &number_field(1, 0)),
            bytes_field(3, &bytes_field(3, b"no key")),
            vec![0x1a, 0x05, 0x08],
            vec![0x0b],
            vec![0xff; 12],
            Vec::new(),
        ];
        for message in wrong {
            assert_eq!(unpacked(&sealed(&message), HashRange::ALL), Unpacked::Plain, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, key in "[a-z]{0,3}") {
            prop_assert_eq!(unpacked(&bytes, HashRange::ALL), Unpacked::Plain);
            let _ = unpacked(&sealed(&bytes), HashRange::ALL);
            let begun = [bytes_field(1, key.as_bytes()), bytes_field(3, &bytes)].concat();
            let _ = unpacked(&sealed(&begun), HashRange::ALL);
        }

        #[test]
        fn what_was_packed_comes_out(datas in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let records: Vec<_> = datas.iter().map(|data| (0, None, data.as_slice())).collect();
            let record = sealed(&packed(&["key"], &[], &records));
            prop_assert_eq!(unpacked(&record, HashRange::ALL), Unpacked::Packed(datas));
        }
    }
}
