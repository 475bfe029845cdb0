//! What the name of an object says: account, region, flow log and time.
//!
//! ```text
//! …/AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD[/HH]/FILE
//! …/AWSLogs/aws-account-id=ACCOUNT/aws-service=…/aws-region=REGION/year=YYYY/month=MM/day=DD[/hour=HH]/FILE
//! FILE = ACCOUNT_vpcflowlogs_REGION_fl-ID_YYYYMMDDTHHmmZ_HASH.log.gz
//! ```

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::batch::Origin;

impl Origin {
    /// Reads the path of a file or the key of an object.
    ///
    /// The file's own name is believed before its folders. What is not there stays `None`: any name
    /// is allowed.
    pub fn from_key(key: &str) -> Self {
        let (folders, file) = key.rsplit_once('/').unwrap_or(("", key));
        let by_file = of_file(file);
        let by_folders = of_folders(folders);
        Self {
            name: key.to_owned(),
            account: by_file.account.or(by_folders.account),
            region: by_file.region.or(by_folders.region),
            flow_log_id: by_file.flow_log_id,
            time: by_file.time.or(by_folders.time),
        }
    }

    /// Whether the time stands in the file's own name: a folder's says only on which day or in which hour
    /// its records begin.
    pub fn has_own_time(&self) -> bool {
        let file = self.name.rsplit(['/', '\\']).next().unwrap_or_default();
        of_file(file).time.is_some()
    }
}

fn of_file(file: &str) -> Origin {
    let mut parts = file.split('_');
    let mut next = |is: fn(&str) -> bool| parts.next().filter(|part| is(part)).map(str::to_owned);
    let account = next(is_account);
    if account.is_none() || next(|service| service.contains("flowlogs")).is_none() {
        return Origin::default();
    }
    let region = next(is_region);
    let flow_log_id = next(|id| id.starts_with("fl-"));
    let time = next(|_| true).and_then(|stamp| stamp_secs(&stamp));
    Origin { name: String::new(), account, region, flow_log_id, time }
}

/// `20180620T1620Z`
fn stamp_secs(stamp: &str) -> Option<i64> {
    let (date, clock) = stamp.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || clock.len() != 4 {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| digits(text.get(from..to)?);
    let day = [part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?];
    utc_secs(day, part(clock, 0, 2)?, part(clock, 2, 4)?)
}

/// Folders count from `AWSLogs` on: what lies before is the user's.
fn of_folders(folders: &str) -> Origin {
    let mut names = folders.split('/');
    if !names.by_ref().any(|name| name == "AWSLogs") {
        return Origin::default();
    }
    let bare: Vec<&str> =
        names.map(|name| name.split_once('=').map_or(name, |(_, value)| value)).collect();
    let at = |n: usize| bare.get(n).copied();
    let number = |n: usize| at(n).and_then(digits);
    let day = [number(3), number(4), number(5)];
    let time = match day {
        [Some(year), Some(month), Some(day)] => {
            utc_secs([year, month, day], number(6).unwrap_or(0), 0)
        }
        _ => None,
    };
    Origin {
        name: String::new(),
        account: at(0).filter(|name| is_account(name)).map(str::to_owned),
        region: at(2).filter(|name| is_region(name)).map(str::to_owned),
        flow_log_id: None,
        time,
    }
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// `us-gov-west-1`: lower case, hyphens, a number at the end.
fn is_region(name: &str) -> bool {
    name.len() <= 32
        && name.contains('-')
        && name.ends_with(|c: char| c.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn digits(text: &str) -> Option<i16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn utc_secs([year, month, day]: [i16; 3], hour: i16, minute: i16) -> Option<i64> {
    let small = |number: i16| i8::try_from(number).ok();
    let time = DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, 0, 0);
    Some(time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str =
        "210987654321_vpcflowlogs_eu-west-3_fl-0a1b2c3d_20240229T2355Z_1f2e3d4c.log.gz";

    #[test]
    fn a_file_name_says_everything() {
        let origin = Origin::from_key(FILE);
        assert_eq!(origin.account.as_deref(), Some("210987654321"));
        assert_eq!(origin.region.as_deref(), Some("eu-west-3"));
        assert_eq!(origin.flow_log_id.as_deref(), Some("fl-0a1b2c3d"));
        assert_eq!(origin.time, Some(1_709_250_900));
    }

    #[test]
    fn folders_fill_in_what_the_file_name_lacks() {
        let plain = "b/p/AWSLogs/210987654321/vpcflowlogs/us-gov-west-1/2024/02/29/23/part-0";
        let hive = "AWSLogs/aws-account-id=210987654321/aws-service=vpcflowlogs/aws-region=us-gov-west-1/year=2024/month=02/day=29/hour=23/part-0";
        for key in [plain, hive] {
            let origin = Origin::from_key(key);
            assert_eq!(origin.account.as_deref(), Some("210987654321"), "{key}");
            assert_eq!(origin.region.as_deref(), Some("us-gov-west-1"), "{key}");
            assert_eq!(origin.time, Some(1_709_247_600), "{key}");
        }
        let day = plain.replace("/23/", "/");
        assert_eq!(Origin::from_key(&day).time, Some(1_709_164_800));
        let named = format!("AWSLogs/210987654321/vpcflowlogs/eu-west-3/2024/02/29/{FILE}");
        assert_eq!(Origin::from_key(&named).time, Some(1_709_250_900));
    }

    #[test]
    fn names_that_say_nothing_are_allowed() {
        let impossible = FILE.replace("20240229", "20230229");
        assert_eq!(Origin::from_key(&impossible).time, None);
        assert_eq!(Origin::from_key("AWSLogs/x/y/z/2024/13/40/f").time, None);
        let origin = Origin::from_key("2024/02/29/flows.log");
        assert_eq!((origin.time, origin.account), (None, None));
    }

    proptest! {
        #[test]
        fn any_key_is_read_without_panic(key in "(AWSLogs/)?[0-9a-zT_=/Z-]{0,60}|\\PC{0,40}") {
            prop_assert_eq!(&Origin::from_key(&key).name, &key);
        }
    }
}
