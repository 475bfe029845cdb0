//! Which service a workload belongs to: the order of preference is in the module's documentation.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::Field;
use ingest::inventory::{Instance, NetworkInterface, Task};

use super::address::Address;
use super::facts::EniFacts;
use super::kind::{Kind, hint};
use super::labels::{Labels, Rule, Subject};
use super::party::{Infrastructure, Tagged, Why};
use super::roles::Roles;

/// Tag fields of the records, the most telling first.
pub(crate) const RECORD_TAGS: [Field; 6] = [
    Field::AsgTag,
    Field::AsgTag2,
    Field::InstanceTag,
    Field::InstanceTag2,
    Field::InterfaceTag,
    Field::InterfaceTag2,
];

/// Tag keys that name a service, the most telling first; `Name` comes after them.
///
/// `aws:cloudformation:logical-id` is not among them: it names a resource within one template, and
/// `Instance` in two stacks is two things.
const SERVICE_TAGS: [&str; 6] = [
    "tidegate:service",
    "service",
    "app",
    "app.kubernetes.io/name",
    "aws:ecs:serviceName",
    "aws:autoscaling:groupName",
];

const ENVIRONMENT_TAGS: [&str; 4] = ["tidegate:environment", "environment", "env", "stage"];
const TIER_TAGS: [&str; 2] = ["tidegate:tier", "tier"];

/// The longest name kept, characters; AWS's tag values have at most 256.
const NAME_CHARS_MAX: usize = 256;

/// All that is known of an interface at a time.
#[derive(Clone, Copy, Default)]
pub(super) struct View<'a> {
    pub(super) account: &'a str,
    pub(super) vpc: &'a str,
    /// The addresses that rules may match.
    pub(super) addresses: &'a [Address],
    pub(super) interface: Option<&'a NetworkInterface>,
    pub(super) instance: Option<&'a Instance>,
    pub(super) task: Option<&'a Task>,
    pub(super) facts: Option<&'a EniFacts>,
}

/// A workload's place among services.
pub(super) struct Named {
    pub(super) service: Arc<str>,
    pub(super) why: Why,
    pub(super) role_known: bool,
    pub(super) environment: Option<Arc<str>>,
    pub(super) tier: Option<Arc<str>>,
    pub(super) infrastructure: Option<Infrastructure>,
}

/// A name and where it comes from.
struct Source {
    service: Arc<str>,
    why: Why,
    role_known: bool,
}

impl<'a> View<'a> {
    /// The inventory's tags, the interface's own first.
    fn tags(&self) -> [(Tagged, Option<&'a BTreeMap<String, String>>); 3] {
        [
            (Tagged::Interface, self.interface.map(|i| &i.tags)),
            (Tagged::Task, self.task.map(|t| &t.tags)),
            (Tagged::Instance, self.instance.map(|i| &i.tags)),
        ]
    }

    /// The first tag with one of these keys: by key, then by what it is on.
    fn tag(&self, keys: &[&str]) -> Option<(&'a str, &'a str, Tagged)> {
        let on_each = |key: &&str| {
            self.tags().into_iter().find_map(|(on, tags)| {
                let mut tags = tags?
                    .iter()
                    .filter(|(k, v)| k.eq_ignore_ascii_case(key) && !v.trim().is_empty());
                tags.next().map(|(k, v)| (k.as_str(), v.trim(), on))
            })
        };
        keys.iter().find_map(on_each)
    }

    fn rule<'l>(&self, labels: &'l Labels) -> Option<(usize, &'l Rule)> {
        let tags: Vec<&BTreeMap<String, String>> =
            self.tags().into_iter().filter_map(|(_, tags)| tags).collect();
        labels.rule(&Subject {
            account: self.account,
            vpc: self.vpc,
            addresses: self.addresses,
            description: self.description(),
            security_groups: self.interface.map_or(&[], |i| &i.security_groups),
            tags: &tags,
        })
    }

    /// An interface that only records tell of has one, though nobody knows what it says.
    fn description(&self) -> Option<&'a str> {
        let listed = self.interface.map(|i| i.description.as_str());
        listed.or_else(|| self.facts.map(|_| ""))
    }

    fn kind(&self) -> Kind {
        let recorded = self.facts.and_then(|f| f.interface_type.as_deref());
        let listed = self.interface.and_then(|i| i.interface_type.as_deref());
        let requester = self.interface.and_then(|i| i.requester.as_deref());
        Kind::of(
            self.interface.map_or("", |i| &i.description),
            recorded.or(listed).unwrap_or_default(),
            requester.unwrap_or_default(),
        )
    }

    fn in_records(&self) -> Option<Source> {
        let facts = self.facts?;
        let ecs = facts.ecs_service.as_deref().map(|name| (name.to_owned(), Why::EcsRecord));
        let tag = |field: &Field| {
            let value = percent_decoded(facts.tag(field.name())?);
            Some((value, Why::RecordTag(field.name())))
        };
        let mut names = ecs.into_iter().chain(RECORD_TAGS.iter().filter_map(tag));
        names.find_map(|(name, why)| role(&name, why))
    }

    fn in_task(&self) -> Option<Source> {
        let group = self.task?.group.as_deref()?;
        let name = group.strip_prefix("service:").or_else(|| group.strip_prefix("family:"))?;
        role(name, Why::TaskGroup)
    }

    fn in_tags(&self) -> Option<Source> {
        let (key, value, on) = self.tag(&SERVICE_TAGS)?;
        role(value, Why::Tag { key: key.into(), on })
    }

    fn in_name(&self, roles: &Roles, kind: &Kind) -> Option<Source> {
        let (key, value, on) = self.tag(&["Name"])?;
        let service = less_ordinal(value);
        let role_known = roles.share_name(self.scope(), service) || kind.is_replaced();
        Some(Source { service: kept(service)?, why: Why::Tag { key: key.into(), on }, role_known })
    }

    fn in_security_group(&self, roles: &Roles, kind: &Kind) -> Option<Source> {
        let name = telling_group(self.interface?)?;
        let role_known = roles.share_group(self.scope(), name) || kind.is_replaced();
        Some(Source { service: kept(name)?, why: Why::SecurityGroup, role_known })
    }

    fn scope(&self) -> &'a str {
        super::estate::scope_name(Some(self.vpc), self.account)
    }

    /// Names the workload; `itself` is what it is called when nothing else names it.
    pub(super) fn named(&self, labels: &Labels, roles: &Roles, itself: &str) -> Named {
        let rule = self.rule(labels);
        let kind = self.kind();
        let source = rule
            .and_then(|(number, rule)| role(rule.service.as_deref()?, Why::Label(number)))
            .or_else(|| self.in_records())
            .or_else(|| self.in_task())
            .or_else(|| self.in_tags())
            .or_else(|| self.in_name(roles, &kind))
            .or_else(|| role(kind.name.as_deref()?, Why::Description))
            .or_else(|| self.in_security_group(roles, &kind))
            .or_else(|| role(kind.role?, Why::InterfaceKind))
            .unwrap_or_else(|| Source {
                service: itself.into(),
                why: Why::Itself,
                role_known: false,
            });
        let label = |of: fn(&Rule) -> &Option<Arc<str>>, keys: &[&str]| {
            let given = rule.and_then(|(_, rule)| of(rule).clone());
            given.or_else(|| kept(self.tag(keys)?.1))
        };
        let declared = rule.and_then(|(_, rule)| rule.infrastructure);
        let hinted = || hint(&source.service).or_else(|| hint(self.tag(&["Name"])?.1));
        Named {
            environment: label(|r| &r.environment, &ENVIRONMENT_TAGS),
            tier: label(|r| &r.tier, &TIER_TAGS),
            infrastructure: declared.or(kind.infrastructure).or_else(hinted),
            service: source.service,
            why: source.why,
            role_known: source.role_known,
        }
    }
}

/// A name that is a role by its nature.
fn role(name: &str, why: Why) -> Option<Source> {
    Some(Source { service: kept(name)?, why, role_known: true })
}

/// A name within the cap, `None` for an empty one.
fn kept(name: &str) -> Option<Arc<str>> {
    let name = name.trim();
    let end = name.char_indices().nth(NAME_CHARS_MAX).map_or(name.len(), |(at, _)| at);
    name.get(..end).filter(|name| !name.is_empty()).map(Arc::from)
}

/// The name of an interface's security group, if it has one only and somebody named it.
pub(super) fn telling_group(interface: &NetworkInterface) -> Option<&str> {
    let [(_, name)] = interface.security_groups.as_slice() else {
        return None;
    };
    let automatic = name == "default" || name.starts_with("launch-wizard-");
    Some(name.as_str()).filter(|name| !automatic && !name.trim().is_empty())
}

/// Cuts a replica's number from the end, if no other digit is in the name: `web-1` is `web`, while
/// `host-10-0-2-11` is an address and stays.
pub(super) fn less_ordinal(name: &str) -> &str {
    let name = name.trim();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = stem.trim_end_matches(['-', '_', '.', ' ', '#']);
    let is_whole = stem.is_empty() || stem.bytes().any(|b| b.is_ascii_digit());
    if is_whole || !name.ends_with(|c: char| c.is_ascii_digit()) { name } else { stem }
}

/// Undoes the percent-encoding of tag values in records; what is none stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let Some((&first, rest)) = left.split_first() {
        let digits = rest.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let hex = digits.filter(|d| first == b'%' && d.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = hex.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            bytes.push(byte);
            left = rest.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            left = rest;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replica_numbers_are_cut() {
        for (name, service) in [
            ("web-1", "web"),
            ("web01", "web"),
            ("web_12", "web"),
            (" web ", "web"),
            ("edge-device-008", "edge-device"),
            ("host-10-0-2-11", "host-10-0-2-11"),
            ("k8s-node-1", "k8s-node-1"),
            ("42", "42"),
            ("-7", "-7"),
            ("cloud-vm", "cloud-vm"),
            ("cloud-", "cloud-"),
        ] {
            assert_eq!(less_ordinal(name), service, "{name}");
        }
    }

    #[test]
    fn percent_encoding_is_undone() {
        for (text, plain) in [
            ("caf%C3%A9%20au", "café au"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("a%2Fb", "a/b"),
            ("%FF", "%FF"),
            ("%+1", "%+1"),
        ] {
            assert_eq!(percent_decoded(text), plain);
        }
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let name = "é".repeat(NAME_CHARS_MAX + 1);
        assert_eq!(kept(&name).unwrap().chars().count(), NAME_CHARS_MAX);
        assert_eq!(kept("  "), None);
    }
}
