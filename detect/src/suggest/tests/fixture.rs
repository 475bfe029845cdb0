//! A small world: `web` calls `carts`, which calls `db`; a workload of `carts` misbehaves.

use std::sync::Arc;

use model::baseline::{Baseline, Direction, EdgeEvidence, EdgeKey};
use model::identity::{Address, Infrastructure};

use crate::report::samples;
use crate::suggest::{AttachedEni, Context, EniDetails, PlanBudget, PlanOptions, suggest};
use crate::{Finding, FoundDeviation, Kind, Severity, Suggestion};

/// 2026-03-02 00:00 UTC, the end of the baseline.
pub(super) const END: i64 = 1_772_409_600;

pub(super) struct World {
    pub(super) days: i64,
    pub(super) replicas: u32,
    pub(super) has_clients: bool,
    pub(super) eni: Option<EniDetails>,
    pub(super) still_there: Option<bool>,
    pub(super) infrastructure: Option<Infrastructure>,
    pub(super) options: PlanOptions,
    /// Since when `carts` goes where the incident does, Unix seconds.
    pub(super) there_since: Option<i64>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            days: 10,
            replicas: 4,
            has_clients: true,
            eni: Some(plain_eni()),
            still_there: Some(true),
            infrastructure: None,
            options: PlanOptions::DEFAULT,
            there_since: None,
        }
    }
}

impl World {
    pub(super) fn suggest(&self, finding: &Finding) -> Option<Suggestion> {
        self.suggest_within(finding, &mut PlanBudget::default())
    }

    pub(super) fn suggest_within(
        &self,
        finding: &Finding,
        budget: &mut PlanBudget,
    ) -> Option<Suggestion> {
        let baseline = self.baseline();
        let context = Context {
            baseline: &baseline,
            options: &self.options,
            still_there: &|_| self.still_there,
            inventory_eni: &|_| self.eni.clone(),
            infrastructure: self.infrastructure,
        };
        suggest(finding, &context, budget)
    }

    fn baseline(&self) -> Baseline {
        let mut baseline = Baseline::default();
        baseline.learned.from = Some(END - self.days * 86_400);
        baseline.learned.until = Some(END);
        baseline.learned.interval_secs = Some(60);
        for n in 0..self.replicas {
            workload(&mut baseline, &format!("1/eni-{n}/10.0.1.{n}"), END - 300);
        }
        workload(&mut baseline, "1/eni-old/10.0.1.99", END - 5 * 86_400);
        edge(&mut baseline, "carts", Direction::Out, ("svc:db", 5432), 500);
        if let Some(first) = self.there_since {
            let there = edge(&mut baseline, "carts", Direction::Out, ("203.0.113.0/24", 443), 30);
            there.first = first;
        }
        if self.has_clients {
            edge(&mut baseline, "carts", Direction::In, ("svc:web", 8080), 800);
            edge(&mut baseline, "web", Direction::Out, ("svc:carts", 8080), 800);
            edge(&mut baseline, "web", Direction::Out, ("svc:search", 80), 200);
        }
        baseline
    }
}

fn workload(baseline: &mut Baseline, name: &str, time: i64) {
    let service = baseline.services.slot(&Arc::from("carts")).unwrap();
    service.workloads.slot(&Arc::from(name)).unwrap().note(time);
}

fn edge<'a>(
    baseline: &'a mut Baseline,
    service: &str,
    direction: Direction,
    (peer, port): (&str, u16),
    connections: u64,
) -> &'a mut EdgeEvidence {
    let service = baseline.services.slot(&Arc::from(service)).unwrap();
    let key = EdgeKey { direction, peer: peer.into(), port, protocol: 6 };
    let edge = service.edges.slot(&key).unwrap();
    edge.established.add(10, false);
    edge.connections.add(connections, false);
    edge
}

pub(super) fn plain_eni() -> EniDetails {
    let attached = |eni: &str, address: &str, group: &str| AttachedEni {
        eni: eni.to_owned(),
        address: address.parse().ok(),
        security_groups: vec![group.to_owned()],
    };
    EniDetails {
        region: Some("eu-west-1".to_owned()),
        vpc: Some("vpc-0123".to_owned()),
        subnet: Some("subnet-0123".to_owned()),
        address: "10.0.1.7".parse().ok(),
        security_groups: vec!["sg-0a".to_owned(), "sg-0b".to_owned()],
        of_instance: vec![
            attached("eni-0a1", "10.0.1.7", "sg-0a"),
            attached("eni-0a2", "10.0.2.7", "sg-0c"),
        ],
        ..EniDetails::default()
    }
}

pub(super) fn exposed(address: &str) -> EniDetails {
    let address: Address = address.parse().unwrap();
    let mut eni = plain_eni();
    if address.is_v4() {
        eni.public_addresses.push(address);
    } else {
        eni.addresses_v6.push(address);
    }
    eni
}

pub(super) fn deviation(kind: Kind, direction: &str) -> FoundDeviation {
    FoundDeviation { direction: direction.to_owned(), ..samples::deviation(kind) }
}

pub(super) fn finding(kind: Kind, deviations: Vec<FoundDeviation>) -> Finding {
    Finding {
        id: "f-1".to_owned(),
        severity: Severity::Critical,
        ..samples::finding(kind, deviations)
    }
}

/// A scan, a beacon and much sent out, by one of our own.
pub(super) fn incident() -> Finding {
    let mut scan = deviation(Kind::PortScan, "outbound");
    (scan.peer, scan.peer_address) = ("many".to_owned(), None);
    let deviations =
        vec![deviation(Kind::Beacon, "outbound"), scan, deviation(Kind::Volume, "outbound")];
    finding(Kind::Incident, deviations)
}
