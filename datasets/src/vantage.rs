//! Which interfaces a connection passes, and how each sees its ends.

use crate::address::NOT_AWS;
use crate::connection::{Connection, End};
use crate::estate::{Estate, InterfaceIdx};
use crate::random::mixed;
use crate::record::{Direction, Endpoint, Load, Record, Verdict, path};

/// One interface's view of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vantage {
    pub(crate) interface: InterfaceIdx,
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
    let sees =
        |interface, direction, path| Some(Vantage { interface, client, server, direction, path });
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
            if estate.interface(from).public_address.is_some() {
                return [sees(from, egress, path::INTERNET_GATEWAY), None, None];
            }
            let [inner, outer] = through_nat(estate, client, server);
            [sees(from, egress, path::SAME_VPC), Some(inner), Some(outer)]
        }
        (_, End::Inside(to)) => [sees(to, ingress, path::INTERNET_GATEWAY), None, None],
        _ => [None, None, None],
    }
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
        client,
        server: Endpoint { address: own, ..server },
        direction: Direction::Ingress,
        path: path::SAME_VPC,
    };
    let translated = Endpoint { address: own, packet_address: own, port, aws_service: NOT_AWS };
    let outer = Vantage {
        interface,
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
