//! Objects that were told of before: SQS delivers at least once, S3 may tell twice.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;

use twox_hash::XxHash64;

use super::body::NewObject;

/// The last objects told of, the oldest forgotten first.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    order: VecDeque<u64>,
    hashes: BTreeSet<u64>,
    objects_max: usize,
}

/// Hexadecimal digits of an object in a position.
const DIGITS: usize = 16;

impl Known {
    pub(super) fn new(objects_max: usize) -> Self {
        Self { objects_max: objects_max.max(1), ..Self::default() }
    }

    /// Whether the object is new; it is known from now on.
    pub(super) fn admit(&mut self, object: &NewObject) -> bool {
        self.insert(hash(object))
    }

    /// What has this hash is new again when it is told of again.
    pub(super) fn forget(&mut self, hash: u64) {
        if self.hashes.remove(&hash) {
            self.order.retain(|&known| known != hash);
        }
    }

    fn insert(&mut self, hash: u64) -> bool {
        if !self.hashes.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        while self.order.len() > self.objects_max {
            if let Some(oldest) = self.order.pop_front() {
                self.hashes.remove(&oldest);
            }
        }
        true
    }

    /// `1 ` and the objects' hashes on end, the oldest first.
    pub(super) fn position(&self) -> String {
        let mut text = "1 ".to_owned();
        for hash in &self.order {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{hash:0DIGITS$x}");
        }
        text
    }

    /// `None` if the text is no position.
    pub(super) fn from_position(text: &str, objects_max: usize) -> Option<Self> {
        let hashes = text.strip_prefix("1 ")?;
        if hashes.len() % DIGITS != 0 || !hashes.is_ascii() {
            return None;
        }
        let mut known = Self::new(objects_max);
        for at in (0..hashes.len()).step_by(DIGITS) {
            known.insert(u64::from_str_radix(hashes.get(at..at + DIGITS)?, 16).ok()?);
        }
        Some(known)
    }
}

/// The same content written again under the same key is the same records; without an entity tag each
/// writing counts as another.
pub(super) fn hash(object: &NewObject) -> u64 {
    let version = object.etag.as_ref().or(object.version.as_ref());
    let version = version.map_or("", String::as_str);
    // Neither buckets nor keys can have a zero byte.
    let text = format!("{}\0{}\0{version}", object.bucket, object.key);
    XxHash64::oneshot(0, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(key: &str, etag: Option<&str>, version: &str) -> NewObject {
        NewObject {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            bytes: None,
            etag: etag.map(str::to_owned),
            version: Some(version.to_owned()),
        }
    }

    #[test]
    fn the_same_content_is_known_however_it_is_told() {
        let mut known = Known::new(10);
        assert!(known.admit(&object("k", Some("e"), "1")));
        assert!(!known.admit(&object("k", Some("e"), "2")), "told with another sequence number");
        assert!(known.admit(&object("k", Some("f"), "1")), "written anew");
        assert!(known.admit(&object("l", None, "1")) && known.admit(&object("l", None, "2")));
    }

    #[test]
    fn the_oldest_are_forgotten_and_a_position_keeps_the_rest() {
        let mut known = Known::new(2);
        for key in ["a", "b", "c"] {
            assert!(known.admit(&object(key, None, "1")));
        }
        let mut again = Known::from_position(&known.position(), 2).unwrap();
        assert!(!again.admit(&object("b", None, "1")) && !again.admit(&object("c", None, "1")));
        assert!(again.admit(&object("a", None, "1")));
        assert!(again.admit(&object("b", None, "1")), "forgotten in the order they came");
    }

    #[test]
    fn what_is_forgotten_is_new_again_and_in_no_position() {
        let mut known = Known::new(2);
        let (a, b) = (object("a", None, "1"), object("b", None, "1"));
        assert!(known.admit(&a) && known.admit(&b));
        known.forget(hash(&a));
        let mut again = Known::from_position(&known.position(), 2).unwrap();
        assert!(!again.admit(&b) && again.admit(&a));
        assert!(known.admit(&a) && !known.admit(&b), "its place in the order is free");
    }

    proptest! {
        #[test]
        fn any_position_is_read_without_panic(text in "1 [0-9a-f é]{0,40}|\\PC{0,40}") {
            let _read = Known::from_position(&text, 10);
        }
    }
}
