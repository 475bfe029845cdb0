//! The flow logs that all tests of sources read: an intrusion into a small shop, as text in files, and
//! what is found in them there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use datasets::Options;
use tempfile::TempDir;

use crate::parquet_logs;
use crate::program::{Run, run_with};
use crate::stand_ins::{kinesis, moto};

/// Flow logs in files, and their findings.
pub(crate) struct Estate {
    folder: TempDir,
    /// `--inventory FILE …`
    inventories: Vec<String>,
    /// The findings of one run over the files.
    pub(crate) findings: String,
}

/// What a run over the estate's records gave.
pub(crate) struct Judged {
    pub(crate) run: Run,
    /// The findings file; empty if there is none.
    pub(crate) findings: String,
}

/// The one estate, made when it is first asked for.
pub(crate) fn estate() -> &'static Estate {
    static ESTATE: OnceLock<Estate> = OnceLock::new();
    ESTATE.get_or_init(|| {
        let options = Options {
            services: 12,
            days: 2,
            records: Some(60_000),
            seed: 5,
            ..Options::new("intrusion")
        };
        let folder = tempfile::tempdir().unwrap();
        datasets::write(folder.path(), &options).unwrap();
        let names = fs::read_dir(folder.path()).unwrap();
        let inventories = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension() == Some("json".as_ref()))
            .flat_map(|name| ["--inventory".to_owned(), name])
            .collect();
        let mut estate = Estate { folder, inventories, findings: String::new() };
        let judged = estate.detect_well(&["AWSLogs"]);
        assert!(judged.findings.contains("\"kind\":"), "an intrusion is found in the files");
        estate.findings = judged.findings;
        estate
    })
}

impl Estate {
    /// The folder with everything in it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The tree of flow logs.
    pub(crate) fn logs(&self) -> String {
        self.folder.path().join("AWSLogs").to_str().unwrap().to_owned()
    }

    /// All log files, by the times in their names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        gather(&self.folder.path().join("AWSLogs"), &mut files);
        files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
        files
    }

    /// Runs `detect` on sources and options.
    pub(crate) fn detect(&self, arguments: &[&str]) -> Judged {
        self.judge("detect", arguments, &[])
    }

    /// The same, which has to end with 0.
    pub(crate) fn detect_well(&self, arguments: &[&str]) -> Judged {
        let judged = self.detect(arguments);
        assert_eq!(judged.run.code, 0, "{arguments:?}\n{}", judged.run.stderr);
        judged
    }

    /// These arguments, and everything known of who is who.
    pub(crate) fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let inventories = self.inventories.iter().map(String::as_str);
        let all = arguments.iter().copied().chain(inventories);
        all.chain(["--inventory-time", "2025-03-03"]).collect()
    }

    /// How many records there are.
    pub(crate) fn n_records(&self) -> u64 {
        let of_file = |file: &PathBuf| parquet_logs::text_of(file).lines().count() as u64 - 1;
        self.files().iter().map(of_file).sum()
    }

    /// Runs a command that judges, with everything known of who is who, against the stand-ins.
    pub(crate) fn judge(
        &self,
        command: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Judged {
        let file = findings_file();
        let all = [&[command][..], arguments, &["--findings", &file]].concat();
        let run = self.run_in(&all, environment);
        let findings = fs::read_to_string(self.folder().join(file)).unwrap_or_default();
        Judged { run, findings }
    }
}

impl Estate {
    /// Runs any command on sources, with everything known of who is who, against the stand-ins.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_in(arguments, &[])
    }

    fn run_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let (moto, kinesis) = (moto(), kinesis());
        let mut variables =
            vec![("AWS_ENDPOINT_URL", moto.as_str()), ("AWS_ENDPOINT_URL_KINESIS", &kinesis)];
        variables.extend(environment);
        run_with(self.folder(), &self.arguments(arguments), &variables)
    }
}

/// A name for a findings file that nobody else in this test run has.
pub(crate) fn findings_file() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("findings-{}.jsonl", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
}
