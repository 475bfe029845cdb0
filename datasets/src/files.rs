//! Writes lines to the files AWS would deliver to S3.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use crate::estate::Interface;
use crate::random::Rng;
use crate::record::Record;
use crate::text::Silence;
use crate::{ACCOUNT, Error, Format, REGION};

/// A file holds the records that end in these seconds.
pub(crate) const FILE_SECS: i64 = 300;

/// How many bytes of text are gathered before they are compressed.
const BUFFER_BYTES: usize = 64 << 10;

/// Where records go.
pub(crate) enum Sink {
    /// To the files of a bucket.
    Bucket(Box<Bucket>),
    /// To pages in memory, one for what would be a file.
    Pages(Pages),
    /// Nowhere: they are counted.
    Count(u64),
}

impl Sink {
    /// Takes a record of an interface.
    pub(crate) fn record(&mut self, record: &Record, interface: &Interface) {
        match self {
            Self::Count(count) => *count += 1,
            Self::Bucket(bucket) => bucket.push(record.end, |format, text| {
                format.push_record(text, record, interface);
            }),
            Self::Pages(pages) => pages.push(record.end, |format, text| {
                format.push_record(text, record, interface);
            }),
        }
    }

    /// Takes an interface's line without traffic.
    pub(crate) fn silence(&mut self, silence: Silence, interface: &Interface, span: (i64, i64)) {
        match self {
            Self::Count(count) => *count += 1,
            Self::Bucket(bucket) => bucket.push(span.1, |format, text| {
                format.push_silence(text, silence, interface, span);
            }),
            Self::Pages(pages) => pages.push(span.1, |format, text| {
                format.push_silence(text, silence, interface, span);
            }),
        }
    }

    /// Whether it takes no more; counting has no end, so nothing is worth filling it.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Count(_) | Self::Pages(_) => true,
            Self::Bucket(bucket) => bucket.is_full(),
        }
    }

    /// How many lines it took.
    pub(crate) fn n_records(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Bucket(bucket) => bucket.n_records,
            Self::Pages(pages) => pages.n_records,
        }
    }
}

/// The text of one file.
#[derive(Debug)]
pub struct Page {
    /// The first second of its five minutes, Unix seconds: its records end in them.
    pub from: i64,
    /// The header line and the records' lines.
    pub text: Vec<u8>,
}

impl Page {
    /// The first second after its five minutes, Unix seconds.
    pub fn until(&self) -> i64 {
        self.from + FILE_SECS
    }
}

/// Files as text in memory, taken as time goes by.
#[derive(Debug)]
pub(crate) struct Pages {
    format: Format,
    open: Vec<Page>,
    /// Given back, to be filled again.
    spare: Vec<Vec<u8>>,
    n_records: u64,
}

impl Pages {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, open: Vec::new(), spare: Vec::new(), n_records: 0 }
    }

    fn push(&mut self, end: i64, line: impl FnOnce(Format, &mut Vec<u8>)) {
        self.n_records += 1;
        let from = end - end.rem_euclid(FILE_SECS);
        let found = self.open.iter().position(|page| page.from == from);
        let at = found.unwrap_or_else(|| {
            let mut text = self.spare.pop().unwrap_or_default();
            text.extend_from_slice(self.format.header().as_bytes());
            self.open.push(Page { from, text });
            self.open.len() - 1
        });
        line(self.format, &mut self.open[at].text);
    }

    /// Hands over the pages that can get no more records from a time on, oldest first.
    pub(crate) fn take_before(&mut self, time: i64, take: &mut dyn FnMut(&Page)) {
        self.open.sort_by_key(|page| page.from);
        let is_done = |page: &mut Page| page.until() <= time;
        for mut page in self.open.extract_if(.., is_done) {
            take(&page);
            page.text.clear();
            self.spare.push(page.text);
        }
    }
}

/// A bucket's tree of flow-log files, written as time goes by.
pub(crate) struct Bucket {
    dir: PathBuf,
    format: Format,
    flow_log_id: String,
    rng: Rng,
    open: Vec<OpenFile>,
    n_records: u64,
    n_records_max: u64,
    n_files: u64,
    failure: Option<Error>,
}

/// A file that may get more lines.
struct OpenFile {
    /// The first second of its five minutes.
    from: i64,
    path: PathBuf,
    text: Vec<u8>,
    gzip: GzEncoder<File>,
}

impl Bucket {
    /// A bucket in a directory that takes at most that many records.
    pub(crate) fn new(dir: &Path, format: Format, seed: u64, n_records_max: u64) -> Self {
        let mut rng = Rng::new(seed, "bucket");
        Self {
            dir: dir.to_owned(),
            format,
            flow_log_id: format!("fl-0{}", rng.hex(16)),
            rng,
            open: Vec::new(),
            n_records: 0,
            n_records_max,
            n_files: 0,
            failure: None,
        }
    }

    /// Sets how many records it takes in all; those beyond are dropped.
    pub(crate) fn limit(&mut self, n_records_max: u64) {
        self.n_records_max = n_records_max;
    }

    /// Whether it takes no more.
    fn is_full(&self) -> bool {
        self.n_records >= self.n_records_max || self.failure.is_some()
    }

    /// Appends a line to the file its last second belongs to. The first failure is kept for
    /// [`Bucket::close_before`], and nothing is written after it.
    fn push(&mut self, end: i64, line: impl FnOnce(Format, &mut Vec<u8>)) {
        if self.is_full() {
            return;
        }
        self.n_records += 1;
        let format = self.format;
        if let Err(error) = self.file(end).and_then(|file| {
            line(format, &mut file.text);
            file.spill(BUFFER_BYTES).map_err(Error::write(&file.path))
        }) {
            self.failure = Some(error);
        }
    }

    /// The open file for records ending at a time.
    fn file(&mut self, end: i64) -> Result<&mut OpenFile, Error> {
        let from = end - end.rem_euclid(FILE_SECS);
        let found = self.open.iter().position(|file| file.from == from);
        let position = if let Some(position) = found {
            position
        } else {
            let file = self.create(from)?;
            self.open.push(file);
            self.open.len() - 1
        };
        Ok(&mut self.open[position])
    }

    fn create(&mut self, from: i64) -> Result<OpenFile, Error> {
        let time = stamp(from);
        let (year, month, day) = (&time[..4], &time[4..6], &time[6..8]);
        let folder = format!("AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{year}/{month}/{day}");
        let folder = self.dir.join(folder);
        fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
        let (id, hash) = (&self.flow_log_id, self.rng.hex(8));
        let path = folder.join(format!("{ACCOUNT}_vpcflowlogs_{REGION}_{id}_{time}_{hash}.log.gz"));
        let file = File::create(&path).map_err(Error::write(&path))?;
        let mut text = Vec::with_capacity(BUFFER_BYTES + 1024);
        text.extend_from_slice(self.format.header().as_bytes());
        self.n_files += 1;
        Ok(OpenFile { from, path, text, gzip: GzEncoder::new(file, Compression::fast()) })
    }

    /// Finishes the files that can get no more records from a time on.
    pub(crate) fn close_before(&mut self, time: i64) -> Result<(), Error> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let is_done = |file: &mut OpenFile| file.from + FILE_SECS <= time;
        for file in self.open.extract_if(.., is_done) {
            let path = file.path.clone();
            file.finish().map_err(Error::write(&path))?;
        }
        Ok(())
    }

    /// How many files it wrote.
    pub(crate) fn n_files(&self) -> u64 {
        self.n_files
    }
}

impl OpenFile {
    /// Compresses the gathered text when there is more than so much.
    fn spill(&mut self, above_bytes: usize) -> io::Result<()> {
        if self.text.len() > above_bytes {
            self.gzip.write_all(&self.text)?;
            self.text.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.spill(0)?;
        self.gzip.finish().map(drop)
    }
}

/// A time as file names spell it, to the minute: `20250303T0005Z`.
pub(crate) fn stamp(time: i64) -> String {
    let time = Timestamp::from_second(time).unwrap_or_default();
    time.strftime("%Y%m%dT%H%MZ").to_string()
}
