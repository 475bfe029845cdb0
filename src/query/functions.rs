//! What an analyst of flows asks of addresses.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::{DataType, TimestampSecondType};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use ingest::ip_ranges::{Prefix, mapped};
use model::identity::{Address, Directory, Outside, Party};

use super::record::time_type;

/// How they are called.
pub(super) const USAGE: [&str; 3] = [
    "cidr_contains(cidr, address)  whether the address is in the range",
    "prefix24(address)             its /24; of IPv6 its /48",
    "service_of(address[, time])   the service, from --inventory and --labels; else the address",
];

/// Adds the functions.
pub(super) fn register(session: &SessionContext, directory: Directory) {
    let kinds =
        [Kind::CidrContains, Kind::Prefix24, Kind::ServiceOf(Arc::new(Mutex::new(directory)))];
    for kind in kinds {
        session.register_udf(ScalarUDF::from(Function::new(kind)));
    }
}

/// Which function.
#[derive(Clone, Debug)]
enum Kind {
    CidrContains,
    Prefix24,
    ServiceOf(Arc<Mutex<Directory>>),
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::CidrContains => "cidr_contains",
            Self::Prefix24 => "prefix24",
            Self::ServiceOf(_) => "service_of",
        }
    }
}

/// A function of the session; there is one of each name.
#[derive(Debug)]
struct Function {
    kind: Kind,
    signature: Signature,
}

impl Function {
    fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.kind.name() == other.kind.name()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.name().hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let text = || DataType::Utf8View;
        let wanted = match (&self.kind, given.len()) {
            (Kind::CidrContains, 2) => vec![text(), text()],
            (Kind::Prefix24 | Kind::ServiceOf(_), 1) => vec![text()],
            (Kind::ServiceOf(_), 2) => vec![text(), time_type()],
            _ => return usage(&self.kind),
        };
        let fits = |(given, wanted): (&DataType, &DataType)| match wanted {
            DataType::Utf8View => is_text(given),
            _ => is_text(given) || matches!(given, DataType::Timestamp(..) | DataType::Date32),
        };
        if given.iter().zip(&wanted).all(fits) { Ok(wanted) } else { usage(&self.kind) }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::CidrContains => DataType::Boolean,
            Kind::Prefix24 | Kind::ServiceOf(_) => DataType::Utf8View,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let n = args.number_rows;
        let result: ArrayRef = match (&self.kind, args.args.as_slice()) {
            (Kind::CidrContains, [cidr, address]) => Arc::new(cidr_contains(cidr, address, n)?),
            (Kind::Prefix24, [address]) => Arc::new(each(address, n, prefix24)?),
            (Kind::ServiceOf(directory), [address, time @ ..]) => {
                let mut directory = directory.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::new(service_of(&mut directory, address, time.first(), n)?)
            }
            _ => return usage(&self.kind),
        };
        // A constant stays one.
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) && n > 0 {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn usage<T>(kind: &Kind) -> Result<T> {
    let usage = USAGE.iter().find(|usage| usage.starts_with(kind.name()));
    let call = usage.and_then(|usage| usage.split("  ").next()).unwrap_or(kind.name());
    plan_err!("it is called as {call}, with an address as text")
}

/// IPv4 mapped into IPv6 is IPv4; what is no address is in no range and has no service.
fn address(text: &str) -> Option<Address> {
    Some(mapped(text.parse::<IpAddr>().ok()?).into())
}

fn texts(value: &ColumnarValue, n: usize) -> Result<StringViewArray> {
    let array = value.to_array(n)?;
    let Some(texts) = array.as_string_view_opt() else {
        return exec_err!("text is expected, not {}", array.data_type());
    };
    Ok(texts.clone())
}

fn each(
    value: &ColumnarValue,
    n: usize,
    of: impl Fn(Address) -> String,
) -> Result<StringViewArray> {
    let texts = texts(value, n)?;
    Ok(texts.iter().map(|text| address(text?).map(&of)).collect())
}

fn prefix24(address: Address) -> String {
    let bits = if address.is_v4() { 24 } else { 48 };
    format!("{}/{bits}", address.prefix(bits))
}

fn cidr_contains(
    cidr: &ColumnarValue,
    addresses: &ColumnarValue,
    n: usize,
) -> Result<BooleanArray> {
    let addresses = texts(addresses, n)?;
    // A range that is written in the query is wrong for all rows; one of a column, for its own.
    if let ColumnarValue::Scalar(cidr) = cidr {
        let Some(text) = cidr.try_as_str().flatten() else { return Ok(BooleanArray::new_null(n)) };
        let range: Prefix =
            text.parse().map_err(|error| DataFusionError::External(Box::new(error)))?;
        return Ok(addresses.iter().map(|text| Some(is_in(range, text?))).collect());
    }
    let pairs = texts(cidr, n)?;
    let pairs = pairs.iter().zip(addresses.iter());
    Ok(pairs.map(|(cidr, text)| Some(is_in(cidr?.parse().ok()?, text?))).collect())
}

/// A range of IPv6 holds no IPv4, whatever IPv4 is mapped to.
fn is_in(range: Prefix, text: &str) -> bool {
    const MAPPED_BITS: u8 = 96;
    let is_v4 = range.bits_mapped() >= MAPPED_BITS && Address::from(range.network()).is_v4();
    address(text)
        .is_some_and(|address| address.is_v4() == is_v4 && range.contains(address.octets()))
}

/// The latest time there is: a claim that holds for ever holds until before `i64::MAX`.
const LATEST: i64 = i64::MAX - 1;

fn service_of(
    directory: &mut Directory,
    addresses: &ColumnarValue,
    times: Option<&ColumnarValue>,
    n: usize,
) -> Result<StringViewArray> {
    let addresses = texts(addresses, n)?;
    let times = times.map(|times| times.to_array(n)).transpose()?;
    let time = |row: usize| {
        let times = times.as_ref()?.as_primitive_opt::<TimestampSecondType>()?;
        times.is_valid(row).then(|| times.value(row))
    };
    let rows = addresses.iter().enumerate();
    let services = rows.map(|(row, text)| {
        let text = text?;
        let Some(address) = address(text) else { return Some(text.to_owned()) };
        let time = time(row).unwrap_or(LATEST);
        Some(match directory.resolve("", "", address, None, time) {
            Party::Workload(workload) => workload.service.to_string(),
            Party::Outside(Outside::Prefix { .. } | Outside::Group) => address.to_string(),
            Party::Outside(outside) => outside.to_string(),
        })
    });
    Ok(services.collect())
}

#[cfg(test)]
mod tests;
