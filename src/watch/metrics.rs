//! What a watch tells about itself, as Prometheus reads it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use detect::Finding;
use ingest::Ledger;
use ingest::escape::is_harmful;

/// Inputs that have a line of their own; of more, the one that is farthest behind stands for them.
const INPUTS_MAX: usize = 100;

/// Upper bounds, seconds.
const BOUNDS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    1800.0, 3600.0,
];

/// How often something took how long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    /// Up to each bound, those up to the ones before not counted again.
    counts: [u64; BOUNDS.len()],
    n: u64,
    sum_secs: f64,
}

impl Histogram {
    /// One more.
    pub(crate) fn observe(&mut self, secs: f64) {
        if let Some(at) = BOUNDS.iter().position(|&bound| secs <= bound) {
            self.counts[at] += 1;
        }
        self.n += 1;
        self.sum_secs += secs;
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in all", self.n)?;
        for (count, bound) in self.counts.iter().zip(BOUNDS).filter(|&(&count, _)| count > 0) {
            write!(f, ", {count} up to {bound} s")?;
        }
        let within: u64 = self.counts.iter().sum();
        if self.n > within { write!(f, ", {} longer", self.n - within) } else { Ok(()) }
    }
}

/// Everything that is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) ledger: Ledger,
    /// How far each input is behind, milliseconds.
    pub(crate) behind_ms: Vec<(String, u64)>,
    pub(crate) n_inputs: usize,
    /// Unix seconds.
    pub(crate) watermark: Option<i64>,
    pub(crate) windows_closed: u64,
    pub(crate) windows_open: usize,
    /// By state and severity.
    pub(crate) findings: BTreeMap<(&'static str, &'static str), u64>,
    pub(crate) polls: u64,
    pub(crate) retries: BTreeMap<&'static str, u64>,
    /// What streams did not hand out, by reason.
    pub(crate) set_aside: BTreeMap<&'static str, u64>,
    /// What streams could not go on with, by reason.
    pub(crate) given_up: BTreeMap<&'static str, u64>,
    pub(crate) objects_unreadable: u64,
    /// Times without records that were told.
    pub(crate) flow_log_gaps: u64,
    pub(crate) saving: Histogram,
    /// From a window's close to its findings.
    pub(crate) telling: Histogram,
    /// From the coming of the last record of a window to a finding about it; the lateness is part of it.
    pub(crate) finding: Histogram,
}

impl Figures {
    /// Counts findings that are told.
    pub(crate) fn count(&mut self, findings: &[Finding]) {
        for finding in findings {
            let state = match finding.state {
                detect::State::Open => "open",
                detect::State::Updated => "updated",
                detect::State::Closed => "closed",
            };
            *self.findings.entry((state, finding.severity.name())).or_default() += 1;
        }
    }

    /// All of it as text, as of `now`, Unix seconds; `memory_bytes` is what the process holds.
    pub(crate) fn render(&self, now: i64, memory_bytes: Option<u64>) -> String {
        let mut page = Page::default();
        let ledger = &self.ledger;
        page.one("records_total", "counter", "Records that came in.", ledger.records);
        page.head("records_classed_total", "counter", "Records by what became of them.");
        // Of open windows they become something else yet, and a counter never falls.
        for class in ledger.classes().iter().filter(|class| class.name != "open") {
            page.line("records_classed_total", &[("class", class.name)], class.n);
        }
        page.one("records_open", "gauge", "Records in open windows.", ledger.open);
        page.head("records_rejected_total", "counter", "Records that could not be read.");
        for (reason, n) in &ledger.rejected {
            page.line("records_rejected_total", &[("reason", reason.name())], *n);
        }
        page.head("records_cut_total", "counter", "What caps cut from what was used.");
        for (cap, n) in &ledger.capped {
            page.line("records_cut_total", &[("cap", cap)], *n);
        }
        self.render_inputs(&mut page, now);
        self.render_outcome(&mut page);
        if let Some(bytes) = memory_bytes {
            page.one("memory_bytes", "gauge", "Resident memory.", bytes);
        }
        page.text
    }

    fn render_inputs(&self, page: &mut Page, now: i64) {
        page.one("inputs", "gauge", "Inputs that may still bring records.", self.n_inputs);
        page.head("input_behind_seconds", "gauge", "How far reading is behind the newest record.");
        let mut behind = self.behind_ms.clone();
        behind.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = behind.split_off(behind.len().min(INPUTS_MAX));
        let rest = rest.into_iter().next().map(|(_, ms)| ("(others, at most)".to_owned(), ms));
        for (input, ms) in behind.iter().chain(&rest) {
            page.line("input_behind_seconds", &[("input", input)], *ms as f64 / 1000.0);
        }
        if let Some(watermark) = self.watermark {
            let age = now.saturating_sub(watermark);
            let help = "Now less the time up to which windows are closed.";
            page.one("watermark_age_seconds", "gauge", help, age);
        }
        page.one("polls_total", "counter", "Times the stream was asked.", self.polls);
        page.head("retries_total", "counter", "Requests that had to be made again.");
        for (reason, n) in &self.retries {
            page.line("retries_total", &[("reason", reason)], *n);
        }
        page.head("set_aside_total", "counter", "Things that came and were not read.");
        for (reason, n) in &self.set_aside {
            page.line("set_aside_total", &[("reason", reason)], *n);
        }
        let help = "Things a stream could not go on with: records may be missing, or come twice.";
        page.head("given_up_total", "counter", help);
        for (reason, n) in &self.given_up {
            page.line("given_up_total", &[("reason", reason)], *n);
        }
        let help = "Objects that were not read to their end.";
        page.one("objects_unreadable_total", "counter", help, self.objects_unreadable);
    }

    fn render_outcome(&self, page: &mut Page) {
        page.one("windows_closed_total", "counter", "Windows judged.", self.windows_closed);
        page.one("windows_open", "gauge", "Windows that are open.", self.windows_open);
        let help = "Times without records that were told: of interfaces, or of all of an account.";
        page.one("flow_log_gaps_total", "counter", help, self.flow_log_gaps);
        page.head("findings_total", "counter", "Findings told, each revision by itself.");
        for ((state, severity), n) in &self.findings {
            page.line("findings_total", &[("state", state), ("severity", severity)], *n);
        }
        page.histogram("save_seconds", "How long it took to save the state.", &self.saving);
        let help = "From a window's close until its findings were told.";
        page.histogram("close_to_finding_seconds", help, &self.telling);
        let help = "From when the last record of a window came until a finding about it was told.";
        page.histogram("record_to_finding_seconds", help, &self.finding);
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP tidegate_{name} {help}\n# TYPE tidegate_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "tidegate_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl fmt::Display) {
        self.head(name, kind, help);
        self.line(name, &[], value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut n = 0;
        for (count, bound) in histogram.counts.iter().zip(BOUNDS) {
            n += count;
            self.line(&bucket, &[("le", &bound.to_string())], n);
        }
        self.line(&bucket, &[("le", "+Inf")], histogram.n);
        self.line(&format!("{name}_sum"), &[], histogram.sum_secs);
        self.line(&format!("{name}_count"), &[], histogram.n);
    }
}

/// Names of inputs are the service's: nothing in them ends a label.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars().take(200) {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c if is_harmful(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_a_label_and_inputs_are_capped() {
        let inputs = (0..500).map(|n| (format!("in\"put\n{n}"), n));
        let figures = Figures { behind_ms: inputs.collect(), ..Figures::default() };
        let page = figures.render(0, None);
        let lines: Vec<&str> =
            page.lines().filter(|line| line.starts_with("tidegate_input_behind")).collect();
        assert_eq!(lines.len(), INPUTS_MAX + 1);
        assert_eq!(lines[0], "tidegate_input_behind_seconds{input=\"in\\\"put\u{fffd}499\"} 0.499");
        assert!(lines[INPUTS_MAX].ends_with("{input=\"(others, at most)\"} 0.399"), "{lines:?}");
    }

    #[test]
    fn a_histogram_counts_up() {
        let mut histogram = Histogram::default();
        for secs in [0.004, 0.02, 0.02, 7.0, 10_000.0] {
            histogram.observe(secs);
        }
        let mut page = Page::default();
        page.histogram("h", "Help.", &histogram);
        let count = |le: &str| {
            let from = format!("tidegate_h_bucket{{le=\"{le}\"}} ");
            page.text.lines().find_map(|line| line.strip_prefix(&from)).map(str::to_owned)
        };
        assert_eq!(count("0.01").as_deref(), Some("1"));
        assert_eq!(count("60").as_deref(), Some("4"));
        assert_eq!(count("+Inf").as_deref(), Some("5"));
        assert_eq!(
            histogram.to_string(),
            "5 in all, 1 up to 0.005 s, 2 up to 0.025 s, 1 up to 10 s, 1 longer"
        );
    }
}
