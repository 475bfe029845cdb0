//! The container: what is put in comes out, and nothing else does.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Sections, SnapshotError};

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
