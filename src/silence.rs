//! Flow logs that stop: what an intruder with rights does first (ATT&CK T1562.008), and what blinds
//! everything else here.
//!
//! AWS writes NODATA for an interface without traffic, so one that lives is never silent. Logs from
//! which those records were left out tell less: in them only what had something in every window for
//! long is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use model::activity::Activity;
use model::identity::{Address, Directory, EniFacts};

/// Windows without a record that are a gap: fewer are what late delivery leaves.
const WINDOWS_MIN: i64 = 3;

/// Windows in a row that had records, after which silence is news in logs without NODATA.
const STEADY_WINDOWS: u32 = 12;

/// Interfaces followed; an account has at most some thousands per region.
const FOLLOWED_MAX: usize = 1 << 20;

/// Gaps kept to be told; more are counted.
const GAPS_MAX: usize = 10_000;

/// Gaps that are told; of more it is said how many.
const TOLD_MAX: usize = 9;

/// What has records or not: an interface, or with `None` all of an account's.
type Source = (Arc<str>, Option<Arc<str>>);

/// When a source had records.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Start of the last window with one, Unix seconds.
    last: i64,
    /// How many windows in a row until then.
    n_in_a_row: u32,
}

/// Follows which interfaces have records in each window.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    window_secs: i64,
    /// Start of this run's first window, Unix seconds.
    first: Option<i64>,
    newest: i64,
    has_nodata: bool,
    goes_on: bool,
    seen: BTreeMap<Source, Seen>,
    gaps: Gaps,
}

/// Times without records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// By source and start of the first silent window, Unix seconds.
    gaps: BTreeMap<(Source, i64), Gap>,
    n_more: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// End of the last silent window, Unix seconds.
    until: i64,
    is_over: bool,
    /// Whether it had been steady before.
    is_marked: bool,
}

/// Gaps that were told, and whether they were over then.
#[cfg(feature = "watch")]
#[derive(Debug, Default)]
pub(crate) struct ToldGaps {
    gaps: BTreeMap<(Source, i64), bool>,
    /// Those that were only counted.
    n_more: u64,
}

/// What is said of a gap: to people, and to programs.
pub(crate) struct Notice {
    pub(crate) text: String,
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only a watch has such logs"))]
    pub(crate) about: Vec<(&'static str, String)>,
}

impl Silence {
    /// Goes on after the windows that a directory knows, if there were any.
    pub(crate) fn after(directory: &Directory) -> Self {
        let mut silence = Self::default();
        silence.take_up(directory);
        silence.goes_on = !silence.seen.is_empty();
        silence
    }

    /// Takes the next window.
    pub(crate) fn take(&mut self, activity: &Activity) {
        let start = activity.start;
        (self.window_secs, self.newest) = (activity.window_secs.max(1), start);
        self.first.get_or_insert(start);
        for window in activity.enis.iter().filter(|window| window.eni.starts_with("eni-")) {
            self.has_nodata |= window.records.nodata > 0;
            let account = Arc::clone(&window.account);
            self.note((Arc::clone(&account), Some(Arc::clone(&window.eni))), start);
            self.note((account, None), start);
        }
    }

    /// What was seen before.
    fn take_up(&mut self, directory: &Directory) {
        for (facts, last) in directory.observed().filter(|(facts, _)| is_named(facts)) {
            let interface = (Arc::clone(&facts.account), Some(Arc::clone(&facts.eni)));
            let seen = Seen { last, n_in_a_row: 0 };
            self.seen.insert(interface, seen);
            let of_account = self.seen.entry((Arc::clone(&facts.account), None)).or_insert(seen);
            of_account.last = of_account.last.max(last);
        }
    }

    fn note(&mut self, source: Source, start: i64) {
        let Some(seen) = self.seen.get_mut(&source) else {
            if self.seen.len() < FOLLOWED_MAX {
                self.seen.insert(source, Seen { last: start, n_in_a_row: 1 });
            }
            return;
        };
        let n_missed = (start - seen.last) / self.window_secs - 1;
        let before = *seen;
        seen.last = start;
        match n_missed {
            ..0 => {}
            0 => seen.n_in_a_row = seen.n_in_a_row.saturating_add(1),
            1.. => seen.n_in_a_row = 1,
        }
        if n_missed >= WINDOWS_MIN {
            let is_marked = before.n_in_a_row >= STEADY_WINDOWS;
            let gap = Gap { until: start, is_over: true, is_marked };
            self.gaps.add(source, before.last + self.window_secs, gap);
        }
    }

    /// The times without records that ended in this run or began in it.
    pub(crate) fn gaps(&self, directory: &Directory) -> Gaps {
        let Some(first) = self.first else { return Gaps::default() };
        let mut gaps = self.gaps.clone();
        let until = self.newest + self.window_secs;
        let least = WINDOWS_MIN * self.window_secs;
        for (source, seen) in &self.seen {
            let is_gap = self.newest - seen.last >= least;
            // Of what became one in an earlier run that run told.
            if is_gap && seen.last + least >= first {
                let is_marked = seen.n_in_a_row >= STEADY_WINDOWS;
                let gap = Gap { until, is_over: false, is_marked };
                gaps.add(source.clone(), seen.last + self.window_secs, gap);
            }
        }
        for (source, since) in self.never_seen(directory, first) {
            if until - since >= least {
                gaps.add(source, since, Gap { until, is_over: false, is_marked: false });
            }
        }
        if !self.has_nodata {
            gaps.gaps.retain(|_, gap| gap.is_marked);
        }
        gaps.leave_out_deleted(directory);
        gaps.leave_out_covered(self.window_secs);
        gaps
    }

    /// Interfaces in use of which there is no record although there are of their VPC's others, and
    /// since when.
    fn never_seen(&self, directory: &Directory, first: i64) -> Vec<(Source, i64)> {
        if self.goes_on {
            return Vec::new();
        }
        let enis: BTreeSet<&str> = self.seen.keys().filter_map(|(_, eni)| eni.as_deref()).collect();
        let listed = || directory.interfaces();
        let seen = listed().filter(|interface| enis.contains(interface.id.as_str()));
        let vpcs: BTreeSet<_> =
            seen.map(|interface| (&interface.account, &interface.vpc)).collect();
        let silent = listed().filter(|interface| {
            interface.status.as_deref() != Some("available")
                && !enis.contains(interface.id.as_str())
                && vpcs.contains(&(&interface.account, &interface.vpc))
        });
        silent
            .filter_map(|interface| {
                let account: Arc<str> = interface.account.as_deref().unwrap_or_default().into();
                let since = directory.listed_since(&interface.id)?;
                let n_windows = (since.max(first) - first).div_euclid(self.window_secs);
                let source = (account, Some(interface.id.as_str().into()));
                Some((source, first + n_windows * self.window_secs))
            })
            .collect()
    }
}

fn is_named(facts: &EniFacts) -> bool {
    facts.eni.starts_with("eni-")
}

impl Gaps {
    fn add(&mut self, source: Source, first: i64, gap: Gap) {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.insert((source, first), gap);
        } else {
            self.n_more += 1;
        }
    }

    /// Adds those of a later part of the same run: what went on there counts as it ended there.
    pub(crate) fn merge(&mut self, later: Self) {
        for ((source, first), gap) in later.gaps {
            self.add(source, first, gap);
        }
        self.n_more += later.n_more;
    }

    /// What was deleted, or gave its address to another, is not missed.
    fn leave_out_deleted(&mut self, directory: &Directory) {
        let mut holders: BTreeMap<(&str, Option<&str>, Address), (i64, &str)> = BTreeMap::new();
        let mut known: BTreeMap<&str, &EniFacts> = BTreeMap::new();
        for (facts, at) in directory.observed() {
            known.insert(&facts.eni, facts);
            let Some(address) = facts.address else { continue };
            let holder = holders.entry((&facts.account, facts.vpc.as_deref(), address));
            let holder = holder.or_insert((at, &facts.eni));
            *holder = (*holder).max((at, &facts.eni));
        }
        self.gaps.retain(|((account, eni), first), gap| {
            let Some(eni) = eni.as_deref().filter(|_| !gap.is_over) else { return true };
            let facts = known.get(eni);
            let vpc = facts.and_then(|facts| facts.vpc.as_deref());
            let address = facts.and_then(|facts| facts.address);
            let holder = address.and_then(|address| holders.get(&(account.as_ref(), vpc, address)));
            let is_replaced = holder.is_some_and(|&(_, holder)| holder != eni);
            !is_replaced && !directory.is_gone(account, vpc, eni, *first - 1)
        });
    }

    /// What all of an account had is told of the account.
    fn leave_out_covered(&mut self, window_secs: i64) {
        let of_accounts: Vec<(Arc<str>, i64, i64)> = self
            .gaps
            .iter()
            .filter(|(((_, eni), _), _)| eni.is_none())
            .map(|(((account, _), first), gap)| (Arc::clone(account), *first, gap.until))
            .collect();
        self.gaps.retain(|((account, eni), first), gap| {
            let is_covered = of_accounts.iter().any(|(of, from, until)| {
                let outside = (from - first).max(0) + (gap.until - until).max(0);
                of == account && outside < WINDOWS_MIN * window_secs && *first < *until
            });
            eni.is_none() || !is_covered
        });
    }

    /// Leaves out what was told before and is as it was, and notes the rest as told. Says how many are
    /// told for the first time.
    #[cfg(feature = "watch")]
    pub(crate) fn leave_out_told(&mut self, told: &mut ToldGaps) -> u64 {
        if told.gaps.len() >= 2 * GAPS_MAX {
            // Better to say it twice than not at all.
            told.gaps.clear();
        }
        let mut n_first = 0;
        self.gaps.retain(|gap, now| {
            let before = told.gaps.insert(gap.clone(), now.is_over);
            n_first += u64::from(before.is_none());
            before != Some(now.is_over)
        });
        let n_more = self.n_more;
        self.n_more = n_more.saturating_sub(told.n_more);
        told.n_more = told.n_more.max(n_more);
        n_first + self.n_more
    }

    /// What is said of them: accounts first, then what surely was a gap since records came again, then by
    /// time.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let mut gaps: Vec<_> = self.gaps.iter().collect();
        gaps.sort_by_key(|(((_, eni), first), gap)| (eni.is_some(), !gap.is_over, *first));
        let told = gaps.iter().take(TOLD_MAX);
        let mut notices: Vec<Notice> =
            told.map(|((source, first), gap)| notice(source, *first, gap)).collect();
        let n_more = self.n_more + gaps.len().saturating_sub(TOLD_MAX) as u64;
        if n_more > 0 {
            let text = format!("flow log gap: {n_more} more interfaces or times without records");
            notices.push(Notice { text, about: vec![("gaps", n_more.to_string())] });
        }
        notices
    }

    /// The same for people alone.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.notices().into_iter().map(|notice| notice.text).collect()
    }
}

fn notice(source: &Source, first: i64, gap: &Gap) -> Notice {
    let (account, eni) = source;
    let mut about = vec![("account", account.to_string())];
    about.extend(eni.as_ref().map(|eni| ("interface", eni.to_string())));
    about.push(("since", At(first).to_string()));
    about.extend(gap.is_over.then(|| ("until", At(gap.until).to_string())));
    Notice { text: line(source, first, gap), about }
}

fn line((account, eni): &Source, first: i64, gap: &Gap) -> String {
    let (from, until) = (At(first), At(gap.until));
    let span = if gap.is_over {
        format!("from {from} to {until}")
    } else {
        format!("since {from}, up to {until}")
    };
    match eni {
        None => format!(
            "flow log gap: no record of any interface of account {account} {span}; was logging \
             turned off (T1562.008)?"
        ),
        Some(eni) if gap.is_over => format!(
            "flow log gap: no record of {eni} (account {account}) {span} while others came; was its \
             flow log off (T1562.008)?"
        ),
        Some(eni) => format!(
            "flow log gap: no record of {eni} (account {account}) {span} while others come; either its \
             flow log is off (T1562.008), or it was deleted and a newer --inventory would say so"
        ),
    }
}

/// A time as people read it.
struct At(i64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} s", self.0),
        }
    }
}

#[cfg(test)]
mod tests;
