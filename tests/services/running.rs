//! A run beside the test: asked how far it is, told to stop, or killed.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::estate::estate;
use crate::stand_ins::{kinesis, moto};

/// A watch has to read everything within this.
const READ_WITHIN: Duration = Duration::from_secs(240);
/// What was told to stop has to end within this.
const END_WITHIN: Duration = Duration::from_secs(10);
/// Nothing more came for so long: that was all.
const QUIET_FOR: Duration = Duration::from_millis(1500);

/// A run and what it wrote.
pub(crate) struct Running {
    child: Child,
    address: Arc<OnceLock<String>>,
    stderr: Option<JoinHandle<String>>,
    findings: PathBuf,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    /// The findings file; empty if there is none.
    pub(crate) findings: String,
}

impl Running {
    /// Starts a watch that reads a stream from its beginning.
    pub(crate) fn watch(url: &str, findings: &str, options: &[&str]) -> Self {
        let fixed = ["--start", "trim-horizon", "--idle", "20s", "--listen", "127.0.0.1:0"];
        Self::start(&[&["watch", url], &fixed[..], options].concat(), findings)
    }

    /// Starts the program, with everything known of who is who.
    pub(crate) fn start(arguments: &[&str], findings: &str) -> Self {
        let arguments = [arguments, &["--top", "0", "--findings", findings]].concat();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(estate().arguments(&arguments))
            .current_dir(estate().folder())
            .env("AWS_ENDPOINT_URL", moto())
            .env("AWS_ENDPOINT_URL_KINESIS", kinesis())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let address = Arc::new(OnceLock::new());
        let (stderr, listens_at) = (child.stderr.take().unwrap(), Arc::clone(&address));
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            for line in BufReader::new(stderr).lines() {
                let line = line.unwrap();
                if let Some(address) = line.strip_prefix("listening:") {
                    listens_at.get_or_init(|| address.split('"').nth(1).unwrap().to_owned());
                }
                text.push_str(&line);
                text.push('\n');
            }
            text
        });
        let findings = estate().folder().join(findings);
        Self { child, address, stderr: Some(stderr), findings }
    }

    /// Waits until so many records came and nothing more does.
    pub(crate) fn wait_for(&mut self, n_records: u64) {
        self.wait_until("the records", |figures| figures.n_records() >= n_records);
    }

    /// Waits until something came, and no longer.
    #[allow(clippy::disallowed_methods, reason = "it waits by the clock")]
    pub(crate) fn wait_for_some(&mut self) {
        let begun = Instant::now();
        while self.figures().n_records() == 0 && begun.elapsed() < READ_WITHIN {
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until each of so many inputs says that nothing is left, and nothing comes.
    pub(crate) fn wait_until_read(&mut self, n_inputs: u64) {
        self.wait_until("the end", |figures| {
            let behind: Vec<f64> = figures.values("input_behind_seconds{").collect();
            figures.value("inputs") == n_inputs
                && behind.len() as u64 == n_inputs
                && behind.iter().all(|behind| *behind == 0.0)
        });
    }

    /// Waits until something holds and, from then on, nothing came for a while.
    #[allow(clippy::disallowed_methods, reason = "it waits by the clock")]
    fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&Figures) -> bool) {
        let begun = Instant::now();
        let (mut known, mut since) = (0, Instant::now());
        loop {
            let figures = self.figures();
            let now = figures.value("records_total");
            if now != known || !holds(&figures) {
                (known, since) = (now, Instant::now());
            }
            if since.elapsed() >= QUIET_FOR {
                return;
            }
            let is_running = self.child.try_wait().unwrap().is_none();
            if !is_running || begun.elapsed() > READ_WITHIN {
                let _ = self.child.kill();
                let stderr = self.stderr.take().unwrap().join().unwrap();
                panic!("no sign of {what} in {:?}: {stderr}{}", begun.elapsed(), figures.0);
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn figures(&self) -> Figures {
        let page = self.address.get().and_then(|address| page(address, "/metrics"));
        Figures(page.unwrap_or_default())
    }

    /// Tells it to stop, as a service manager does. It has to end well.
    pub(crate) fn stop(mut self) -> Ended {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = self.end();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert!(ended.took < END_WITHIN, "it took {:?} to stop", ended.took);
        ended
    }

    /// Lets it run to its end.
    pub(crate) fn wait(mut self) -> Ended {
        self.end()
    }

    /// `kill -9` after so long. It may have ended before, and then well.
    pub(crate) fn kill_after(mut self, after: Duration) -> Ended {
        sleep(after);
        self.child.kill().unwrap();
        let ended = self.end();
        let was_killed = ended.status.signal() == Some(9);
        assert!(was_killed || ended.status.code() == Some(0), "{}", ended.stderr);
        ended
    }

    #[allow(clippy::disallowed_methods, reason = "it measures")]
    fn end(&mut self) -> Ended {
        let begun = Instant::now();
        let status = self.child.wait().unwrap();
        let took = begun.elapsed();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let findings = fs::read_to_string(&self.findings).unwrap_or_default();
        Ended { status, stderr, took, findings }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ended, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `/metrics` says.
struct Figures(String);

impl Figures {
    /// The values of lines that begin so.
    fn values(&self, begin: &str) -> impl Iterator<Item = f64> {
        let begin = format!("tidegate_{begin}");
        let of_line = move |line: &str| line.strip_prefix(&begin)?.rsplit(' ').next()?.parse().ok();
        self.0.lines().filter_map(of_line)
    }

    /// A figure; 0 if it is not there.
    fn value(&self, name: &str) -> u64 {
        self.values(&format!("{name} ")).sum::<f64>() as u64
    }

    /// Records that came, those that came again not counted.
    fn n_records(&self) -> u64 {
        let class = |name: &str| {
            self.values(&format!("records_classed_total{{class=\"{name}\"}}")).sum::<f64>() as u64
        };
        self.value("records_total") - class("duplicate") - class("control")
    }
}

/// What is at a path of a plain HTTP server; `None` if nobody answers.
fn page(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
