//! `sqs://queue`: a queue by its name, its ARN or its URL.

use std::fmt;

use crate::source::SourceError;

/// Which queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqsUrl {
    /// A queue by its name, of another account if one is given.
    Named {
        /// The queue's name.
        name: String,
        /// The account that owns it.
        account: Option<String>,
        /// The region it is in.
        region: Option<String>,
    },
    /// A queue by its own URL.
    Addressed(String),
}

impl SqsUrl {
    /// Reads `sqs://NAME`, `sqs://arn:aws:sqs:REGION:ACCOUNT:NAME`, `sqs://https://HOST/ACCOUNT/NAME`
    /// and `sqs://HOST/ACCOUNT/NAME`; `None` if it is another kind of source.
    pub fn parse(text: &str) -> Option<Result<Self, SourceError>> {
        let rest = text.strip_prefix("sqs://")?;
        let refused = || SourceError::Refused {
            place: crate::escape::printable(text.as_bytes(), 200),
            detail: "no queue in it: write sqs://NAME, or the queue's ARN or URL after sqs://"
                .to_owned(),
        };
        if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(Err(refused()));
        }
        Some(read(rest).ok_or_else(refused))
    }

    /// The name of the queue.
    pub fn name(&self) -> &str {
        match self {
            Self::Named { name, .. } => name,
            Self::Addressed(url) => url.rsplit('/').next().unwrap_or(url),
        }
    }

    /// The region, if it was given.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Named { region, .. } => region.as_deref(),
            Self::Addressed(url) => {
                let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let mut parts = host.split(['.', '/']);
                parts.next().filter(|service| *service == "sqs")?;
                parts.next().filter(|region| region.contains('-'))
            }
        }
    }

    /// The account, if it was given.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Named { account, .. } => account.as_deref(),
            Self::Addressed(url) => url.rsplit('/').nth(1),
        }
    }
}

fn read(rest: &str) -> Option<SqsUrl> {
    if let Some(arn) = rest.strip_prefix("arn:") {
        let parts: Vec<&str> = arn.split(':').collect();
        let [_, "sqs", region, account, name] = parts.as_slice() else { return None };
        return nonempty(name).map(|name| SqsUrl::Named {
            name,
            account: nonempty(account),
            region: nonempty(region),
        });
    }
    if rest.starts_with("https://") || rest.starts_with("http://") {
        return Some(SqsUrl::Addressed(rest.to_owned()));
    }
    match rest.trim_end_matches('/') {
        "" => None,
        url if url.contains('/') => Some(SqsUrl::Addressed(format!("https://{url}"))),
        name => Some(SqsUrl::Named { name: name.to_owned(), account: None, region: None }),
    }
}

fn nonempty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl fmt::Display for SqsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, account: Some(account), region: Some(region) } => {
                write!(f, "sqs://arn:aws:sqs:{region}:{account}:{name}")
            }
            Self::Named { name, .. } => write!(f, "sqs://{name}"),
            Self::Addressed(url) => write!(f, "sqs://{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_in_four_ways() {
        let read = |text: &str| SqsUrl::parse(text).unwrap().unwrap();
        let name = read("sqs://told");
        assert_eq!((name.name(), name.region(), name.account()), ("told", None, None));
        for text in [
            "sqs://arn:aws:sqs:eu-west-1:111122223333:told",
            "sqs://https://sqs.eu-west-1.amazonaws.com/111122223333/told",
            "sqs://sqs.eu-west-1.amazonaws.com/111122223333/told",
        ] {
            let url = read(text);
            assert_eq!(url.name(), "told", "{text}");
            assert_eq!((url.region(), url.account()), (Some("eu-west-1"), Some("111122223333")));
        }
        assert_eq!(read("sqs://http://127.0.0.1:5000/1/told").region(), None);
    }

    #[test]
    fn what_names_no_queue_is_refused() {
        for text in ["sqs://", "sqs:///", "sqs://a b", "sqs://arn:aws:s3:::bucket"] {
            assert!(SqsUrl::parse(text).unwrap().is_err(), "{text}");
        }
        assert!(SqsUrl::parse("s3://told").is_none());
    }
}
