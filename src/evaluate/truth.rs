//! Which findings are about which attacks.
//!
//! The truth is the generator's: each [`Stage`] is what one client did under one label. A deviation
//! *names* a stage when it is the client's or a server's, at a time the stage lasted, with the stage's
//! other end and port where it has them; that is what finding an attack takes. It *belongs* to a stage
//! already when it is the client's and of that time: what an attack does to the volumes of its host is
//! no false alarm, but finds nothing either.

use std::collections::BTreeSet;

use datasets::Stage;
use detect::Kind;

/// What is known of one deviation over its life.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) kind: Kind,
    /// Addresses of the workloads it was seen at.
    pub(crate) workloads: BTreeSet<String>,
    /// The other end's address; `None` where it is many.
    pub(crate) peer_address: Option<String>,
    /// The server's port; `None` where it is many.
    pub(crate) port: Option<u16>,
    /// First and last record, Unix seconds.
    pub(crate) span: (i64, i64),
    /// Starts of the windows it was found in, Unix seconds, ascending.
    pub(crate) windows: Vec<i64>,
    /// How sure it is, the higher the surer.
    pub(crate) score: f64,
}

impl Trace {
    /// Whether it says that the stage happens.
    pub(crate) fn names(&self, stage: &Stage, window_secs: i64) -> bool {
        let is_of_client = self.workloads.contains(&stage.client);
        let is_port = self.port.is_none_or(|port| stage.ports.contains(&port));
        let is_peer = match &self.peer_address {
            None => is_of_client,
            Some(peer) if is_of_client => stage.servers.contains(peer),
            Some(_) => self.is_of_server(stage),
        };
        is_port && is_peer && self.is_during(stage, window_secs)
    }

    /// Whether the stage explains it.
    pub(crate) fn belongs(&self, stage: &Stage, window_secs: i64) -> bool {
        let is_of_client = self.workloads.contains(&stage.client);
        (is_of_client || self.is_of_server(stage)) && self.is_during(stage, window_secs)
    }

    /// A server's deviation is the stage's if the stage's client is the other end.
    fn is_of_server(&self, stage: &Stage) -> bool {
        stage.servers.iter().any(|server| self.workloads.contains(server))
            && self.peer_address.as_ref() == Some(&stage.client)
    }

    /// Windows are what is judged, so times are compared by their windows.
    fn is_during(&self, stage: &Stage, window_secs: i64) -> bool {
        let window = |time: i64| time.div_euclid(window_secs);
        let (first, last) = self.span;
        window(first) <= window(stage.last_seen) && window(last) >= window(stage.first_seen)
    }

    /// How many windows passed from the stage's first record until this was found, both counted: 1 is
    /// the same window. `None` if it was found before only.
    pub(crate) fn windows_to(&self, stage: &Stage, window_secs: i64) -> Option<u64> {
        let begun = stage.first_seen.div_euclid(window_secs);
        let found = self.windows.iter().map(|start| start.div_euclid(window_secs));
        let passed = found.filter(|&window| window >= begun).min()? - begun;
        u64::try_from(passed + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage {
            name: "lateral-move".to_owned(),
            client: "10.0.0.1".to_owned(),
            server: Some("10.0.0.2".to_owned()),
            port: Some(22),
            servers: vec!["10.0.0.2".to_owned()],
            ports: vec![22],
            connections: 4,
            first_seen: 10_000,
            last_seen: 10_900,
        }
    }

    fn trace(workload: &str, peer: Option<&str>, port: Option<u16>) -> Trace {
        Trace {
            kind: Kind::NewPeer,
            workloads: BTreeSet::from([workload.to_owned()]),
            peer_address: peer.map(str::to_owned),
            port,
            span: (10_100, 10_200),
            windows: vec![9_000, 10_200, 10_500],
            score: 1.0,
        }
    }

    #[test]
    fn an_attack_is_named_by_its_ends_and_its_port() {
        let names = |trace: &Trace| trace.names(&stage(), 300);
        assert!(names(&trace("10.0.0.1", Some("10.0.0.2"), Some(22))));
        assert!(names(&trace("10.0.0.2", Some("10.0.0.1"), Some(22))), "as its server sees it");
        assert!(!names(&trace("10.0.0.1", Some("10.0.0.3"), Some(22))));
        assert!(!names(&trace("10.0.0.1", Some("10.0.0.2"), Some(443))));
        assert!(!names(&trace("10.0.0.2", Some("10.0.0.9"), Some(22))));
        assert!(!names(&trace("10.0.0.9", Some("10.0.0.2"), Some(22))));
    }

    #[test]
    fn what_is_about_many_names_an_attack_of_its_client_alone() {
        assert!(trace("10.0.0.1", None, None).names(&stage(), 300));
        assert!(!trace("10.0.0.2", None, None).names(&stage(), 300));
        assert!(!trace("10.0.0.1", None, Some(445)).names(&stage(), 300));
    }

    #[test]
    fn what_happens_at_another_time_is_not_the_attack() {
        let mut late = trace("10.0.0.1", Some("10.0.0.2"), Some(22));
        late.span = (11_100, 11_200);
        assert!(!late.names(&stage(), 300) && !late.belongs(&stage(), 300));
        late.span = (10_950, 11_000);
        assert!(late.names(&stage(), 300), "its window is the attack's last");
        late.span = (9_000, 9_899);
        assert!(!late.names(&stage(), 300), "the window before");
    }

    #[test]
    fn whatever_the_client_does_meanwhile_belongs_to_the_attack_but_does_not_name_it() {
        let volume = trace("10.0.0.1", Some("192.0.2.1"), Some(443));
        assert!(volume.belongs(&stage(), 300) && !volume.names(&stage(), 300));
        let of_server = trace("10.0.0.2", Some("192.0.2.1"), Some(443));
        assert!(!of_server.belongs(&stage(), 300));
    }

    #[test]
    fn time_to_detect_counts_from_the_window_of_the_first_record() {
        let found = trace("10.0.0.1", Some("10.0.0.2"), Some(22));
        // 10 000 is in the window from 9900, so that from 10 200 is its second.
        assert_eq!(found.windows_to(&stage(), 300), Some(2));
        let early = Trace { windows: vec![9_000], ..found };
        assert_eq!(early.windows_to(&stage(), 300), None);
    }
}
