//! Names people know: protocols, ATT&CK techniques, GuardDuty's finding types.

use std::borrow::Cow;

/// A protocol's name, or its number.
pub fn protocol(number: u8) -> Cow<'static, str> {
    match number {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        47 => "gre".into(),
        50 => "esp".into(),
        58 => "icmpv6".into(),
        132 => "sctp".into(),
        other => other.to_string().into(),
    }
}

/// Ports that administer hosts: what lateral movement uses.
pub(crate) const ADMIN_PORTS: &[u16] =
    &[22, 23, 135, 139, 445, 2375, 2376, 3389, 5900, 5985, 5986, 6443, 10250];

/// What a technique is called.
pub fn technique(id: &str) -> &'static str {
    match id {
        "T1021" => "Remote Services",
        "T1030" => "Data Transfer Size Limits",
        "T1041" => "Exfiltration Over C2 Channel",
        "T1046" => "Network Service Discovery",
        "T1048" => "Exfiltration Over Alternative Protocol",
        "T1018" => "Remote System Discovery",
        "T1071" => "Application Layer Protocol",
        "T1110" => "Brute Force",
        "T1133" => "External Remote Services",
        "T1499" => "Endpoint Denial of Service",
        "T1571" => "Non-Standard Port",
        "T1573" => "Encrypted Channel",
        _ => "see attack.mitre.org",
    }
}
