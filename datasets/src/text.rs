//! Writes records as the text lines of a flow log, without a formatting call per value.

use ingest::Field;

use crate::address::v6;
use crate::estate::Interface;
use crate::record::{Direction, Family, Record, Verdict, path};
use crate::{ACCOUNT, Format, REGION, VPC};

/// The line that says nothing was recorded, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// There was no traffic.
    NoData,
    /// Records were lost.
    SkipData,
}

impl Format {
    /// The fields of a line, in order.
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::V2 => Field::DEFAULT_FORMAT,
            Self::V5 => Field::ALL.split_at(29).0,
        }
    }

    /// The `version` every record carries: the highest of its fields'.
    fn version(self) -> &'static [u8] {
        match self {
            Self::V2 => b"2",
            Self::V5 => b"5",
        }
    }

    /// The line that names the fields, with its line feed.
    pub(crate) fn header(self) -> String {
        let names: Vec<&str> = self.fields().iter().map(|field| field.name()).collect();
        names.join(" ") + "\n"
    }

    /// Appends a record's line.
    pub(crate) fn push_record(self, out: &mut Vec<u8>, record: &Record, interface: &Interface) {
        for &field in self.fields() {
            if !push_interface_value(out, field, interface, self) {
                push_record_value(out, field, record);
            }
            out.push(b' ');
        }
        end_line(out);
    }

    /// Appends the line of an interface that has nothing to say about an interval.
    pub(crate) fn push_silence(
        self,
        out: &mut Vec<u8>,
        silence: Silence,
        interface: &Interface,
        (start, end): (i64, i64),
    ) {
        for &field in self.fields() {
            match field {
                Field::Start => push_number(out, start as u64),
                Field::End => push_number(out, end as u64),
                Field::LogStatus if silence == Silence::NoData => out.extend_from_slice(b"NODATA"),
                Field::LogStatus => out.extend_from_slice(b"SKIPDATA"),
                _ if push_interface_value(out, field, interface, self) => {}
                _ => out.push(b'-'),
            }
            out.push(b' ');
        }
        end_line(out);
    }
}

/// Turns the separator after the last value into the end of the line.
fn end_line(out: &mut [u8]) {
    if let Some(last) = out.last_mut() {
        *last = b'\n';
    }
}

/// Appends a value that depends on the reporting interface only; says whether the field is one.
fn push_interface_value(
    out: &mut Vec<u8>,
    field: Field,
    interface: &Interface,
    format: Format,
) -> bool {
    let value: &[u8] = match field {
        Field::Version => format.version(),
        Field::AccountId => ACCOUNT.as_bytes(),
        Field::InterfaceId => interface.id.as_bytes(),
        Field::VpcId => VPC.as_bytes(),
        Field::SubnetId => interface.subnet.id.as_bytes(),
        Field::InstanceId => interface.instance.as_deref().unwrap_or("-").as_bytes(),
        Field::Region => REGION.as_bytes(),
        Field::AzId => interface.subnet.zone_id.as_bytes(),
        _ => return false,
    };
    out.extend_from_slice(value);
    true
}

/// Appends a value of the record itself.
fn push_record_value(out: &mut Vec<u8>, field: Field, record: &Record) {
    match field {
        Field::SrcAddr => push_address(out, record.family, record.source.address),
        Field::DstAddr => push_address(out, record.family, record.destination.address),
        Field::SrcPort => push_number(out, record.source.port.into()),
        Field::DstPort => push_number(out, record.destination.port.into()),
        Field::Protocol => push_number(out, record.protocol.into()),
        Field::Packets => push_number(out, record.load.packets),
        Field::Bytes => push_number(out, record.load.bytes),
        Field::Start => push_number(out, record.start as u64),
        Field::End => push_number(out, record.end as u64),
        Field::TcpFlags => push_number(out, record.load.flags.into()),
        Field::PktSrcAddr => push_address(out, record.family, record.source.packet_address),
        Field::PktDstAddr => push_address(out, record.family, record.destination.packet_address),
        Field::TrafficPath if record.path != path::NONE => push_number(out, record.path.into()),
        _ => out.extend_from_slice(word(field, record).as_bytes()),
    }
}

/// A value of the record that is a word.
fn word(field: Field, record: &Record) -> &'static str {
    match (field, record.verdict, record.direction) {
        (Field::Action, Verdict::Accept, _) => "ACCEPT",
        (Field::Action, Verdict::Reject, _) => "REJECT",
        (Field::LogStatus, ..) => "OK",
        (Field::Type, ..) if record.family == Family::V6 => "IPv6",
        (Field::Type, ..) => "IPv4",
        (Field::PktSrcAwsService, ..) => record.source.aws_service,
        (Field::PktDstAwsService, ..) => record.destination.aws_service,
        (Field::FlowDirection, _, Direction::Ingress) => "ingress",
        (Field::FlowDirection, _, Direction::Egress) => "egress",
        _ => "-",
    }
}

/// Appends an address; one of version 4 in dotted form.
fn push_address(out: &mut Vec<u8>, family: Family, address: u32) {
    if family == Family::V6 {
        out.extend_from_slice(v6(address).to_string().as_bytes());
        return;
    }
    for (place, octet) in address.to_be_bytes().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

/// Appends a number in decimal.
fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_print_as_the_standard_library_prints_them() {
        for number in [0, 7, 10, 99, 1_741_046_400, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
        for address in [0, 0x0a14_0109, 0xffff_ffff, 0x0064_0aff] {
            let mut out = Vec::new();
            push_address(&mut out, Family::V4, address);
            assert_eq!(out, std::net::Ipv4Addr::from(address).to_string().into_bytes());
        }
    }
}
