//! The stand-ins for AWS that `./test services` starts, and the data laid into them.

use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// The endpoint of everything but Kinesis, as `http://host:port`.
pub(crate) fn moto() -> String {
    from_environment("TIDEGATE_TEST_MOTO")
}

/// The endpoint of Kinesis, as `http://host:port`.
pub(crate) fn kinesis() -> String {
    from_environment("TIDEGATE_TEST_KINESIS")
}

/// A name for a bucket, a queue, a log group or a stream that no other test and no other run has.
pub(crate) fn unique_name(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{what}-{}-{next}", process::id())
}

/// Runs `stage.py`, which has to succeed, and returns what it printed: one JSON object.
pub(crate) fn stage(arguments: &[&str]) -> Value {
    stage_at(&moto(), &kinesis(), arguments)
}

/// The same, at other endpoints: proxies, say.
pub(crate) fn stage_at(moto: &str, kinesis: &str, arguments: &[&str]) -> Value {
    // Cargo runs tests in their package's folder; the path compiled in may be another checkout's.
    let script = Path::new("tests/services/stage.py");
    let output = Command::new(PathBuf::from(from_environment("TIDEGATE_TEST_PYTHON")))
        .arg(script)
        .args(arguments)
        .env("TIDEGATE_TEST_MOTO", moto)
        .env("TIDEGATE_TEST_KINESIS", kinesis)
        .output()
        .expect("the stand-ins' Python starts");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "stage.py {arguments:?} failed:\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A test that needs a stand-in fails without it, and never passes by not looking.
#[track_caller]
fn from_environment(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run these tests with `./test services`"))
}
