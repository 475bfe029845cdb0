//! Who is a sibling, and what none of them does.

use super::*;

fn contact(peer: &str, port: u16) -> Contact {
    let (untold, bytes_out, bytes_in) = (1, 100, 100);
    Contact {
        peer: peer.into(),
        port,
        first: 0,
        last: 9,
        untold,
        bytes_out,
        bytes_in,
        sample: String::new(),
    }
}

/// A workload without a role that goes to these ports of the server of each name's number.
fn member(edges: &[(&str, u16)]) -> Member {
    let edges = edges.iter().map(|&(peer, port)| {
        let address = Address::from(u128::from(peer.as_bytes()[0]));
        ((Arc::from(peer), port, 6), BTreeMap::from([(address, contact(peer, port))]))
    });
    Member {
        service: "x".into(),
        role_known: false,
        first: 0,
        last: 0,
        grown: 0,
        is_told: false,
        edges: edges.collect(),
    }
}

const COMMON: [(&str, u16); 8] =
    [("d", 53), ("d", 88), ("d", 135), ("d", 389), ("d", 445), ("d", 464), ("d", 636), ("d", 3268)];

fn with(more: &[(&'static str, u16)]) -> Member {
    member(&[&COMMON[..], more].concat())
}

fn chance_of(odd: &Member, others: &[Member]) -> Option<f64> {
    let names = (0..).map(|n: usize| Arc::<str>::from(format!("m{n}")));
    let all = names.zip(others.iter().cloned()).chain([(Arc::from("odd"), odd.clone())]);
    let siblings = Siblings::restore(all);
    let of = siblings.of(&"odd".into(), odd, 0);
    let others: BTreeSet<&Edge> = of.iter().flat_map(|sibling| sibling.edges.keys()).collect();
    let alone = odd.edges.keys().filter(|edge| !others.contains(edge)).cloned().collect();
    (!of.is_empty()).then(|| chance(&group(&of, odd), odd.weight(&alone)))
}

#[test]
fn what_no_sibling_does_at_several_servers_is_no_chance() {
    let odd = with(&[("f", 445), ("g", 445), ("h", 5985), ("h", 22)]);
    let p = chance_of(&odd, &[with(&[]), with(&[])]).unwrap();
    assert!(p <= P_MAX, "{p}");
}

#[test]
fn however_many_ports_of_one_server_are_no_news() {
    let two = chance_of(&with(&[("f", 445), ("f", 135)]), &[with(&[])]).unwrap();
    let ports = chance_of(&with(&[("f", 445), ("f", 135), ("f", 139)]), &[with(&[])]).unwrap();
    assert!((two - ports).abs() < 1e-12 && two > 5.0 * P_MAX, "{two} {ports}");
}

#[test]
fn where_siblings_have_ways_of_their_own_one_more_is_no_news() {
    let odd = with(&[("f", 445), ("g", 445), ("h", 445)]);
    let own = |peer: &'static str| with(&[(peer, 80), (peer, 81), (peer, 82)]);
    let p = chance_of(&odd, &[own("p"), own("q"), own("r")]).unwrap();
    assert!(p > 50.0 * P_MAX, "{p}");
}

#[test]
fn what_a_told_sibling_does_alone_is_not_how_siblings_are() {
    let odd = with(&[("f", 445)]);
    let loud = with(&[("p", 80), ("q", 81), ("r", 82)]);
    let before = chance_of(&odd, std::slice::from_ref(&loud)).unwrap();
    let after = chance_of(&odd, &[Member { is_told: true, ..loud }]).unwrap();
    assert!(after < before / 3.0, "{before} {after}");
}

#[test]
fn who_shares_little_is_no_sibling() {
    let stranger = member(&[("d", 53), ("x", 1), ("y", 2), ("z", 3), ("w", 4), ("v", 5)]);
    assert_eq!(chance_of(&with(&[("f", 445)]), &[stranger]), None);
}

#[test]
fn who_differs_from_the_start_has_another_role() {
    let more: Vec<(&'static str, u16)> =
        ["f", "g", "h", "i", "j", "k", "l"].into_iter().map(|peer| (peer, 80)).collect();
    let mut odd = with(&more);
    assert_eq!(chance_of(&odd, &[with(&[])]), None, "it began with as much of its own");
    for (edge, contacts) in &mut odd.edges {
        let is_later = edge.1 == 80;
        for contact in contacts.values_mut() {
            contact.first = i64::from(is_later) * 900;
        }
    }
    assert!(chance_of(&odd, &[with(&[])]).unwrap() <= P_MAX, "it parted from its siblings");
    odd.role_known = true;
    assert_eq!(chance_of(&odd, &[with(&[])]), None, "of another service than theirs");
}
