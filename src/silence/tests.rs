//! Which silences are told.

use ingest::inventory::{Inventory, NetworkInterface};
use model::activity::EniWindow;
use model::fold::RecordCounts;
use model::identity::IdentityOptions;

use super::*;

const WINDOW_SECS: i64 = 300;

/// Interfaces `eni-0` to `eni-3` of account 1, `eni-8` and `eni-9` of account 2, in windows from 0.
struct World {
    silence: Silence,
    directory: Directory,
    nodata: u64,
    /// Address's last part by interface, where it is not its number.
    addresses: BTreeMap<u8, u8>,
}

impl World {
    fn new(inventories: Vec<Inventory>) -> Self {
        let directory =
            Directory::new(IdentityOptions { inventories, ..IdentityOptions::default() });
        Self { silence: Silence::default(), directory, nodata: 1, addresses: BTreeMap::new() }
    }

    fn window(&mut self, number: i64, enis: &[u8]) {
        let start = number * WINDOW_SECS;
        let account = |eni: u8| if eni < 8 { "1" } else { "2" };
        for &eni in enis {
            let address = *self.addresses.get(&eni).unwrap_or(&eni);
            let mut facts = EniFacts::new(account(eni), format!("eni-{eni}"));
            facts.address = format!("10.0.0.{address}").parse().ok();
            self.directory.observe(&facts, start);
        }
        let records = RecordCounts { nodata: self.nodata, accepted: 1, ..RecordCounts::default() };
        let of = |&eni: &u8| EniWindow {
            account: account(eni).into(),
            eni: format!("eni-{eni}").into(),
            records,
        };
        let enis = enis.iter().map(of).collect();
        let activity =
            Activity { start, window_secs: WINDOW_SECS, conversations: Vec::new(), enis };
        self.silence.take(&activity);
    }

    fn next_run(&mut self) {
        self.silence = Silence::after(&self.directory);
    }

    fn windows(&mut self, numbers: std::ops::Range<i64>, enis: &[u8]) {
        numbers.for_each(|number| self.window(number, enis));
    }

    /// What is told, up to the time of it.
    fn told(&self) -> Vec<String> {
        let lines = self.silence.gaps(&self.directory).lines();
        let short = |line: &String| line.split(';').next().unwrap().replace("flow log gap: ", "");
        lines.iter().map(short).collect()
    }
}

fn inventory(taken_at: i64, enis: &[u8]) -> Inventory {
    let interface = |eni: &u8| NetworkInterface {
        id: format!("eni-{eni}"),
        account: Some("1".to_owned()),
        vpc: Some("v".to_owned()),
        status: Some("in-use".to_owned()),
        ..NetworkInterface::default()
    };
    let interfaces = enis.iter().map(interface).collect();
    Inventory { taken_at: Some(taken_at), interfaces, ..Inventory::default() }
}

#[test]
fn three_windows_without_a_record_are_a_gap() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1, 2]);
    world.windows(5..7, &[0]);
    assert!(world.told().is_empty(), "two windows: delivery is late at times");
    world.window(7, &[0, 1]);
    assert_eq!(
        world.told(),
        ["no record of eni-2 (account 1) since 1970-01-01T00:25:00Z, up to 1970-01-01T00:40:00Z \
          while others come"]
    );
    world.window(8, &[0, 1, 2]);
    assert_eq!(
        world.told(),
        ["no record of eni-2 (account 1) from 1970-01-01T00:25:00Z to 1970-01-01T00:40:00Z while \
          others came"]
    );
}

#[test]
fn an_account_that_falls_silent_is_told_once() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1, 2, 8, 9]);
    world.window(5, &[0, 8, 9]);
    world.windows(6..10, &[8, 9]);
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("no record of any interface of account 1 since"), "{told:?}");
}

/// The only account's log was off: nothing came, not even windows.
#[test]
fn a_time_without_any_record_is_told_when_records_come_again() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1]);
    world.windows(9..12, &[0, 1]);
    let told = world.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("account 1 from 1970-01-01T00:25:00Z to 1970-01-01T00:45:00Z"));
}

#[test]
fn what_was_deleted_is_not_missed() {
    let mut world = World::new(vec![inventory(0, &[0, 1, 2]), inventory(5 * WINDOW_SECS, &[0, 1])]);
    world.windows(0..5, &[0, 1, 2]);
    world.windows(5..10, &[0, 1]);
    assert!(world.told().is_empty(), "a later snapshot leaves it out: {:?}", world.told());

    let mut replaced = World::new(Vec::new());
    replaced.windows(0..5, &[0, 1, 2]);
    replaced.addresses.insert(3, 2);
    replaced.windows(5..10, &[0, 1, 3]);
    assert!(replaced.told().is_empty(), "another has its address: {:?}", replaced.told());
}

#[test]
fn an_interface_that_never_had_a_record_is_told_where_others_have() {
    let mut world = World::new(vec![inventory(0, &[0, 1])]);
    world.windows(0..5, &[0]);
    assert_eq!(world.told().len(), 1);
    assert!(world.told()[0].contains("eni-1"));
    world.silence.goes_on = true;
    assert!(world.told().is_empty(), "the first run told it");
    let mut later = World::new(vec![inventory(9 * WINDOW_SECS, &[0, 1])]);
    later.windows(0..5, &[0]);
    assert!(later.told().is_empty(), "it may have come after these windows");
    let mut elsewhere = World::new(vec![inventory(0, &[1])]);
    elsewhere.windows(0..5, &[0]);
    assert!(elsewhere.told().is_empty(), "nothing of its VPC is logged");
}

#[test]
fn without_nodata_only_what_was_steady_is_missed() {
    let mut world = World::new(Vec::new());
    world.nodata = 0;
    world.windows(0..5, &[0, 1, 2]);
    world.windows(5..17, &[0, 1]);
    assert!(world.told().is_empty(), "eni-2 may be idle: {:?}", world.told());
    world.windows(17..20, &[0]);
    assert_eq!(world.told().len(), 1);
    assert!(world.told()[0].contains("eni-1"), "{:?}", world.told());
}

#[test]
fn a_gap_is_told_by_the_run_it_began_in_and_the_one_it_ended_in() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1]);
    world.window(5, &[0]);
    world.next_run();
    world.windows(6..8, &[0]);
    assert_eq!(world.told().len(), 1);
    world.next_run();
    world.windows(9..20, &[0]);
    assert!(world.told().is_empty(), "{:?}", world.told());
    world.next_run();
    world.window(20, &[0, 1]);
    assert!(world.told()[0].contains("from 1970-01-01T00:25:00Z to 1970-01-01T01:40:00Z"));
}

#[test]
fn a_time_without_any_record_between_runs_is_told() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1]);
    world.next_run();
    world.windows(9..12, &[0, 1]);
    assert!(world.told()[0].contains("account 1 from 1970-01-01T00:25:00Z"), "{:?}", world.told());
}

#[test]
fn parts_of_a_run_tell_a_gap_once() {
    let mut world = World::new(Vec::new());
    world.windows(0..5, &[0, 1]);
    world.windows(5..9, &[0]);
    let mut sum = world.silence.gaps(&world.directory);
    world.window(9, &[0, 1]);
    sum.merge(world.silence.gaps(&world.directory));
    assert_eq!(sum.lines().len(), 1);
    assert!(sum.lines()[0].contains("while others came"));
}

#[test]
fn at_most_ten_lines_are_told() {
    let mut world = World::new(Vec::new());
    let all: Vec<u8> = (8..40).collect();
    world.windows(0..5, &all);
    world.windows(5..9, &[8]);
    let told = world.told();
    assert_eq!(told.len(), 10);
    assert!(told[9].starts_with("22 more"), "{told:?}");
}

#[cfg(feature = "watch")]
#[test]
fn while_it_runs_a_gap_is_told_when_it_is_noticed_and_when_it_ends() {
    let mut world = World::new(Vec::new());
    let mut told = ToldGaps::default();
    let mut anew = |world: &World| {
        let mut gaps = world.silence.gaps(&world.directory);
        (gaps.leave_out_told(&mut told), gaps.notices())
    };
    world.windows(0..5, &[0, 1, 2]);
    world.windows(5..8, &[0, 1]);
    let (n_first, begun) = anew(&world);
    assert_eq!((n_first, begun.len()), (1, 1));
    let about = [("account", "1"), ("interface", "eni-2"), ("since", "1970-01-01T00:25:00Z")];
    assert_eq!(begun[0].about, about.map(|(name, value)| (name, value.to_owned())));
    world.windows(8..20, &[0, 1]);
    assert!(anew(&world).1.is_empty(), "it goes on");
    world.window(20, &[0, 1, 2]);
    let (n_first, ended) = anew(&world);
    assert_eq!((n_first, ended.len()), (0, 1));
    assert_eq!(ended[0].about.last().unwrap(), &("until", "1970-01-01T01:40:00Z".to_owned()));
    assert!(anew(&world).1.is_empty());
}
