//! Which interfaces a connection passes, and how each sees its ends.

use crate::address::NOT_AWS;
use crate::connection::{Connection, End};
use crate::estate::{Estate, InterfaceIdx, Owner};
use crate::random::mixed;
use crate::record::{Direction, Endpoint, Family, Load, Record, Verdict, path};

/// One interface's view of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vantage {
    pub(crate) interface: InterfaceIdx,
    pub(crate) family: Family,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    /// Which way the client's packets pass the interface.
    pub(crate) direction: Direction,
    /// The traffic path of what leaves through it.
    pub(crate) path: u8,
}

impl Vantage {
    /// The same interface for what comes back: the ends change places.
    pub(crate) fn turned(self) -> Self {
        let direction = match self.direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        Self { client: self.server, server: self.client, direction, ..self }
    }

    /// The record of what passes from the client's end to the server's.
    pub(crate) fn record(
        self,
        protocol: u8,
        load: Load,
        (start, end): (i64, i64),
        verdict: Verdict,
    ) -> Record {
        let is_egress = self.direction == Direction::Egress;
        Record {
            interface: self.interface,
            family: self.family,
            source: self.client,
            destination: self.server,
            protocol,
            load,
            start,
            end,
            verdict,
            direction: self.direction,
            path: if is_egress { self.path } else { path::NONE },
        }
    }
}

/// The interfaces a connection passes, in the order its first packet does.
pub(crate) fn vantages(estate: &Estate, connection: &Connection) -> [Option<Vantage>; 3] {
    let client = endpoint(estate, connection.client, connection.client_port);
    let server = endpoint(estate, connection.server, connection.port);
    let family = family(estate, connection);
    let sees = |interface, direction, path| {
        Some(Vantage { interface, family, client, server, direction, path })
    };
    let (egress, ingress) = (Direction::Egress, Direction::Ingress);
    match (connection.client, connection.server) {
        (End::Inside(from), End::Inside(to)) => {
            [sees(from, egress, path::SAME_VPC), sees(to, ingress, path::SAME_VPC), None]
        }
        (End::Inside(from), End::Vacant(_)) => [sees(from, egress, path::SAME_VPC), None, None],
        (End::Inside(from), End::Outside(host)) if host.aws_service == "S3" => {
            [sees(from, egress, path::GATEWAY_ENDPOINT), None, None]
        }
        (End::Inside(from), End::Outside(_)) => {
            let has_translation = family == Family::V4;
            if estate.interface(from).public_address.is_some() || !has_translation {
                return [sees(from, egress, path::INTERNET_GATEWAY), None, None];
            }
            let [inner, outer] = through_nat(estate, client, server);
            [sees(from, egress, path::SAME_VPC), Some(inner), Some(outer)]
        }
        (_, End::Inside(to)) => [sees(to, ingress, path::INTERNET_GATEWAY), None, None],
        _ => [None, None, None],
    }
}

/// Whether a connection goes over IPv6: a share of those that could, once it is turned on. Stores are
/// known to their clients by their old addresses, AWS's networks have gateways of their own, and nobody
/// knocks on doors at random. An intruder's goes where the intruder's own address is.
pub(crate) fn family(estate: &Estate, connection: &Connection) -> Family {
    if connection.server.has_only_v6() {
        return Family::V6;
    }
    let share = estate.weather.v6_share;
    let could = match connection.server {
        End::Inside(to) => match estate.interface(to).owner {
            Owner::Replica(service) => !estate.service(service).entry.kind.is_pooled(),
            Owner::LoadBalancer => [80, 443].contains(&connection.port),
            Owner::NatGateway => false,
        },
        End::Outside(host) => host.aws_service == NOT_AWS,
        End::Vacant(_) => false,
    };
    if share <= 0.0 || !could || connection.label.is_some() {
        return Family::V4;
    }
    let ends = u64::from(connection.client.address(estate)) << 32
        | u64::from(connection.server.address(estate));
    let draw = mixed(ends ^ u64::from(connection.client_port) << 20) >> 11;
    let is_v6 = (draw as f64) < share * (1_u64 << 53) as f64;
    if is_v6 { Family::V6 } else { Family::V4 }
}

/// The NAT gateway's two views: from inside its own address stands for the server's, and outside
/// its own address and port stand for the client's.
fn through_nat(estate: &Estate, client: Endpoint, server: Endpoint) -> [Vantage; 2] {
    let interface = estate.nat_gateway;
    let own = estate.interface(interface).address;
    let seed = (u64::from(client.address) << 16) | u64::from(client.port);
    let port = 1_024 + (mixed(seed ^ u64::from(server.port) << 48) % 64_000) as u16;
    let inner = Vantage {
        interface,
        family: Family::V4,
        client,
        server: Endpoint { address: own, ..server },
        direction: Direction::Ingress,
        path: path::SAME_VPC,
    };
    let translated = Endpoint { address: own, packet_address: own, port, aws_service: NOT_AWS };
    let outer = Vantage {
        interface,
        family: Family::V4,
        client: translated,
        server,
        direction: Direction::Egress,
        path: path::INTERNET_GATEWAY,
    };
    [inner, outer]
}

fn endpoint(estate: &Estate, end: End, port: u16) -> Endpoint {
    let address = end.address(estate);
    let aws_service = match end {
        End::Outside(host) => host.aws_service,
        End::Inside(_) | End::Vacant(_) => NOT_AWS,
    };
    Endpoint { address, packet_address: address, port, aws_service }
}
