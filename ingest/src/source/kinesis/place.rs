//! `kinesis://stream`.

use std::fmt;

use crate::source::SourceError;

/// A stream, by its name or its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KinesisUrl {
    stream: String,
}

/// Longer than any ARN of a stream.
const CHARS_MAX: usize = 512;

impl KinesisUrl {
    /// Reads `kinesis://NAME` and `kinesis://arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`; `None` if it is
    /// another kind of source.
    pub fn parse(text: &str) -> Option<Result<Self, SourceError>> {
        let stream = text.strip_prefix("kinesis://")?.trim_end_matches('/');
        let name = match stream.strip_prefix("arn:") {
            Some(arn) => arn.split_once(":stream/").map(|(_, name)| name),
            None => Some(stream),
        };
        let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let is_name = |name: &str| !name.is_empty() && name.chars().all(is_name_char);
        if stream.len() > CHARS_MAX || !name.is_some_and(is_name) {
            return Some(Err(SourceError::Refused {
                place: crate::escape::printable(text.as_bytes(), 200),
                detail: "no stream in it: write kinesis://NAME, or kinesis:// and the stream's ARN"
                    .to_owned(),
            }));
        }
        Some(Ok(Self { stream: stream.to_owned() }))
    }

    /// The name, if it was given by name.
    pub(super) fn name(&self) -> Option<String> {
        (!self.stream.starts_with("arn:")).then(|| self.stream.clone())
    }

    /// The ARN, if it was given by ARN.
    pub(super) fn arn(&self) -> Option<String> {
        self.stream.starts_with("arn:").then(|| self.stream.clone())
    }
}

impl fmt::Display for KinesisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kinesis://{}", self.stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_or_given_by_arn() {
        let named = KinesisUrl::parse("kinesis://flow-logs/").unwrap().unwrap();
        assert_eq!((named.name(), named.arn()), (Some("flow-logs".to_owned()), None));
        let arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/flow-logs";
        let by_arn = KinesisUrl::parse(&format!("kinesis://{arn}")).unwrap().unwrap();
        assert_eq!((by_arn.name(), by_arn.arn()), (None, Some(arn.to_owned())));
        for wrong in ["kinesis://", "kinesis://a b", "kinesis://arn:aws:s3:::x", "kinesis://a/b"] {
            assert!(KinesisUrl::parse(wrong).unwrap().is_err(), "{wrong}");
        }
        assert!(KinesisUrl::parse("s3://a").is_none());
    }
}
