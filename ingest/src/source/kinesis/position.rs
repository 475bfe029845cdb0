//! Where reading of a shard goes on, and how that is written down.

use std::fmt;

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The oldest record there is.
    TrimHorizon,
    /// The first record that came at this time or later, Unix milliseconds.
    At(i64),
    /// After the record with this sequence number.
    After(String),
    /// The shard is read to its end.
    End,
}

/// The words the Kinesis Client Library uses, too.
const TRIM_HORIZON: &str = "TRIM_HORIZON";
const SHARD_END: &str = "SHARD_END";
const AT_TIMESTAMP: &str = "AT_TIMESTAMP:";
/// Sequence numbers have at most so many digits.
const DIGITS_MAX: usize = 129;

impl Position {
    /// Reads a position as [`fmt::Display`] writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty()
            && text.len() <= DIGITS_MAX
            && text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            TRIM_HORIZON => Some(Self::TrimHorizon),
            SHARD_END => Some(Self::End),
            _ if is_number => Some(Self::After(text.to_owned())),
            _ => Some(Self::At(text.strip_prefix(AT_TIMESTAMP)?.parse().ok()?)),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrimHorizon => f.write_str(TRIM_HORIZON),
            Self::At(unix_ms) => write!(f, "{AT_TIMESTAMP}{unix_ms}"),
            Self::After(sequence) => f.write_str(sequence),
            Self::End => f.write_str(SHARD_END),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_written() {
        let positions = [
            Position::TrimHorizon,
            Position::At(1_700_000_000_000),
            Position::After("49590338271490256608559692538361571095921575989136588898".to_owned()),
            Position::End,
        ];
        for position in positions {
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
        for text in ["", "LATEST", "AT_TIMESTAMP:", "12x", &"1".repeat(130)] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
