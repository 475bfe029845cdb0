//! What was typed after `tidegate evaluate`.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use super::OutputFormat;

/// More seeds than this are a slip of the finger.
const SEEDS_MAX: u64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// What to judge, of `generate --scenario list`; all of it if not given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) scenarios: Vec<String>,
    /// The seeds of the estates: from the first to before the second, or a single one.
    #[arg(long, value_name = "A..B", default_value = "1000..1050", value_parser = seeds)]
    pub(crate) seeds: Range<u64>,
    /// How many false findings are accepted, over the whole estate: 1/day, 0.1/day, 3/week.
    #[arg(long, value_name = "N/day", default_value = "1/day")]
    pub(crate) budget: detect::Budget,
    /// Days that are learned before the judged ones.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub(crate) learn_days: u32,
    /// Judge those days too, without telling, as `detect --warmup` does; else they are only learned, as
    /// `learn` does.
    #[arg(long)]
    pub(crate) warm_up: bool,
    /// Judge by the logs alone: no inventory tells which workloads are one service. Else there is a new one
    /// whenever something changes.
    #[arg(long)]
    pub(crate) without_inventory: bool,
    /// Whose services the estates have, of `generate --scenario list`: seeds take turns. The shop's if
    /// not given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) topologies: Vec<String>,
    /// Number of services of a shop, 12 to 60; other topologies are whole.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(12..=60))]
    pub(crate) services: u32,
    /// Judge the same with other methods too: RITA's beacon score, Zeek's scan rule, first-seen edges,
    /// robust z-scores.
    #[arg(long)]
    pub(crate) compare: bool,
    /// Also take in what other methods made of the windows that --features wrote, as
    /// `benches/pyod_compare.py` writes it.
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(crate) also: Option<PathBuf>,
    /// Write every workload's windows in numbers (CSV), the learned ones and the judged ones, with the
    /// truth: what methods that judge elsewhere are given. Tens of megabytes a seed; see benches/README.md.
    #[arg(long, value_name = "FILE")]
    pub(crate) features: Option<PathBuf>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
    /// Write the result as a document (Markdown) too; with --compare, its picture beside it (SVG).
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
}

/// `1000..1050`, which is fifty seeds, or `7`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match text.split_once("..") {
        Some((from, until)) => number(from).zip(number(until)).map(|(from, until)| from..until),
        None => number(text).and_then(|seed| Some(seed..seed.checked_add(1)?)),
    };
    let range = range.filter(|range| !range.is_empty() && range.end - range.start <= SEEDS_MAX);
    range.ok_or_else(|| "expected a range of seeds as in 1000..1050, which is fifty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_without_its_end() {
        assert_eq!(seeds("1000..1050"), Ok(1000..1050));
        assert_eq!(seeds("7"), Ok(7..8));
        for text in ["", "5..5", "9..1", "a..b", "1...3", "0..18446744073709551615", "-1"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }
}
