//! One rule: what it matches and until when.

use ingest::ip_ranges::Prefix;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::identity::Address;
use serde::Deserialize;

use super::Hit;
use super::pattern::Pattern;
use super::schedule::Schedule;
use crate::{Finding, FoundDeviation, Kind};

/// A rule as it is used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "WireRule")]
pub(super) struct Rule {
    /// Its id, or its place in the file.
    pub(super) name: String,
    reason: String,
    service: Option<Pattern>,
    workload: Option<Place>,
    peer: Option<Peer>,
    port: Option<u16>,
    protocol: Option<String>,
    kind: Option<Kind>,
    /// The last second it holds; `None` for ever.
    until: Option<i64>,
    /// The only times it holds at.
    schedule: Option<Schedule>,
    /// Whether what it hides is learned as if nobody had told it.
    pub(super) learns: bool,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    id: Option<String>,
    reason: String,
    service: Option<String>,
    workload: Option<String>,
    peer: Option<String>,
    port: Option<u16>,
    protocol: Option<Protocol>,
    kind: Option<Kind>,
    until: Option<String>,
    #[serde(default)]
    forever: bool,
    schedule: Option<String>,
    timezone: Option<String>,
    #[serde(default)]
    learn: bool,
    /// For people; nothing reads it.
    #[serde(rename = "author")]
    _author: Option<String>,
}

/// A protocol by name or number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Protocol {
    Number(u8),
    Name(String),
}

/// A workload by what it is known by.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Eni(String),
    Address(Address),
}

/// The other end, by name or by address.
#[derive(Clone, Debug, PartialEq)]
enum Peer {
    Name(Pattern),
    Range(Prefix),
}

impl TryFrom<WireRule> for Rule {
    type Error = String;

    fn try_from(wire: WireRule) -> Result<Self, Self::Error> {
        let rule = Self {
            name: wire.id.unwrap_or_default().trim().to_owned(),
            reason: wire.reason.trim().to_owned(),
            service: wire.service.map(Pattern::from),
            workload: wire.workload.map(place).transpose()?,
            peer: wire.peer.map(peer).transpose()?,
            port: wire.port,
            protocol: wire.protocol.map(protocol_name).transpose()?,
            kind: wire.kind,
            until: until(wire.until.as_deref(), wire.forever)?,
            schedule: schedule(wire.schedule.as_deref(), wire.timezone.as_deref())?,
            learns: wire.learn,
        };
        if rule.reason.is_empty() {
            return Err("a rule needs a `reason`".to_owned());
        }
        if rule.selects_everything() {
            return Err("the rule matches everything: narrow it".to_owned());
        }
        Ok(rule)
    }
}

fn place(text: String) -> Result<Place, String> {
    if text.starts_with("eni-") {
        return Ok(Place::Eni(text));
    }
    let address = text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        format!("`workload` is an interface (eni-…) or an address, not `{shown}`")
    })?;
    Ok(Place::Address(address))
}

fn protocol_name(protocol: Protocol) -> Result<String, String> {
    let named = |number| crate::names::protocol(number).into_owned();
    let name = match protocol {
        Protocol::Number(number) => return Ok(named(number)),
        Protocol::Name(name) => name.to_lowercase(),
    };
    // A name that no finding has would match nothing, and look as if there were nothing to hide.
    let known = (0..=u8::MAX).find(|number| named(*number) == name || number.to_string() == name);
    known.map(named).ok_or_else(|| {
        let shown: String = name.chars().take(64).collect();
        format!("`protocol` is tcp, udp, icmp, icmpv6, gre, esp, sctp or a number up to 255, not `{shown}`")
    })
}

fn schedule(text: Option<&str>, zone: Option<&str>) -> Result<Option<Schedule>, String> {
    match (text, zone) {
        (None, Some(_)) => Err("`timezone` is the zone of a `schedule`: give one".to_owned()),
        (None, None) => Ok(None),
        (Some(text), zone) => Schedule::parse(text, zone).map(Some),
    }
}

/// The last second of a rule: a date holds until its end, UTC.
pub(super) fn until(text: Option<&str>, is_forever: bool) -> Result<Option<i64>, String> {
    let text = match (text, is_forever) {
        (Some(_), true) => return Err("a rule has `until` or `forever: true`, not both".to_owned()),
        (None, true) => return Ok(None),
        (None, false) => {
            return Err("a rule needs `until` (a date or a time), or `forever: true`".to_owned());
        }
        (Some(text), false) => text.trim(),
    };
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let next = text.parse::<Date>().ok().filter(|_| text.len() == 10)?.tomorrow().ok()?;
        let midnight = next.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Timestamp::from_second(midnight.as_second() - 1).ok()
    });
    let shown: String = text.chars().take(64).collect();
    time.map(|time| Some(time.as_second())).ok_or_else(|| {
        format!("`until` is a date (2026-03-31) or a time (2026-03-31T12:00:00Z), not `{shown}`")
    })
}

/// A range where it is one, else a name; what was meant as a range and is none matches nothing.
fn peer(text: String) -> Result<Peer, String> {
    if let Ok(range) = text.parse() {
        return Ok(Peer::Range(range));
    }
    let network = text.split_once('/').map_or(text.as_str(), |(network, _)| network);
    let is_numeric =
        network.contains('.') && network.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_numeric || network.parse::<std::net::IpAddr>().is_ok() {
        let shown: String = text.chars().take(64).collect();
        return Err(format!(
            "`peer` is no address or range: `{shown}`; a range is written 203.0.113.0/24"
        ));
    }
    Ok(Peer::Name(text.into()))
}

impl Peer {
    fn is_everything(&self) -> bool {
        match self {
            Self::Name(name) => name.is_any(),
            // 0.0.0.0/0 has the 96 bits of its family.
            Self::Range(range) => range.bits_mapped() == 0 || range.to_string() == "0.0.0.0/0",
        }
    }

    fn matches(&self, deviation: &FoundDeviation) -> bool {
        let peer = deviation.peer.as_str();
        match self {
            Self::Name(pattern) => {
                let bare = peer.split_once(':').map_or(peer, |(_, name)| name);
                pattern.matches(peer) || pattern.matches(bare)
            }
            Self::Range(range) => {
                let address = deviation.peer_address.as_deref();
                match address.and_then(|text| text.parse::<Address>().ok()) {
                    Some(address) => range.contains(address.octets()),
                    None => peer.parse::<Prefix>().is_ok_and(|peer| {
                        range.bits_mapped() <= peer.bits_mapped() && range.contains(peer.network())
                    }),
                }
            }
        }
    }
}

impl Rule {
    /// Names a rule without an id by its place, from 1.
    pub(super) fn number(&mut self, number: usize) {
        if self.name.is_empty() {
            self.name = format!("rule {number}");
        }
    }

    /// The rule's account before anything is matched.
    pub(super) fn no_hit(&self, now_event_time: i64) -> Hit {
        Hit {
            rule: self.name.clone(),
            reason: self.reason.clone(),
            n: 0,
            n_findings: 0,
            n_grave: 0,
            is_expired: self.is_over(now_event_time),
        }
    }

    /// Whether it has run out at a time, Unix seconds.
    pub(super) fn is_over(&self, time: i64) -> bool {
        self.until.is_some_and(|until| until < time)
    }

    /// Whether it hides a finding whatever its deviations are.
    pub(super) fn hides_all(&self, finding: &Finding) -> bool {
        let needs_none = self.peer.is_none() && self.port.is_none() && self.protocol.is_none();
        let is_kind = self.kind.is_none()
            || (self.kind == Some(Kind::Incident) && finding.kind == Kind::Incident);
        let (first, last) = (&finding.first_seen, &finding.last_seen);
        needs_none && is_kind && self.holds(first, last) && self.is_of(finding)
    }

    /// Whether it hides one deviation of a finding.
    pub(super) fn hides(&self, finding: &Finding, deviation: &FoundDeviation) -> bool {
        let is_kind = self.kind.is_none_or(|kind| {
            kind == deviation.kind || (kind == Kind::Incident && finding.kind == Kind::Incident)
        });
        let protocol = self.protocol.as_deref();
        is_kind
            && self.port.is_none_or(|port| deviation.port == Some(port))
            && protocol.is_none_or(|name| deviation.protocol.as_deref() == Some(name))
            && self.peer.as_ref().is_none_or(|peer| peer.matches(deviation))
            && self.holds(&deviation.first_seen, &deviation.last_seen)
            && self.is_of(finding)
    }

    /// Whether it holds at these times, RFC 3339.
    fn holds(&self, first: &str, last: &str) -> bool {
        let Some(schedule) = &self.schedule else { return true };
        let second = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
        second(first).zip(second(last)).is_some_and(|(first, last)| schedule.holds(first, last))
    }

    fn is_of(&self, finding: &Finding) -> bool {
        let workload = &finding.workload;
        let is_place = self.workload.as_ref().is_none_or(|place| match place {
            Place::Eni(eni) => workload.eni.as_ref() == Some(eni),
            Place::Address(address) => {
                workload.address.parse::<Address>().is_ok_and(|of| of == *address)
            }
        });
        is_place && self.service.as_ref().is_none_or(|pattern| pattern.matches(&finding.service))
    }

    /// Whether no selector narrows it.
    fn selects_everything(&self) -> bool {
        self.service.as_ref().is_none_or(Pattern::is_any)
            && self.peer.as_ref().is_none_or(Peer::is_everything)
            && self.workload.is_none()
            && self.port.is_none()
            && self.protocol.is_none()
            && self.kind.is_none()
    }
}
