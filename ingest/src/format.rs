//! Which field stands in which column of a text log, from a format string or a header line.

use crate::escape::printable;
use crate::field::{Field, FieldSet};

/// The columns of a text log, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    columns: Vec<Option<Field>>,
    unknown: Vec<String>,
    separator: Separator,
}

/// What stands between the values of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    /// One or more spaces, as AWS writes.
    Spaces,
    /// A tab; an empty value is none.
    Tab,
    /// A comma; an empty value is none, a quoted one loses its quotes.
    Comma,
}

impl Separator {
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Spaces => b' ',
            Self::Tab => b'\t',
            Self::Comma => b',',
        }
    }

    fn of(line: &str) -> Self {
        match () {
            () if line.contains('\t') => Self::Tab,
            () if line.contains(',') => Self::Comma,
            () => Self::Spaces,
        }
    }
}

/// Why a format string is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No name in it is a flow-log field.
    #[error(
        "`{0}` names no flow-log field; expected something like '${{version}} ${{account-id}} ${{interface-id}}'"
    )]
    NoKnownField(String),
    /// A field occurs twice.
    #[error("field `{0}` occurs twice in the log format")]
    Duplicate(&'static str),
}

/// How many unknown names are kept for the message, and how long.
const UNKNOWN_NAMES_MAX: usize = 64;
const UNKNOWN_CHARS_MAX: usize = 64;

impl LogFormat {
    /// The default format: the fourteen fields of version 2.
    pub fn v2() -> Self {
        Self {
            columns: Field::DEFAULT_FORMAT.iter().copied().map(Some).collect(),
            unknown: Vec::new(),
            separator: Separator::Spaces,
        }
    }

    /// Reads `${version} ${account-id} …` as AWS shows it, plain names, or a header line.
    ///
    /// Names that are not in the field table are carried past.
    pub fn parse(spec: &str) -> Result<Self, FormatError> {
        let bare = spec.replace("${", " ").replace('}', " ");
        let bare = bare.trim();
        let separator = Separator::of(bare);
        let names: Vec<&str> = bare
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|name| !name.is_empty())
            .collect();
        let (format, repeated) = Self::from_names(&names, separator);
        if let Some(field) = repeated {
            return Err(FormatError::Duplicate(field.name()));
        }
        if format.fields().is_empty() {
            return Err(FormatError::NoKnownField(printable(spec.as_bytes(), 80)));
        }
        Ok(format)
    }

    /// Recognises a header line: names only, at least half of them known.
    pub(crate) fn from_header(line: &[u8]) -> Option<Self> {
        if !line.first()?.is_ascii_alphabetic() && line.first() != Some(&b'"') {
            return None;
        }
        let line = std::str::from_utf8(line).ok()?;
        let separator = Separator::of(line);
        let names: Vec<&str> = match separator {
            Separator::Spaces => line.split_ascii_whitespace().collect(),
            Separator::Tab | Separator::Comma => {
                line.split(char::from(separator.byte())).map(unquoted).collect()
            }
        };
        if !names.iter().all(|name| is_field_like(name)) {
            return None;
        }
        let known = names.iter().filter(|name| Field::from_name(name).is_some()).count();
        (known > 0 && known * 2 >= names.len()).then(|| Self::from_names(&names, separator).0)
    }

    /// The second of two columns of one name is carried past; which field it was is told.
    fn from_names(names: &[&str], separator: Separator) -> (Self, Option<Field>) {
        let mut format = Self { columns: Vec::new(), unknown: Vec::new(), separator };
        let mut seen = FieldSet::default();
        let mut repeated = None;
        for name in names {
            let field = Field::from_name(name);
            let first = field.filter(|&field| !seen.contains(field));
            if field.is_none() && format.unknown.len() < UNKNOWN_NAMES_MAX {
                format.unknown.push(printable(name.as_bytes(), UNKNOWN_CHARS_MAX));
            }
            if first.is_none() {
                repeated = repeated.or(field);
            }
            seen = seen.union(first.into_iter().collect());
            format.columns.push(first);
        }
        (format, repeated)
    }

    /// The known fields in the format.
    pub fn fields(&self) -> FieldSet {
        self.columns.iter().copied().flatten().collect()
    }

    /// The field of each column, `None` where the name is unknown.
    pub fn columns(&self) -> &[Option<Field>] {
        &self.columns
    }

    /// The names no field has, escaped; the first 64 of them.
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }

    pub(crate) fn separator(&self) -> Separator {
        self.separator
    }
}

fn unquoted(name: &str) -> &str {
    let name = name.trim();
    name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name)
}

fn is_field_like(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_in_every_spelling() {
        let spelled = ["${srcaddr} ${end}", "srcaddr end", "${srcaddr}${end}", " srcaddr,end"];
        for spec in spelled {
            let format = LogFormat::parse(spec).unwrap();
            assert_eq!(format.columns(), [Some(Field::SrcAddr), Some(Field::End)], "{spec}");
        }
    }

    #[test]
    fn unknown_names_are_carried_past() {
        let format = LogFormat::parse("${srcaddr} ${new-thing} ${end}").unwrap();
        assert_eq!(format.columns(), [Some(Field::SrcAddr), None, Some(Field::End)]);
        assert_eq!(format.unknown_fields(), ["new-thing"]);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let none = LogFormat::parse("foo bar").unwrap_err().to_string();
        assert_eq!(
            none,
            "`foo bar` names no flow-log field; expected something like '${version} ${account-id} ${interface-id}'"
        );
        let twice = LogFormat::parse("${end} ${end}").unwrap_err().to_string();
        assert_eq!(twice, "field `end` occurs twice in the log format");
    }

    #[test]
    fn headers_are_told_from_records() {
        let header = |line: &str| LogFormat::from_header(line.as_bytes()).is_some();
        assert!(header("version account-id srcaddr"));
        assert!(header("account_id,action,az_id"));
        assert!(header("\"version\",\"srcaddr\""));
        assert!(!header("2 123456789010 eni-1 - - - - - - - 1 2 - NODATA"));
        assert!(!header("eni-1 OK ACCEPT"));
        assert!(!header("first_seen,last_seen,client,server,port,protocol,connections,label"));
        assert!(!header(""));
    }
}
