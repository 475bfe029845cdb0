//! Orders of shards over splits and merges, without a service.

use proptest::prelude::*;

use super::*;

fn listed(id: &str, parents: &[&str]) -> Listed {
    let parents = parents.iter().map(|&parent| parent.into()).collect();
    Listed { id: id.into(), parents, range: HashRange::ALL }
}

fn begun(shards: &mut Shards) -> Vec<(String, Position)> {
    shards.begin().into_iter().map(|begun| (begun.id.to_string(), begun.from)).collect()
}

fn names(shards: &mut Shards) -> Vec<String> {
    begun(shards).into_iter().map(|(id, _)| id).collect()
}

fn inputs(shards: &Shards) -> Vec<String> {
    shards.inputs().iter().map(|input| input.name.to_string()).collect()
}

fn after(sequence: &str) -> Position {
    Position::After(sequence.to_owned())
}

#[test]
fn children_wait_for_all_their_parents() {
    let mut shards = Shards::new(Position::TrimHorizon, BTreeMap::new());
    let all = [
        listed("0", &[]),
        listed("1", &[]),
        listed("2", &["0"]),
        listed("3", &["0"]),
        listed("4", &["3", "1"]),
    ];
    assert_eq!(shards.list(all.to_vec()), 0);
    assert_eq!(names(&mut shards), ["0", "1"]);
    assert_eq!(inputs(&shards), ["0", "1"], "nobody waits for those whose turn has not come");
    shards.advance("1", Position::End);
    assert_eq!(names(&mut shards), [""; 0]);
    shards.advance("0", after("7"));
    assert_eq!(names(&mut shards), [""; 0]);
    shards.advance("0", Position::End);
    assert_eq!(names(&mut shards), ["2", "3"]);
    shards.advance("3", Position::End);
    assert_eq!(names(&mut shards), ["4"]);
    assert_eq!(inputs(&shards), ["2", "4"]);
}

#[test]
fn a_child_of_a_stranger_waits_for_the_list() {
    let mut shards = Shards::new(Position::TrimHorizon, BTreeMap::new());
    shards.list(vec![listed("0", &[]), listed("1", &[])]);
    shards.begin();
    // Shard 0 was split into 2 and 3 since, and 3 merged with 1 into 4.
    assert!(shards.learn_children("1", vec![listed("4", &["1", "3"])]));
    shards.advance("1", Position::End);
    assert_eq!(names(&mut shards), [""; 0]);
    assert_eq!(inputs(&shards), ["0", "1"], "it stands for its child until that is listed");
    shards.list(vec![
        listed("0", &[]),
        listed("1", &[]),
        listed("3", &["0"]),
        listed("4", &["1", "3"]),
    ]);
    assert_eq!(names(&mut shards), [""; 0]);
    assert!(!shards.learn_children("0", vec![listed("2", &["0"]), listed("3", &["0"])]));
    assert!(shards.learn_children("4", Vec::new()), "an end without children says nothing");
}

#[test]
fn a_parent_that_is_not_listed_holds_nothing_up() {
    let mut shards = Shards::new(Position::At(5), BTreeMap::new());
    shards.learn(listed("4", &["1", "3"]));
    assert_eq!(begun(&mut shards), [("4".to_owned(), Position::At(5))]);
}

#[test]
fn saved_positions_go_before_the_start() {
    let saved = [("0", Position::End), ("1", after("9")), ("gone", after("3"))];
    let saved = saved.into_iter().map(|(id, position)| (id.into(), position)).collect();
    let mut shards = Shards::new(Position::TrimHorizon, saved);
    let all = [listed("0", &[]), listed("1", &[]), listed("2", &["0"]), listed("3", &["1"])];
    assert_eq!(shards.list(all.to_vec()), 1, "one shard expired before it was read to its end");
    let expected = [("1".to_owned(), after("9")), ("2".to_owned(), Position::TrimHorizon)];
    assert_eq!(begun(&mut shards), expected);
    let positions = shards.positions();
    let positions: Vec<_> = positions.iter().map(|(id, at)| (id.as_str(), at.as_str())).collect();
    let expected = [("0", "SHARD_END"), ("1", "9"), ("2", "TRIM_HORIZON"), ("3", "TRIM_HORIZON")];
    assert_eq!(positions, expected);
}

#[test]
fn positions_are_kept_until_the_shards_are_listed() {
    let saved = [("0".into(), after("9"))].into_iter().collect();
    let shards = Shards::new(Position::TrimHorizon, saved);
    assert_eq!(shards.positions().get("0").map(String::as_str), Some("9"));
}

#[test]
fn finished_shards_are_forgotten_when_the_service_forgot_them() {
    let mut shards = Shards::new(Position::TrimHorizon, BTreeMap::new());
    shards.list(vec![listed("0", &[]), listed("1", &["0"])]);
    shards.begin();
    shards.advance("0", Position::End);
    assert_eq!(shards.positions().len(), 2);
    assert_eq!(shards.list(vec![listed("1", &["0"])]), 0);
    assert_eq!(shards.positions().len(), 1);
    shards.list(Vec::new());
    assert_eq!(shards.positions().len(), 1, "one that is not read to its end is kept");
}

proptest! {
    /// However splits and merges follow each other, and in whatever order shards are learnt and read to
    /// their end, each is begun once, after all its parents.
    #[test]
    fn every_shard_is_begun_once_after_its_parents(changes in proptest::collection::vec(any::<(bool, u8)>(), 0..30), turns: Vec<u8>) {
        let mut all = vec![listed("00", &[]), listed("01", &[])];
        let mut open = vec![0, 1];
        for (is_merge, at) in changes {
            let at = usize::from(at) % open.len();
            let child = |all: &mut Vec<Listed>, parents: &[&str]| {
                all.push(listed(&format!("{:02}", all.len()), parents));
                all.len() - 1
            };
            let parent = all[open.remove(at)].id.to_string();
            if is_merge && !open.is_empty() {
                let other = all[open.remove(at % open.len())].id.to_string();
                open.push(child(&mut all, &[&parent, &other]));
            } else {
                open.push(child(&mut all, &[&parent]));
                open.push(child(&mut all, &[&parent]));
            }
        }
        let mut shards = Shards::new(Position::TrimHorizon, BTreeMap::new());
        let (first, later) = all.split_at(2);
        shards.list(first.to_vec());
        let mut is_to_list = false;
        let mut ended: Vec<Arc<str>> = Vec::new();
        let mut reading: Vec<Arc<str>> = Vec::new();
        let mut turns = turns.into_iter().cycle();
        let mut n_begun = 0;
        // One more for each shard that nobody told of before the list did.
        for round in 0..=2 * all.len() {
            // A list comes late, and comes without a reason too.
            if std::mem::take(&mut is_to_list) || round == all.len() / 2 {
                shards.list(all.clone());
            }
            for begun in shards.begin() {
                let parents = &all.iter().find(|shard| shard.id == begun.id).unwrap().parents;
                prop_assert!(parents.iter().all(|parent| ended.contains(parent)));
                reading.push(begun.id);
                n_begun += 1;
            }
            if !reading.is_empty() {
                let turn = usize::from(turns.next().unwrap_or_default()) % reading.len();
                let id = reading.remove(turn);
                let children = later.iter().filter(|shard| shard.parents.contains(&id));
                is_to_list |= shards.learn_children(&id, children.cloned().collect());
                shards.advance(&id, Position::End);
                ended.push(id);
            }
        }
        prop_assert_eq!(n_begun, all.len());
        shards.list(all);
        prop_assert!(shards.inputs().is_empty());
    }
}
