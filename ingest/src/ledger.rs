//! The ledger: every record that came in is in exactly one class, and the classes add up.

use std::collections::BTreeMap;
use std::fmt;

/// Why a record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RejectReason {
    /// Fewer values than the format declares.
    TooFewFields,
    /// More values than the format declares.
    TooManyFields,
    /// The line is longer than the cap.
    LineTooLong,
    /// Bytes that are not UTF-8 where text is due.
    NotUtf8,
    /// A number that is none, or out of range.
    BadNumber,
    /// An address that is none.
    BadAddress,
    /// `end` before `start`, or a time no flow log can have.
    BadTime,
    /// An `action` or `log-status` AWS does not write.
    BadKeyword,
    /// A field a record cannot do without is `-`.
    MissingValue,
    /// An envelope that is not the JSON it should be.
    BadEnvelope,
    /// More text values in one file than the cap.
    TooManyDistinct,
    /// It ends later than it can be now.
    InFuture,
    /// A message whose compression is damaged, cut short, or hides more than the caps allow.
    Undecodable,
}

impl RejectReason {
    /// All reasons.
    pub const ALL: &[Self] = &[
        Self::TooFewFields,
        Self::TooManyFields,
        Self::LineTooLong,
        Self::NotUtf8,
        Self::BadNumber,
        Self::BadAddress,
        Self::BadTime,
        Self::BadKeyword,
        Self::MissingValue,
        Self::BadEnvelope,
        Self::TooManyDistinct,
        Self::InFuture,
        Self::Undecodable,
    ];

    /// A short, stable name for reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooFewFields => "too-few-fields",
            Self::TooManyFields => "too-many-fields",
            Self::LineTooLong => "line-too-long",
            Self::NotUtf8 => "not-utf8",
            Self::BadNumber => "bad-number",
            Self::BadAddress => "bad-address",
            Self::BadTime => "bad-time",
            Self::BadKeyword => "bad-keyword",
            Self::MissingValue => "missing-value",
            Self::BadEnvelope => "bad-envelope",
            Self::TooManyDistinct => "too-many-distinct",
            Self::InFuture => "in-future",
            Self::Undecodable => "undecodable",
        }
    }
}

/// What became of every record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records that came in, in whatever class they ended.
    pub records: u64,
    /// Folded into conversations.
    pub used: u64,
    /// `NODATA`: the interface lives and was silent.
    pub nodata: u64,
    /// `SKIPDATA`: AWS lost records here.
    pub skipdata: u64,
    /// Told by more than one flow log, or delivered more than once; counted once.
    pub duplicate: u64,
    /// Came after its window had closed.
    pub late: u64,
    /// Outside `--since` and `--until`.
    pub outside_range: u64,
    /// Of another resource, such as a transit gateway.
    pub other_resource: u64,
    /// Control messages of a subscription.
    pub control: u64,
    /// In windows still open when the run ended, saved for the next one.
    pub open: u64,
    /// Rejected, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Beside the classes: what caps cut from what was used, by the cap's name.
    pub capped: BTreeMap<&'static str, u64>,
}

/// A class of a ledger, and how many records are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerClass {
    /// A short, stable name for files and metrics.
    pub name: &'static str,
    /// What it is called in a sentence.
    pub words: &'static str,
    /// Records.
    pub n: u64,
}

impl Ledger {
    /// Every class in order, but for the rejected records, which [`Self::rejected`] has by reason.
    pub fn classes(&self) -> [LedgerClass; 9] {
        let class = |name, words, n| LedgerClass { name, words, n };
        [
            class("used", "used", self.used),
            class("nodata", "NODATA", self.nodata),
            class("skipdata", "SKIPDATA", self.skipdata),
            class("duplicate", "duplicate", self.duplicate),
            class("late", "late", self.late),
            class("outside-range", "outside the time range", self.outside_range),
            class("other-resource", "other resource", self.other_resource),
            class("control", "control message", self.control),
            class("open", "in open windows", self.open),
        ]
    }

    /// Adds one rejected record.
    pub fn reject(&mut self, reason: RejectReason) {
        self.records += 1;
        *self.rejected.entry(reason).or_default() += 1;
    }

    /// All rejected records.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Whether every record is in exactly one class.
    pub fn balances(&self) -> bool {
        let classed: u64 = self.classes().iter().map(|class| class.n).sum();
        self.records == classed + self.rejected_total()
    }

    /// Adds another ledger's counts to this one.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.used += other.used;
        self.nodata += other.nodata;
        self.skipdata += other.skipdata;
        self.duplicate += other.duplicate;
        self.late += other.late;
        self.outside_range += other.outside_range;
        self.other_resource += other.other_resource;
        self.control += other.control;
        self.open += other.open;
        for (&reason, n) in &other.rejected {
            *self.rejected.entry(reason).or_default() += n;
        }
        for (&cap, n) in &other.capped {
            *self.capped.entry(cap).or_default() += n;
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [used, others @ ..] = self.classes();
        write!(f, "{} records = {} {}", self.records, used.n, used.words)?;
        for class in others.iter().filter(|class| class.n > 0) {
            write!(f, " + {} {}", class.n, class.words)?;
        }
        if self.rejected_total() > 0 {
            write!(f, " + {} rejected", self.rejected_total())?;
        }
        let reasons: Vec<String> =
            self.rejected.iter().map(|(reason, n)| format!("{} {n}", reason.name())).collect();
        if !reasons.is_empty() {
            write!(f, " ({})", reasons.join(", "))?;
        }
        for (cap, n) in &self.capped {
            write!(f, "; {n} cut by the {cap} cap")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A different number in each class.
    fn ledger() -> Ledger {
        Ledger {
            records: 62,
            used: 1,
            nodata: 2,
            skipdata: 3,
            duplicate: 4,
            late: 5,
            outside_range: 6,
            other_resource: 7,
            control: 8,
            open: 9,
            rejected: [(RejectReason::TooFewFields, 7), (RejectReason::BadTime, 10)].into(),
            capped: [("conversations per window", 99)].into(),
        }
    }

    #[test]
    fn every_class_counts_once() {
        let mut ledger = ledger();
        assert!(ledger.balances());
        assert_eq!(ledger.classes().map(|class| class.n), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        ledger.reject(RejectReason::BadTime);
        assert!(ledger.balances());
        ledger.open += 1;
        assert!(!ledger.balances());
    }

    #[test]
    fn a_sentence_names_the_classes_that_have_records() {
        assert_eq!(
            ledger().to_string(),
            "62 records = 1 used + 2 NODATA + 3 SKIPDATA + 4 duplicate + 5 late \
             + 6 outside the time range + 7 other resource + 8 control message \
             + 9 in open windows + 17 rejected (too-few-fields 7, bad-time 10); \
             99 cut by the conversations per window cap"
        );
        assert_eq!(Ledger::default().to_string(), "0 records = 0 used");
    }
}
