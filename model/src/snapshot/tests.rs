//! The container: what is put in comes out, and nothing else does; and what ledgers are put in as.

use bytes::Bytes;
use ingest::{Ledger, RejectReason};
use proptest::prelude::*;

use super::{Sections, SnapshotError};
use crate::baseline::{ledger_classes, ledger_of};

fn two_parts() -> Sections {
    let mut sections = Sections::default();
    sections.insert("one", b"first\n".to_vec());
    sections.insert("two", vec![0; 300]);
    sections
}

#[test]
fn parts_come_out_as_they_went_in() {
    let bytes = Bytes::from(two_parts().to_bytes().unwrap());
    let read = Sections::from_bytes(&bytes).unwrap();
    assert_eq!(read, two_parts());
    assert_eq!(read.part("three"), None);
}

#[test]
fn a_later_format_is_refused_by_its_number_alone() {
    let later = b"tidegate state\n{\"format_version\":7,\"parts\":{}}\n...";
    let error = Sections::from_bytes(&Bytes::from_static(later)).unwrap_err();
    assert!(matches!(error, SnapshotError::TooNew { found: 7 }), "{error}");
}

#[test]
fn every_class_of_a_ledger_is_read_back() {
    let ledger = Ledger {
        records: 100,
        used: 1,
        nodata: 2,
        skipdata: 3,
        duplicate: 4,
        late: 5,
        outside_range: 6,
        other_resource: 7,
        control: 8,
        open: 9,
        rejected: RejectReason::ALL.iter().copied().zip(10..).collect(),
        capped: [].into(),
    };
    assert_eq!(ledger_of(&ledger_classes(&ledger)), ledger);
}

proptest! {
    #[test]
    fn no_change_goes_unnoticed(at in 0usize..500, bit in 0u8..8) {
        let mut bytes = two_parts().to_bytes().unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let read = Sections::from_bytes(&bytes.into());
        prop_assert!(read.is_err() || read.unwrap() == two_parts() || at < 150);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = [b"tidegate state\n".to_vec(), bytes.clone()].concat();
        prop_assert!(Sections::from_bytes(&whole.into()).is_err());
        prop_assert!(Sections::from_bytes(&bytes.into()).is_err());
    }
}
