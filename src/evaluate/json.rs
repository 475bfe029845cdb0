//! The evaluation as JSON.

use serde_json::{Map, Value, json};

use super::compare::{self, Curve};
use super::score::{Evaluation, Recall, Score};
use super::trial::{Attack, Found, Outcome};

/// The schema's name and version.
const SCHEMA: &str = "tidegate.evaluation/1";

/// One object; `null` where a number is undefined.
pub(crate) fn to_json(evaluation: &Evaluation) -> Value {
    let seeds: std::collections::BTreeSet<u64> =
        evaluation.outcomes.iter().map(|outcome| outcome.seed).collect();
    let scenarios: Map<String, Value> = evaluation
        .scenarios()
        .map(|(name, outcomes, score)| (name.to_owned(), scenario(outcomes, &score)))
        .collect();
    let curves = compare::curves(&evaluation.outcomes);
    let compared: Map<String, Value> = curves
        .iter()
        .map(|curve| (curve.method.name().to_owned(), method(curve, evaluation)))
        .collect();
    json!({
        "schema": SCHEMA,
        "seeds": seeds,
        "budget_per_day": evaluation.terms.budget.of_a_day(),
        "learn_days": evaluation.terms.learn_days,
        "warm_up": evaluation.terms.warms_up,
        "without_inventory": evaluation.terms.is_unlabelled,
        "topologies": evaluation.terms.topologies,
        "services": evaluation.terms.services,
        "total": summed(&evaluation.total()),
        "scenarios": scenarios,
        "compared": if compared.is_empty() { Value::Null } else { compared.into() },
    })
}

fn method(curve: &Curve, evaluation: &Evaluation) -> Value {
    let points = curve.points.iter().map(|p| json!([p.cut, p.false_per_day, p.recall]));
    json!({
        "runs": curve.runs,
        "recall_by_attack_at_one_a_day": curve.recall_by_attack(&evaluation.outcomes, 1.0),
        "cut_false_findings_per_day_recall": points.collect::<Vec<_>>(),
    })
}

fn summed(score: &Score) -> Value {
    let recall = score.recall();
    let attacks: Map<String, Value> =
        score.attacks.iter().map(|(name, recall)| (name.clone(), attacks(recall))).collect();
    json!({
        "runs": score.runs,
        "records": score.records,
        "judged_days": score.judged_days,
        "laid_in": recall.laid_in,
        "found": recall.windows.len(),
        "recall": recall.share(),
        "recall_by_attack": attacks,
        "median_windows_to_detect": recall.median_windows(),
        "findings": score.findings,
        "false_findings": score.false_findings,
        "false_findings_per_day": score.false_per_day(),
        "false_findings_per_day_95": score.false_per_day_interval().map(|(low, high)| [low, high]),
        "quarantine_recommended": score.quarantines,
        "quarantine_recommended_falsely": score.false_quarantines,
    })
}

fn attacks(recall: &Recall) -> Value {
    json!({
        "laid_in": recall.laid_in,
        "found": recall.windows.len(),
        "recall": recall.share(),
        "median_windows_to_detect": recall.median_windows(),
        "most_windows_to_detect": recall.windows.last(),
        "median_periods_to_detect": recall.median_periods(),
    })
}

fn scenario(outcomes: &[Outcome], score: &Score) -> Value {
    let mut value = summed(score);
    let each = |of: &dyn Fn(&Outcome) -> Vec<Value>| outcomes.iter().flat_map(of).collect();
    let missed: Vec<Value> = each(&|o| o.missed().map(|attack| missed(o, attack)).collect());
    let told: Vec<Value> = each(&|o| o.false_findings().map(|f| false_finding(o, f)).collect());
    value["missed"] = missed.into();
    value["false"] = told.into();
    value
}

fn missed(outcome: &Outcome, Attack { stage, .. }: &Attack) -> Value {
    json!({
        "seed": outcome.seed,
        "attack": stage.name,
        "client": stage.client,
        "servers": stage.servers.len(),
        "server": stage.server,
        "port": stage.port,
        "connections": stage.connections,
        "first_seen": stage.first_seen,
        "last_seen": stage.last_seen,
    })
}

fn false_finding(outcome: &Outcome, found: &Found) -> Value {
    json!({
        "seed": outcome.seed,
        "id": found.id,
        "kind": found.kind,
        "severity": found.severity.name(),
        "first_seen": found.first_seen,
        "summary": found.summary,
        "action": found.action,
    })
}
