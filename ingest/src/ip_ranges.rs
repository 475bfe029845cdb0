//! Address ranges: the prefix type, and the table of AWS's own ranges as `ip-ranges.json` lists them.
//!
//! IPv4 is mapped into IPv6 (`::ffff:a.b.c.d`) everywhere, so one table serves both families.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

/// The largest `ip-ranges.json` read, bytes; the real one has about two million.
pub const IP_RANGES_BYTES_MAX: usize = 64 << 20;

/// Every range is listed under this service too: it says only that the address is Amazon's.
const CATCH_ALL: &str = "AMAZON";
/// Ranges for customers' machines, inside which smaller services are listed again.
const CUSTOMERS: &str = "EC2";

/// Sixteen bytes of an address, IPv4 mapped.
pub fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// An address range, as `10.0.0.0/16` writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    network: u128,
    bits_mapped: u8,
}

/// A text that is no address range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address range such as 10.0.0.0/16")]
pub struct PrefixError(String);

impl Prefix {
    /// The range of all addresses that share the first `bits_mapped` of 128 bits with `address`.
    pub fn new(address: [u8; 16], bits_mapped: u8) -> Self {
        let bits_mapped = bits_mapped.min(128);
        let network = u128::from_be_bytes(address) & mask(bits_mapped);
        Self { network, bits_mapped }
    }

    /// The first address.
    pub fn network(self) -> [u8; 16] {
        self.network.to_be_bytes()
    }

    /// The length in 128 bits: an IPv4 `/24` has 120.
    pub fn bits_mapped(self) -> u8 {
        self.bits_mapped
    }

    /// Whether the address is in the range.
    pub fn contains(self, address: [u8; 16]) -> bool {
        u128::from_be_bytes(address) & mask(self.bits_mapped) == self.network
    }
}

/// The first `bits_mapped` of 128 bits set.
fn mask(bits_mapped: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits_mapped.min(128))).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `10.0.0.0/16`, `2001:db8::/32`, or a single address.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let bad = || PrefixError(text.chars().take(64).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let (longest, offset) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = match bits {
            Some(bits) => bits.parse::<u8>().ok().filter(|&b| b <= longest).ok_or_else(bad)?,
            None => longest,
        };
        Ok(Self::new(mapped(address), bits + offset))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = Ipv6Addr::from_bits(self.network);
        match v6.to_ipv4_mapped() {
            Some(v4) if self.bits_mapped >= 96 => write!(f, "{v4}/{}", self.bits_mapped - 96),
            _ => write!(f, "{v6}/{}", self.bits_mapped),
        }
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why an `ip-ranges.json` cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IpRangesError {
    /// Larger than the cap.
    #[error(
        "{}: {bytes} bytes, at most {IP_RANGES_BYTES_MAX} are read; expected AWS's ip-ranges.json",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// Not the JSON it should be.
    #[error("{}: at `{at}`: {cause}; expected AWS's ip-ranges.json", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The JSON path.
        at: String,
        /// What is wrong there.
        cause: serde_json::Error,
    },
}

/// What AWS says of one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsRange {
    /// The most specific service the range is listed under: `S3`.
    pub service: Arc<str>,
    /// `us-east-1`, or `GLOBAL`.
    pub region: Arc<str>,
}

/// AWS's address ranges, for lookup of the most specific service.
#[derive(Clone, Debug, Default)]
pub struct IpRanges {
    /// Ranges of named services, longest first; then those listed as Amazon's only.
    named: ByLength,
    catch_all: ByLength,
    len: usize,
}

/// Tables by length, the longest first.
type ByLength = Vec<(u8, HashMap<u128, AwsRange>)>;

#[derive(Deserialize)]
struct Listed {
    prefixes: Vec<ListedV4>,
    #[serde(default)]
    ipv6_prefixes: Vec<ListedV6>,
}

#[derive(Deserialize)]
struct ListedV4 {
    ip_prefix: Prefix,
    region: String,
    service: String,
}

#[derive(Deserialize)]
struct ListedV6 {
    ipv6_prefix: Prefix,
    region: String,
    service: String,
}

impl IpRanges {
    /// Reads the bytes of an `ip-ranges.json`; `file` serves error messages only.
    pub fn read(file: &Path, text: &[u8]) -> Result<Self, IpRangesError> {
        if text.len() > IP_RANGES_BYTES_MAX {
            return Err(IpRangesError::TooLarge { file: file.into(), bytes: text.len() });
        }
        let mut json = serde_json::Deserializer::from_slice(text);
        let listed: Listed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let at = error.path().to_string();
            IpRangesError::Malformed { file: file.into(), at, cause: error.into_inner() }
        })?;
        let v4 = listed.prefixes.into_iter().map(|l| (l.ip_prefix, l.service, l.region));
        let v6 = listed.ipv6_prefixes.into_iter().map(|l| (l.ipv6_prefix, l.service, l.region));
        let range = |service: String, region: String| AwsRange {
            service: service.into(),
            region: region.into(),
        };
        Ok(v4.chain(v6).map(|(at, service, region)| (at, range(service, region))).collect())
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no range at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most specific service an address belongs to: the longest range of a named service, and
    /// `AMAZON` only where there is none.
    pub fn get(&self, address: [u8; 16]) -> Option<&AwsRange> {
        let address = u128::from_be_bytes(address);
        let longest = |tables: &'_ ByLength| -> Option<usize> {
            tables.iter().position(|(bits, table)| table.contains_key(&(address & mask(*bits))))
        };
        let find = |tables| longest(tables).map(|i| (tables, i));
        let (tables, i) = find(&self.named).or_else(|| find(&self.catch_all))?;
        let (bits, table) = tables.get(i)?;
        table.get(&(address & mask(*bits)))
    }
}

/// Of two services listed with one range, the smaller is the more specific.
fn specificity(range: &AwsRange) -> (bool, &AwsRange) {
    (range.service.as_ref() == CUSTOMERS, range)
}

impl FromIterator<(Prefix, AwsRange)> for IpRanges {
    fn from_iter<I: IntoIterator<Item = (Prefix, AwsRange)>>(ranges: I) -> Self {
        let mut tables: [BTreeMap<u8, HashMap<u128, AwsRange>>; 2] = Default::default();
        let mut len = 0;
        for (prefix, range) in ranges {
            len += 1;
            let kind = usize::from(range.service.as_ref() == CATCH_ALL);
            let table = tables[kind].entry(prefix.bits_mapped).or_default();
            table
                .entry(prefix.network)
                .and_modify(|known| {
                    if specificity(&range) < specificity(known) {
                        *known = range.clone();
                    }
                })
                .or_insert(range);
        }
        let [named, catch_all] = tables.map(|by_bits| by_bits.into_iter().rev().collect());
        Self { named, catch_all, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> [u8; 16] {
        mapped(text.parse().unwrap())
    }

    fn ranges() -> IpRanges {
        let text = r#"{"syncToken": "1", "createDate": "2024-01-01-00-00-00", "prefixes": [
            {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "network_border_group": "us-east-1", "service": "AMAZON"},
            {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "network_border_group": "us-east-1", "service": "S3"},
            {"ip_prefix": "3.80.0.0/12", "region": "us-east-1", "service": "EC2"},
            {"ip_prefix": "3.80.0.0/12", "region": "us-east-1", "service": "AMAZON"},
            {"ip_prefix": "3.83.168.0/25", "region": "us-east-1", "service": "EC2"},
            {"ip_prefix": "3.83.168.0/25", "region": "us-east-1", "service": "CLOUD9"},
            {"ip_prefix": "3.80.1.0/24", "region": "us-east-1", "service": "AMAZON"},
            {"ip_prefix": "15.230.0.0/24", "region": "GLOBAL", "service": "AMAZON"}
        ], "ipv6_prefixes": [
            {"ipv6_prefix": "2600:1fa0:8000::/39", "region": "us-east-1", "service": "S3"}
        ]}"#;
        IpRanges::read(Path::new("ip-ranges.json"), text.as_bytes()).unwrap()
    }

    fn service(ranges: &IpRanges, text: &str) -> Option<String> {
        ranges.get(address(text)).map(|r| format!("{} {}", r.service, r.region))
    }

    #[test]
    fn the_most_specific_service_wins() {
        let ranges = ranges();
        assert_eq!(ranges.len(), 9);
        let found = |text| service(&ranges, text);
        assert_eq!(found("52.217.4.5").as_deref(), Some("S3 us-east-1"));
        assert_eq!(found("3.83.168.7").as_deref(), Some("CLOUD9 us-east-1"));
        assert_eq!(found("3.83.168.200").as_deref(), Some("EC2 us-east-1"));
        assert_eq!(found("3.80.1.9").as_deref(), Some("EC2 us-east-1"));
        assert_eq!(found("15.230.0.1").as_deref(), Some("AMAZON GLOBAL"));
        assert_eq!(found("2600:1fa0:8012::1").as_deref(), Some("S3 us-east-1"));
        assert_eq!(found("8.8.8.8"), None);
        assert_eq!(found("2600:1fa0:a000::1"), None);
    }

    #[test]
    fn an_error_names_the_file_and_the_path() {
        let text = br#"{"prefixes": [{"ip_prefix": "10.0.0/8", "region": "x", "service": "y"}]}"#;
        let error = IpRanges::read(Path::new("ranges.json"), text).unwrap_err().to_string();
        assert!(
            error.starts_with("ranges.json: at `prefixes[0].ip_prefix`: `10.0.0/8`"),
            "{error}"
        );
    }

    #[test]
    fn prefixes_read_and_print() {
        for text in ["10.0.0.0/16", "0.0.0.0/0", "2001:db8::/32", "::/0", "192.0.2.7/32"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!("10.1.2.3/8".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("192.0.2.7".parse::<Prefix>().unwrap().to_string(), "192.0.2.7/32");
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "", "/8"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        let v4 = "0.0.0.0/0".parse::<Prefix>().unwrap();
        assert!(v4.contains(address("8.8.8.8")) && !v4.contains(address("2001:db8::1")));
    }
}
