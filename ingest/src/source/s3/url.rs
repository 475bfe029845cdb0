//! `s3://bucket/prefix`.

use std::fmt;

use crate::source::SourceError;

/// A bucket and the beginning of keys in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Url {
    /// The bucket's name, or an access point's.
    pub bucket: String,
    /// The prefix, without a slash at its beginning; empty for the whole bucket.
    pub prefix: String,
}

impl S3Url {
    /// Reads `s3://bucket` and `s3://bucket/prefix`; `None` if it is another kind of source.
    pub fn parse(text: &str) -> Option<Result<Self, SourceError>> {
        let rest = text.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Some(Err(SourceError::Refused {
                place: crate::escape::printable(text.as_bytes(), 200),
                detail: "no bucket in it: write s3://BUCKET/PREFIX".to_owned(),
            }));
        }
        Some(Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() }))
    }

    /// The prefix of what lies inside this as in a folder.
    pub fn folder(&self) -> String {
        let bare = self.prefix.trim_end_matches('/');
        if bare.is_empty() { String::new() } else { format!("{bare}/") }
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_prefix_are_told_apart() {
        let url = S3Url::parse("s3://logs/a/b c/").unwrap().unwrap();
        assert_eq!((url.bucket.as_str(), url.prefix.as_str()), ("logs", "a/b c/"));
        assert_eq!((url.folder(), url.to_string()), ("a/b c/".into(), "s3://logs/a/b c/".into()));
        assert_eq!(S3Url::parse("s3://logs").unwrap().unwrap().folder(), "");
        assert!(S3Url::parse("s3:///a").unwrap().is_err());
        assert!(S3Url::parse("logs/a").is_none());
    }
}
