//! Which files can hold what a query asks for, by what their names say.
//!
//! Only what is certain leaves a file out: its records' own account may be another than the one
//! whose flow log it is (shared subnets), so a condition on it says nothing of the file.

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use ingest::{FILE_SECS, Field, LogFile, Place, RECORD_SECS_MAX};

use super::columns::{Column, Name};

/// What rows that match have in common, no less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    ends: Span,
    file_times: Span,
    accounts: Option<BTreeSet<String>>,
    regions: Option<BTreeSet<String>>,
}

/// First and last, Unix seconds.
type Span = (i64, i64);

const ALWAYS: Span = (i64::MIN, i64::MAX);

impl Default for Bounds {
    fn default() -> Self {
        Self { ends: ALWAYS, file_times: ALWAYS, accounts: None, regions: None }
    }
}

impl Bounds {
    /// The bounds of rows for which all conditions hold.
    pub(super) fn of(conditions: &[Expr]) -> Self {
        conditions.iter().map(bounds).fold(Self::default(), Self::and)
    }

    /// Only records that end from `since` on and before `until`.
    #[must_use]
    pub(super) fn within(mut self, since: Option<i64>, until: Option<i64>) -> Self {
        let range = (since.unwrap_or(i64::MIN), until.map_or(i64::MAX, |until| until - 1));
        self.ends = both(self.ends, range);
        self
    }

    /// Whether a condition tells anything of files.
    pub(super) fn tells(condition: &Expr) -> bool {
        bounds(condition) != Self::default()
    }

    /// Whether a file can hold such rows, if none is published later than `lateness_secs`.
    pub(super) fn allow(&self, file: &LogFile, lateness_secs: i64) -> bool {
        let origin = &file.origin;
        let is_in = |set: &Option<BTreeSet<String>>, text: &Option<String>| match (set, text) {
            (Some(set), Some(text)) => set.contains(text),
            _ => true,
        };
        if !is_in(&self.accounts, &origin.account) || !is_in(&self.regions, &origin.region) {
            return false;
        }
        let Some(time) = origin.time else { return true };
        let is_early_enough = time.saturating_sub(lateness_secs) <= self.ends.1;
        let last_end = match file.place {
            Place::Slice { until, .. } => until.saturating_add(RECORD_SECS_MAX),
            _ if origin.has_own_time() => time.saturating_add(FILE_SECS),
            // A folder's time says only when its records begin.
            _ => i64::MAX,
        };
        let is_late_enough = last_end >= self.ends.0;
        let is_of_time = self.file_times.0 <= time && time <= self.file_times.1;
        is_early_enough && is_late_enough && is_of_time
    }

    fn and(self, other: Self) -> Self {
        let sets = |a: Option<BTreeSet<String>>, b: Option<BTreeSet<String>>| match (a, b) {
            (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
            (a, b) => a.or(b),
        };
        Self {
            ends: both(self.ends, other.ends),
            file_times: both(self.file_times, other.file_times),
            accounts: sets(self.accounts, other.accounts),
            regions: sets(self.regions, other.regions),
        }
    }

    fn or(self, other: Self) -> Self {
        let sets = |a: Option<BTreeSet<String>>, b: Option<BTreeSet<String>>| {
            Some(a?.union(&b?).cloned().collect())
        };
        let hull = |a: Span, b: Span| (a.0.min(b.0), a.1.max(b.1));
        Self {
            ends: hull(self.ends, other.ends),
            file_times: hull(self.file_times, other.file_times),
            accounts: sets(self.accounts, other.accounts),
            regions: sets(self.regions, other.regions),
        }
    }
}

fn both(a: Span, b: Span) -> Span {
    (a.0.max(b.0), a.1.min(b.1))
}

fn bounds(condition: &Expr) -> Bounds {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            bounds(left).and(bounds(right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            bounds(left).or(bounds(right))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (column(left), column(right)) {
            (Some(column), None) => comparison(column, *op, right),
            (None, Some(column)) => {
                op.swap().map_or_else(Bounds::default, |op| comparison(column, op, left))
            }
            _ => Bounds::default(),
        },
        Expr::Between(between) if !between.negated => {
            let Some(column) = column(&between.expr) else { return Bounds::default() };
            comparison(column, Operator::GtEq, &between.low).and(comparison(
                column,
                Operator::LtEq,
                &between.high,
            ))
        }
        Expr::InList(list) if !list.negated && !list.list.is_empty() => {
            let Some(column) = column(&list.expr) else { return Bounds::default() };
            let each = list.list.iter().map(|value| comparison(column, Operator::Eq, value));
            each.reduce(Bounds::or).unwrap_or_default()
        }
        _ => Bounds::default(),
    }
}

/// The column, compared as it is or with a time of another precision.
fn column(expr: &Expr) -> Option<Column> {
    match expr {
        Expr::Column(column) => Column::of(&column.name),
        Expr::Cast(cast) => column(&cast.expr),
        Expr::TryCast(cast) => column(&cast.expr),
        _ => None,
    }
}

fn comparison(column: Column, op: Operator, value: &Expr) -> Bounds {
    let Expr::Literal(value, _) = value else { return Bounds::default() };
    match column {
        Column::Field(Field::End) => Bounds { ends: span(op, value), ..Bounds::default() },
        Column::Field(Field::Start) => {
            let (first, last) = span(op, value);
            Bounds { ends: (first, last.saturating_add(RECORD_SECS_MAX)), ..Bounds::default() }
        }
        Column::Name(Name::Time) => Bounds { file_times: span(op, value), ..Bounds::default() },
        Column::Name(Name::Account) => Bounds { accounts: set(op, value), ..Bounds::default() },
        // A flow log's records are of its region.
        Column::Field(Field::Region) | Column::Name(Name::Region) => {
            Bounds { regions: set(op, value), ..Bounds::default() }
        }
        _ => Bounds::default(),
    }
}

fn set(op: Operator, value: &ScalarValue) -> Option<BTreeSet<String>> {
    let text = value.try_as_str()??;
    (op == Operator::Eq).then(|| BTreeSet::from([text.to_owned()]))
}

/// The seconds that can compare so; a part of a second is given to both sides.
fn span(op: Operator, value: &ScalarValue) -> Span {
    let (first, last) = match *value {
        ScalarValue::TimestampSecond(Some(time), _) => (time, time),
        ScalarValue::TimestampMillisecond(Some(time), _) => around(time, 1000),
        ScalarValue::TimestampMicrosecond(Some(time), _) => around(time, 1_000_000),
        ScalarValue::TimestampNanosecond(Some(time), _) => around(time, 1_000_000_000),
        _ => return ALWAYS,
    };
    match op {
        Operator::Eq => (first, last),
        Operator::Gt if first == last => (first.saturating_add(1), i64::MAX),
        Operator::Gt | Operator::GtEq => (first, i64::MAX),
        Operator::Lt if first == last => (i64::MIN, last.saturating_sub(1)),
        Operator::Lt | Operator::LtEq => (i64::MIN, last),
        _ => ALWAYS,
    }
}

/// The whole seconds before and after.
fn around(time: i64, per_second: i64) -> Span {
    let first = time.div_euclid(per_second);
    (first, if time % per_second == 0 { first } else { first.saturating_add(1) })
}

#[cfg(test)]
mod tests;
