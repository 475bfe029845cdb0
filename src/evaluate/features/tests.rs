//! The sheet, read as a script reads it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

use super::*;
use crate::evaluate::compare::{self, curves};
use crate::evaluate::rivals::{Method, deviation, median};
use crate::evaluate::{Also, Evaluation, Terms, also, run};

/// A line's cells by the names of their columns. None of these cells is quoted.
type Cells<'a> = BTreeMap<&'a str, &'a str>;

fn read(text: &str) -> Vec<Cells<'_>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    lines
        .map(|line| {
            assert_eq!(line.split(',').count(), names.len(), "{line}");
            names.iter().copied().zip(line.split(',')).collect()
        })
        .collect()
}

fn noted(scenarios: &[&str], seeds: Range<u64>) -> (Evaluation, String) {
    let is_wanted = |s: &&datasets::Scenario| scenarios.contains(&s.name);
    let terms = Terms {
        scenarios: datasets::scenarios().iter().filter(is_wanted).collect(),
        learn_days: 1,
        warms_up: false,
        is_unlabelled: false,
        topologies: vec!["shop"],
        services: 12,
        budget: detect::Budget::default(),
        compares: true,
        notes_features: true,
    };
    let mut written = Vec::new();
    let sheet = Sheet::new(&mut written).unwrap();
    let evaluation = run(&seeds, &terms, Some(&sheet)).unwrap();
    (evaluation, String::from_utf8(written).unwrap())
}

/// The columns that the robust z-scores are of.
const VOLUMES: [&str; 5] = ["bytes_outside", "bytes_inside", "attempts", "servers", "rejected"];

fn volumes(cells: &Cells<'_>) -> [f64; 5] {
    VOLUMES.map(|name| cells[name].parse::<f64>().unwrap().ln_1p())
}

/// The learned windows that a row is judged beside.
fn group<'a>(cells: &Cells<'a>) -> [&'a str; 3] {
    ["seed", "history", "service"].map(|name| cells[name])
}

/// Robust z-scores computed from the sheet alone, and weighed by its columns.
fn robust_z(rows: &[Cells<'_>]) -> Value {
    let mut known: BTreeMap<[&str; 3], [Vec<f64>; 5]> = BTreeMap::new();
    for cells in rows.iter().filter(|cells| cells["part"] == "train") {
        let values = known.entry(group(cells)).or_default();
        values.iter_mut().zip(volumes(cells)).for_each(|(all, value)| all.push(value));
    }
    let usual: BTreeMap<_, [(f64, f64); 5]> = known
        .into_iter()
        .map(|(group, values)| {
            (
                group,
                values.map(|mut all| ((1.4826 * deviation(&mut all)).max(0.1), median(&mut all))),
            )
        })
        .collect();
    let mut runs: BTreeMap<[&str; 2], Value> = BTreeMap::new();
    for cells in rows.iter().filter(|cells| cells["part"] == "judge") {
        let run = runs.entry([cells["seed"], cells["scenario"]]).or_insert_with(|| {
            let attacks = vec![Value::Null; cells["attacks"].parse().unwrap()];
            json!({
                "seed": cells["seed"].parse::<u64>().unwrap(),
                "scenario": cells["scenario"],
                "records": cells["records"].parse::<u64>().unwrap(),
                "methods": {"ECOD": {"attacks": attacks, "findings": {}}},
            })
        });
        let Some(usual) = usual.get(&group(cells)) else { continue };
        let z = volumes(cells)
            .into_iter()
            .zip(usual)
            .map(|(x, (spread, middle))| (x - middle) / spread);
        let score = z.fold(0.0, f64::max) / 3.5;
        if score >= 0.5 {
            weigh(&mut run["methods"]["ECOD"], cells, score);
        }
    }
    let mut runs: Vec<Value> = runs.into_values().collect();
    for run in &mut runs {
        let findings = run["methods"]["ECOD"]["findings"].take();
        run["methods"]["ECOD"]["findings"] =
            findings.as_object().unwrap().values().cloned().collect();
    }
    json!({"schema": "tidegate.weighed/1", "runs": runs})
}

/// What a script does with a score.
fn weigh(best: &mut Value, cells: &Cells<'_>, score: f64) {
    let higher = |known: &Value| json!(known.as_f64().map_or(score, |known| known.max(score)));
    for place in cells["names"].split_whitespace() {
        let attack = &mut best["attacks"][place.parse::<usize>().unwrap()];
        *attack = higher(attack);
    }
    let finding = &mut best["findings"][cells["workload"]];
    if finding.is_null() {
        *finding = json!([null, null]);
    }
    let side = &mut finding[usize::from(cells["explained"] != "1")];
    *side = higher(side);
}

#[test]
fn a_method_has_the_same_curve_through_the_sheet_as_within() {
    let (mut evaluation, sheet) = noted(&["port-scan", "rolling-deploy", "shop"], 3..4);
    let weighed = robust_z(&read(&sheet)).to_string();
    Also::of(weighed.as_bytes()).unwrap().add_to(&mut evaluation).unwrap();
    let curves = curves(&evaluation.outcomes);
    let of = |method: Method| curves.iter().find(|curve| curve.method == method).unwrap();
    let (within, through) = (of(Method::RobustZ), of(Method::Ecod));
    assert!(within.points.len() > 10 && within.recall_at(1_000.0) > 0.0, "something is weighed");
    assert_eq!(through.runs, 3);
    // Numbers lose their last bit on the way through JSON.
    let shown = |curve: &compare::Curve| -> Vec<String> {
        let shown = |p: &compare::Point| format!("{:?} {:.9}", (p.recall, p.false_per_day), p.cut);
        curve.points.iter().map(shown).collect()
    };
    assert_eq!(shown(through), shown(within));
    let by_attack = |method| of(method).recall_by_attack(&evaluation.outcomes, 30.0);
    assert_eq!(by_attack(Method::Ecod), by_attack(Method::RobustZ));
}

#[test]
fn seeds_stand_in_their_order_with_what_they_learned_before_what_they_judged() {
    let (_, sheet) = noted(&["shop", "sweep"], 3..5);
    let rows = read(&sheet);
    let mut parts: Vec<[&str; 3]> =
        rows.iter().map(|cells| ["seed", "part", "scenario"].map(|name| cells[name])).collect();
    parts.dedup();
    let of = |seed| [[seed, "train", ""], [seed, "judge", "shop"], [seed, "judge", "sweep"]];
    assert_eq!(parts, [of("3"), of("4")].concat());
    let explained: Vec<_> = rows.iter().filter(|cells| cells["explained"] == "1").collect();
    assert!(!explained.is_empty());
    for cells in explained {
        assert_eq!([cells["scenario"], cells["attacks"], cells["names"]], ["sweep", "1", "0"]);
    }
    let new = |part: &str, last_day: &str| -> u64 {
        let of_part = rows.iter().filter(|c| c["part"] == part && c["scenario"] == last_day);
        of_part.map(|cells| cells["new_edges"].parse::<u64>().unwrap()).sum()
    };
    assert!(new("train", "") > 5 * new("judge", "shop"), "what was learned is known when judging");
}

#[test]
fn the_script_has_the_same_cuts_rates_and_columns() {
    let script = include_str!("../../../benches/pyod_compare.py");
    let [first, .., last] = MEASURED;
    let agreed = [
        format!("CUTS_MAX = {}\n", compare::CUTS_MAX),
        format!("RATES = {:?}\n", compare::RATES),
        format!("SCHEMA = {:?}\n", also::SCHEMA),
        format!("FIRST_NUMBER, LAST_NUMBER = {first:?}, {last:?}\n"),
        format!("VOLUMES = {VOLUMES:?}\n"),
    ];
    for line in agreed {
        assert!(script.contains(&line), "{line}");
    }
    for method in Method::ALL.into_iter().filter(|method| method.is_read()) {
        assert!(script.contains(&format!("{:?}: ", method.name())), "{}", method.name());
    }
}

#[test]
fn what_strangers_named_stays_within_its_cell() {
    let row = Row {
        service: "=a,\"b\"\nshop,train\u{202e}".into(),
        address: "10.0.0.1".parse::<std::net::IpAddr>().unwrap().into(),
        start: 1_741_564_800,
        values: [0; MEASURED.len()],
    };
    let mut lines = String::new();
    write_learned(Chapter { seed: 1, topology: "shop", history: "" }, &[row], &mut lines);
    assert_eq!(lines.lines().count(), 1);
    let head = "1,shop,,train,,,,,\"'=a,\"\"b\"\"\\nshop,train\\u{202e}\",10.0.0.1,1741564800,0,0,";
    assert!(lines.starts_with(head), "{lines}");
}
