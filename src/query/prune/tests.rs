//! What leaves a file out, and what must not.

use std::sync::Arc;

use datafusion::logical_expr::{ExprSchemable, col, lit};
use ingest::{Origin, Place};

use super::*;
use crate::query::record::time_type;

const T0: i64 = 1_740_960_000;

fn file(key: &str) -> LogFile {
    let origin = Arc::new(Origin::from_key(key));
    LogFile { place: Place::File(key.into()), origin, bytes: 1, etag: None }
}

/// A file of the minute so many after T0.
fn at(minute: i64) -> LogFile {
    let time = jiff::Timestamp::from_second(T0 + minute * 60).unwrap();
    let stamp = time.strftime("%Y%m%dT%H%MZ");
    file(&format!(
        "AWSLogs/111122223333/vpcflowlogs/eu-west-3/2025/03/03/111122223333_vpcflowlogs_eu-west-3_fl-1_{stamp}_0.log.gz"
    ))
}

fn time(secs: i64) -> Expr {
    lit(ScalarValue::TimestampSecond(Some(secs), Some("UTC".into())))
}

fn name(field: Field) -> Expr {
    col(format!("\"{}\"", field.name()))
}

fn allows(condition: Expr, file: &LogFile) -> bool {
    Bounds::of(&[condition]).allow(file, 600)
}

#[test]
fn times_leave_out_files_that_lie_outside() {
    let end = || name(Field::End);
    assert!(!allows(end().gt_eq(time(T0 + 3600)), &at(50)));
    assert!(allows(end().gt_eq(time(T0 + 3600)), &at(55)), "its records end until 60");
    assert!(allows(end().lt(time(T0 + 3600)), &at(65)), "may be published late");
    assert!(!allows(end().lt(time(T0 + 3600)), &at(75)));
    assert!(!allows(time(T0 + 3600).lt_eq(end()), &at(50)), "written the other way round");
    assert!(!allows(end().between(time(T0), time(T0 + 60)), &at(50)));
    let nanos = lit(ScalarValue::TimestampNanosecond(Some((T0 + 3600) * 1_000_000_000), None));
    assert!(!allows(end().gt_eq(nanos), &at(50)), "another precision");
    assert!(!allows(name(Field::Start).gt_eq(time(T0 + 3600)), &at(50)));
    assert!(allows(name(Field::Start).lt(time(T0)), &at(10)), "records last");
    assert!(!allows(name(Field::Start).lt(time(T0)), &at(90)));
}

#[test]
fn what_only_may_hold_leaves_nothing_out() {
    let early = || name(Field::End).lt(time(T0));
    assert!(!allows(early(), &at(50)));
    assert!(allows(early().or(name(Field::Bytes).gt(lit(5_u64))), &at(50)));
    assert!(!allows(early().and(name(Field::Bytes).gt(lit(5_u64))), &at(50)));
    assert!(allows(Expr::Not(Box::new(early())), &at(50)));
    assert!(allows(name(Field::End).not_eq(time(T0)), &at(50)));
    // A record's account is its interface's, the file's is the flow log's.
    assert!(allows(col("account_id").eq(lit("999999999999")), &at(0)));
    assert!(allows(early(), &file("flows.log")), "a name that says nothing");
}

#[test]
fn regions_and_accounts_leave_out_those_of_others() {
    for column in ["region", "file_region"] {
        assert!(allows(col(column).eq(lit("eu-west-3")), &at(0)));
        assert!(!allows(col(column).eq(lit("us-east-1")), &at(0)));
        let either = vec![lit("us-east-1"), lit("eu-west-3")];
        assert!(allows(col(column).in_list(either.clone(), false), &at(0)));
        assert!(allows(col(column).in_list(either, true), &at(0)));
        assert!(!allows(col(column).in_list(vec![lit("us-east-1")], false), &at(0)));
        assert!(allows(col(column).eq(lit("us-east-1")), &file("flows.log")));
    }
    assert!(!allows(col("file_account").eq(lit("999999999999")), &at(0)));
    let two = col("region").eq(lit("us-east-1")).or(col("region").eq(lit("eu-west-3")));
    assert!(allows(two, &at(0)));
}

#[test]
fn a_folders_time_bounds_from_below_only() {
    let folder = file("AWSLogs/111122223333/vpcflowlogs/eu-west-3/2025/03/03/part-0.parquet");
    let end = || name(Field::End);
    assert!(allows(end().gt_eq(time(T0 + 80_000)), &folder), "all day long");
    assert!(!allows(end().lt(time(T0 - 3600)), &folder));
    assert!(!allows(col("file_time").gt(time(T0)), &folder), "the column is what the name says");
}

#[test]
fn the_type_of_times_is_the_tables() {
    assert_eq!(time_type(), time(0).get_type(&datafusion::common::DFSchema::empty()).unwrap());
}
