//! Which files were taken: given again, they add nothing, and of those in S3 older ones need not be
//! listed again.

use std::collections::BTreeMap;

use detect::snapshot::TakenFile;
use ingest::{LogFile, Origin, Place};

/// Names of files remembered; of more, those taken longest ago are forgotten. Given again, their
/// records are late, since windows of their time are closed.
const FILES_MAX: usize = 1 << 17;

/// A flow log that has brought nothing for so long holds the others back no more.
const SILENT_SECS: i64 = 7 * 86_400;

/// What [`Taken::sort_out`] found.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) new: Vec<LogFile>,
    /// Of a known name, but not its size or entity tag.
    pub(crate) changed: Vec<Place>,
    pub(crate) n_known: u64,
}

/// The files whose records are in a state.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub(super) files: Vec<TakenFile>,
}

impl Taken {
    /// Tells files taken before, by name, size and entity tag, from new ones.
    pub(super) fn sort_out(&self, files: Vec<LogFile>) -> Sorted {
        let mut known: BTreeMap<&str, Vec<&TakenFile>> = BTreeMap::new();
        for file in &self.files {
            known.entry(&file.name).or_default().push(file);
        }
        let mut sorted = Sorted::default();
        for file in files {
            match known.get(name_of(&file.place).as_str()) {
                Some(taken) if taken.iter().any(|taken| is_same(taken, &file)) => {
                    sorted.n_known += 1;
                }
                Some(_) => {
                    sorted.changed.push(file.place.clone());
                    sorted.new.push(file);
                }
                None => sorted.new.push(file),
            }
        }
        sorted
    }

    /// Adds files that a generation takes.
    pub(super) fn add<'a>(
        &mut self,
        files: impl IntoIterator<Item = &'a LogFile>,
        generation: u64,
    ) {
        self.files.extend(files.into_iter().map(|file| TakenFile {
            name: name_of(&file.place),
            bytes: file.bytes,
            etag: file.etag.clone(),
            time: file.origin.time,
            generation,
        }));
        let order = |file: &TakenFile| (file.generation, file.time);
        self.files.sort_by(|a, b| {
            order(a).cmp(&order(b)).then_with(|| (&a.name, a.bytes).cmp(&(&b.name, b.bytes)))
        });
        self.files = self.files.split_off(self.files.len().saturating_sub(FILES_MAX));
    }

    /// Objects of times before this cannot bring anything the state wants: the least, over flow logs,
    /// of the newest file's time, less `margin_secs`. `None` as long as nothing says so.
    pub(super) fn listed_from(&self, margin_secs: i64) -> Option<i64> {
        let mut newest: BTreeMap<FlowLog, i64> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.etag.is_some()) {
            let Some(time) = file.time else { continue };
            let known = newest.entry(FlowLog::of(&file.name)).or_insert(time);
            *known = time.max(*known);
        }
        let still_bringing = newest.values().max()?.saturating_sub(SILENT_SECS);
        let least = newest.values().filter(|&&time| time >= still_bringing).min()?;
        Some(least.saturating_sub(margin_secs))
    }

    /// Forgets objects that are not listed any more.
    pub(super) fn forget_before(&mut self, time: i64) {
        let is_listed = |file: &TakenFile| {
            file.etag.is_none() || file.time.is_none_or(|file_time| file_time >= time)
        };
        self.files.retain(is_listed);
    }
}

/// What one subscription writes into one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FlowLog {
    account: Option<String>,
    region: Option<String>,
    id: Option<String>,
}

impl FlowLog {
    fn of(name: &str) -> Self {
        let Origin { account, region, flow_log_id, .. } = Origin::from_key(name);
        Self { account, region, id: flow_log_id }
    }
}

/// Only objects have entity tags: of a copy in a folder the size has to do.
fn is_same(taken: &TakenFile, file: &LogFile) -> bool {
    let tags = taken.etag.as_ref().zip(file.etag.as_ref());
    taken.bytes == file.bytes && tags.is_none_or(|(a, b)| a == b)
}

/// The name that tells a file from others: an object's key from `AWSLogs` on, wherever the bucket was
/// copied to; else where the file really is.
fn name_of(place: &Place) -> String {
    let text = place.name();
    if let Some(at) = text.rfind("AWSLogs/") {
        return text[at..].to_owned();
    }
    let real = place.path().and_then(|path| path.canonicalize().ok());
    real.map_or_else(|| place.to_string(), |real| real.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// 2024-02-29T12:00:00Z
    const NOON: i64 = 1_709_208_000;
    const HOUR: i64 = 3600;

    fn object(flow_log: &str, stamp: &str, etag: &str) -> LogFile {
        let key = format!(
            "p/AWSLogs/210987654321/vpcflowlogs/eu-west-3/2024/02/29/210987654321_vpcflowlogs_eu-west-3_{flow_log}_202402{stamp}Z_1f2e.log.gz"
        );
        LogFile {
            origin: Arc::new(Origin::from_key(&key)),
            place: Place::Object { bucket: "b".to_owned(), key },
            bytes: 7,
            etag: Some(etag.to_owned()),
        }
    }

    fn taken(files: &[LogFile]) -> Taken {
        let mut taken = Taken::default();
        taken.add(files, 1);
        taken
    }

    #[test]
    fn an_object_is_known_by_key_size_and_tag() {
        let state = taken(&[object("fl-a", "29T1200", "x")]);
        assert_eq!(state.sort_out(vec![object("fl-a", "29T1200", "x")]).n_known, 1);
        let sorted = state.sort_out(vec![object("fl-a", "29T1200", "y")]);
        assert_eq!((sorted.new.len(), sorted.changed.len()), (1, 1));
        let copy = LogFile { etag: None, ..object("fl-a", "29T1200", "x") };
        assert_eq!(state.sort_out(vec![copy]).n_known, 1, "a copy in a folder has no tag");
    }

    #[test]
    fn the_flow_log_that_lags_says_from_where_to_list() {
        let lags = object("fl-b", "29T0900", "x");
        let mut state = taken(&[object("fl-a", "29T1200", "x"), lags.clone()]);
        assert_eq!(state.listed_from(HOUR), Some(NOON - 4 * HOUR));
        state.add(&[object("fl-a", "07T0905", "x")], 2);
        assert_eq!(state.listed_from(HOUR), Some(NOON - 4 * HOUR), "an older file moves nothing");
        // A week on, it holds back no more.
        let later = LogFile {
            origin: Arc::new(Origin { time: Some(NOON + 7 * 24 * HOUR), ..Origin::default() }),
            ..object("fl-a", "29T1205", "x")
        };
        state.add(&[later], 3);
        let from = NOON + 7 * 24 * HOUR - HOUR;
        assert_eq!(state.listed_from(HOUR), Some(from));
        state.forget_before(from);
        assert_eq!(state.files.len(), 1, "what is not listed any more is forgotten");
        assert_eq!(state.sort_out(vec![lags]).n_known, 0);
    }

    #[test]
    fn files_without_times_or_tags_are_never_forgotten() {
        let timeless = LogFile { origin: Arc::default(), ..object("fl-a", "29T1200", "x") };
        let copy = LogFile { etag: None, ..object("fl-b", "29T1200", "x") };
        let mut state = taken(&[timeless, copy]);
        assert_eq!(state.listed_from(HOUR), None, "nothing says from where to list");
        state.forget_before(i64::MAX);
        assert_eq!(state.files.len(), 2);
    }
}
