//! One seed: histories are learned once, and every scenario is judged on a branch of its history.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use datasets::{Format, Life, Options, Scenario, Snapshot, Stage};
use detect::suggest::PlanBudget;
use detect::suppress::Suppressions;
use detect::{Budget, Judge, JudgeOptions, Severity};
use ingest::FieldSet;
use ingest::inventory::{self, Inventory};
use jiff::tz::TimeZone;
use model::baseline::{Baseline, RangesUse};
use model::fold::FoldOptions;
use model::identity::{Directory, IdentityOptions};

use super::compare::{self, Weighed};
use super::features::{Chapter, Features, Row, write_judged, write_learned};
use super::feed::Feed;
use super::rivals::{Alarm, Method, Rivals};
use super::watched::{Beside, Learning, Past, Told, Watched};
use crate::advice::Planning;
use crate::judging::Judging;

/// The logs' aggregation interval, and the windows that go with it.
const INTERVAL_SECS: u32 = 60;
pub(crate) const WINDOW_SECS: i64 = 300;

const DAY_SECS: i64 = 86_400;

/// What is judged, and how.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command")]
pub(crate) struct Terms {
    pub(crate) scenarios: Vec<&'static Scenario>,
    /// Days learned before the judged ones.
    pub(crate) learn_days: u32,
    /// Whether those days are judged without telling, as `detect --warmup` does, rather than only
    /// learned.
    pub(crate) warms_up: bool,
    /// Whether nothing is known of the estates but their logs: no inventory names a workload.
    pub(crate) is_unlabelled: bool,
    /// Whose services the estates have; seeds take turns.
    pub(crate) topologies: Vec<&'static str>,
    /// Services of the estate.
    pub(crate) services: u32,
    pub(crate) budget: Budget,
    /// Whether other methods judge the same.
    pub(crate) compares: bool,
    /// Whether windows are noted for methods that judge elsewhere.
    pub(crate) notes_features: bool,
}

/// What came of judging one scenario under one seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    pub(crate) judged_days: u32,
    pub(crate) records: u64,
    pub(crate) attacks: Vec<Attack>,
    pub(crate) findings: Vec<Found>,
    /// This program and other methods, if they were compared.
    pub(crate) weighed: Vec<Weighed>,
}

/// An attack that was laid in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attack {
    pub(crate) stage: Stage,
    pub(crate) detection: Option<Detection>,
}

/// How an attack was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Detection {
    /// Windows from its first record, both counted.
    pub(crate) windows: u64,
    /// The kinds of deviation that named it.
    pub(crate) kinds: BTreeSet<&'static str>,
}

/// A finding that was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) severity: Severity,
    pub(crate) first_seen: String,
    pub(crate) summary: String,
    /// Whether an attack explains it.
    pub(crate) is_true: bool,
    /// What it suggests, if anything.
    pub(crate) action: Option<String>,
    /// Whether its plan acts on a host that no attack is of, neither attacking nor attacked.
    pub(crate) acts_on_bystander: bool,
}

impl Found {
    /// Whether its plan cuts something off.
    pub(crate) fn is_quarantine(&self) -> bool {
        let cuts = ["isolate-workload", "cut-remote", "remove-rule"];
        self.action.as_deref().is_some_and(|action| cuts.contains(&action))
    }

    /// Whether that is wrong: nothing happened, or another host did it.
    pub(crate) fn is_false_quarantine(&self) -> bool {
        self.is_quarantine() && (!self.is_true || self.acts_on_bystander)
    }
}

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    pub(crate) outcomes: Vec<Outcome>,
    /// Its windows' features as lines of CSV, if they were noted.
    pub(crate) features: String,
}

/// Judges every scenario under one seed.
pub(crate) fn run(seed: u64, terms: &Terms) -> Result<Judged> {
    let mut by_history: BTreeMap<&str, Vec<&'static Scenario>> = BTreeMap::new();
    for scenario in &terms.scenarios {
        by_history.entry(scenario.history()).or_default().push(scenario);
    }
    let Judged { mut outcomes, mut features } = Judged::default();
    for (name, scenarios) in by_history {
        let Some(first) = scenarios.first() else { continue };
        let (topology, history) = (terms.topology(seed), name);
        let chapter = Chapter { seed, topology, history };
        let mut history = History::learn(seed, first, terms)?;
        write_learned(chapter, &history.learning.beside.take_rows(), &mut features);
        for scenario in scenarios {
            let (outcome, rows) = history.judge(scenario, terms)?;
            write_judged(chapter, &outcome, &rows, &mut features);
            outcomes.push(outcome);
        }
    }
    Ok(Judged { outcomes, features })
}

impl Terms {
    /// Whose services a seed's estate has.
    fn topology(&self, seed: u64) -> &'static str {
        let turn = usize::try_from(seed % self.topologies.len().max(1) as u64).unwrap_or(0);
        self.topologies.get(turn).copied().unwrap_or("shop")
    }

    /// The inventories taken of an estate up to a time.
    fn inventories(&self, life: &Life, until: i64) -> Result<Vec<Inventory>> {
        if self.is_unlabelled {
            return Ok(Vec::new());
        }
        read_all(&life.snapshots(until))
    }

    /// What goes on beside the judge.
    fn beside(&self) -> Beside {
        Beside {
            rivals: self.compares.then(Rivals::default),
            features: self.notes_features.then(Features::default),
        }
    }
}

/// Days that are learned, and what was learned from them.
struct History {
    seed: u64,
    life: Life,
    inventories: Vec<Inventory>,
    feed: Feed,
    learning: Learning,
}

impl History {
    fn learn(seed: u64, scenario: &Scenario, terms: &Terms) -> Result<Self> {
        let options = Options {
            seed,
            topology: terms.topology(seed).to_owned(),
            services: terms.services,
            days: terms.learn_days + scenario.judged_days(),
            interval_secs: INTERVAL_SECS,
            format: Format::V5,
            ..Options::new(scenario.name)
        };
        let mut life = Life::new(&options)?;
        let learn_until = life.learn_until();
        let inventories = terms.inventories(&life, learn_until)?;
        let mut feed = feed(&inventories);
        let past = if terms.warms_up {
            Past::WarmedUp(Box::new(Judge::new(judge_options(terms), Baseline::default())))
        } else {
            Past::Learned(Box::default())
        };
        let mut learning = Learning { past, beside: terms.beside() };
        let mut taken = Ok(());
        life.live(learn_until, &mut |page| {
            if taken.is_ok() {
                taken = feed.take(page, &mut learning);
            }
        });
        taken?;
        feed.finish(&mut learning)?;
        let learned = &mut learning.past.baseline().learned;
        learned.interval_secs = Some(INTERVAL_SECS.into());
        learned.fields = FieldSet::of(Format::V5.fields());
        learned.ip_ranges = Some(RangesUse::of(&feed.directory));
        Ok(Self { seed, life, inventories, feed, learning })
    }

    /// Judges a scenario's days on a branch, as `detect --baseline` would; the rows noted go with what
    /// came of it.
    fn judge(&self, scenario: &'static Scenario, terms: &Terms) -> Result<(Outcome, Vec<Row>)> {
        let mut life = self.life.branch(scenario.name)?;
        let mut inventories = self.inventories.clone();
        inventories.extend(terms.inventories(&life, life.end())?);
        let mut feed = match self.learning.past {
            Past::Learned(_) => feed(&inventories),
            Past::WarmedUp(_) => self.feed.branch(directory(&inventories)),
        };
        let judge = self.learning.past.judge(judge_options(terms));
        let planning = Planning::default();
        let judging = Judging::new(judge, i64::MIN, &planning, PlanBudget::default());
        let mut watched = Watched::new(judging, self.learning.beside.clone());
        let mut taken = Ok(());
        life.live(life.end(), &mut |page| {
            if taken.is_ok() {
                taken = feed.take(page, &mut watched);
            }
        });
        taken?;
        feed.finish(&mut watched)?;
        let rows = watched.beside.take_rows();
        let (told, alarms) = watched.findings(&feed.directory);
        let mut stages = life.stages();
        stages.retain(|stage| stage.last_seen >= life.learn_until());
        let outcome = Outcome {
            scenario: scenario.name,
            seed: self.seed,
            judged_days: scenario.judged_days(),
            records: life.records(),
            weighed: if terms.compares { weigh(&told, alarms, &stages) } else { Vec::new() },
            findings: told.iter().map(|told| found(told, &stages)).collect(),
            attacks: attacks(stages).map(|stage| attack(stage, &told)).collect(),
        };
        Ok((outcome, rows))
    }
}

fn judge_options(terms: &Terms) -> JudgeOptions {
    JudgeOptions {
        zone: TimeZone::UTC,
        window_secs: WINDOW_SECS,
        interval_secs: INTERVAL_SECS.into(),
        warmup_secs: if terms.warms_up { i64::from(terms.learn_days) * DAY_SECS } else { 0 },
        budget: terms.budget,
        blind: BTreeSet::new(),
        accepted: Suppressions::default(),
    }
}

fn feed(inventories: &[Inventory]) -> Feed {
    Feed::new(FoldOptions::new(WINDOW_SECS), directory(inventories))
}

fn directory(inventories: &[Inventory]) -> Directory {
    Directory::new(IdentityOptions { inventories: inventories.to_vec(), ..Default::default() })
}

fn read_all(snapshots: &[Snapshot]) -> Result<Vec<Inventory>> {
    let read = |snapshot: &Snapshot| {
        let read = inventory::read(Path::new("network-interfaces.json"), snapshot.json.as_bytes());
        Ok(Inventory { taken_at: Some(snapshot.taken_at), ..read? })
    };
    snapshots.iter().map(read).collect()
}

/// Weighs every method's alarms: those of one finding together, others' by workload.
fn weigh(told: &[Told], alarms: Vec<Alarm>, stages: &[Stage]) -> Vec<Weighed> {
    let of_told = |told: &Told| {
        let alarm = |trace| (told.finding.id.clone(), Alarm { method: Method::Tidegate, trace });
        told.traces.iter().cloned().map(alarm).collect::<Vec<_>>()
    };
    let by_workload = |alarm: Alarm| (alarm.trace.workloads.iter().cloned().collect(), alarm);
    let keyed: Vec<(String, Alarm)> =
        told.iter().flat_map(of_told).chain(alarms.into_iter().map(by_workload)).collect();
    let weighed = |&method: &Method| {
        let its_own = keyed.iter().filter(|(_, alarm)| alarm.method == method);
        let alarms: Vec<_> = its_own.map(|(key, alarm)| (key.as_str(), alarm)).collect();
        compare::weigh(method, &alarms, stages)
    };
    Method::ALL.iter().filter(|method| !method.is_read()).map(weighed).collect()
}

fn found(told: &Told, stages: &[Stage]) -> Found {
    let finding = &told.finding;
    let explains = |stage: &Stage| told.traces.iter().any(|t| t.belongs(stage, WINDOW_SECS));
    let attacks = stages.iter().filter(|stage| !stage.is_harmless());
    let concerned: BTreeSet<&String> =
        attacks.flat_map(|stage| stage.servers.iter().chain([&stage.client])).collect();
    let mut targets = finding.suggestion.iter().flat_map(|suggestion| &suggestion.targets);
    let acts_on_bystander = targets.any(|target| !concerned.contains(&target.address));
    Found {
        id: finding.id.clone(),
        kind: finding.kind.name(),
        severity: finding.severity,
        first_seen: finding.first_seen.clone(),
        summary: finding.summary.clone(),
        is_true: stages.iter().any(explains),
        action: finding.suggestion.as_ref().map(|suggestion| suggestion.action.clone()),
        acts_on_bystander,
    }
}

/// What is to be found.
fn attacks(stages: Vec<Stage>) -> impl Iterator<Item = Stage> {
    stages.into_iter().filter(|stage| !stage.is_harmless())
}

fn attack(stage: Stage, told: &[Told]) -> Attack {
    let naming: Vec<_> = told
        .iter()
        .flat_map(|told| &told.traces)
        .filter(|trace| trace.names(&stage, WINDOW_SECS))
        .filter_map(|trace| Some((trace.windows_to(&stage, WINDOW_SECS)?, trace.kind.name())))
        .collect();
    let detection = naming.iter().map(|&(windows, _)| windows).min().map(|windows| Detection {
        windows,
        kinds: naming.iter().map(|&(_, kind)| kind).collect(),
    });
    Attack { stage, detection }
}
