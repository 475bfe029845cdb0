//! `cwl://log-group[/stream-prefix]`: which log group, and which of its streams.

use std::fmt;

use crate::source::SourceError;

/// A log group and the streams of it that are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CwlUrl {
    /// The group's name, or its ARN.
    pub group: String,
    /// What the names of the streams begin with; all streams if `None`.
    pub stream_prefix: Option<String>,
    /// Other readings of the same text: names of groups may have slashes, so only the service can
    /// tell where the name ends. Tried in order when there is no such group.
    others: Vec<(String, Option<String>)>,
}

/// What the names of flow logs' streams begin with.
const STREAM_BEGINNINGS: &[&str] = &["eni-", "tgw-"];

impl CwlUrl {
    /// Reads `cwl://GROUP`, `cwl://GROUP/STREAM-PREFIX` and `cwl://ARN`; `None` if it is another
    /// kind of source.
    ///
    /// A last part that begins as a flow log's stream does is a prefix, another one is first taken
    /// to belong to the group's name. `cwl://GROUP:STREAM-PREFIX` leaves no doubt.
    pub fn parse(text: &str) -> Option<Result<Self, SourceError>> {
        let rest = text.strip_prefix("cwl://")?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.trim_matches('/').is_empty() {
            return Some(Err(SourceError::Refused {
                place: crate::escape::printable(text.as_bytes(), 200),
                detail: "no log group in it: write cwl://GROUP or cwl://GROUP/STREAM-PREFIX"
                    .to_owned(),
            }));
        }
        let mut readings = readings(rest).into_iter();
        let (group, stream_prefix) = readings.next()?;
        Some(Ok(Self { group, stream_prefix, others: readings.collect() }))
    }

    /// The same text read otherwise, if it can be.
    pub(super) fn next(&self) -> Option<Self> {
        let (first, others) = self.others.split_first()?;
        let (group, stream_prefix) = first.clone();
        Some(Self { group, stream_prefix, others: others.to_vec() })
    }

    /// The group's name, also if it was given by its ARN.
    pub fn group_name(&self) -> &str {
        arn_parts(&self.group).map_or(&self.group, |(_, _, name)| name)
    }

    /// The group as requests name it: by its name, or by its ARN.
    pub(super) fn name_or_arn(&self) -> (Option<String>, Option<String>) {
        let group = Some(self.group.clone());
        if self.group.starts_with("arn:") { (None, group) } else { (group, None) }
    }

    /// The account in the group's ARN.
    pub fn account(&self) -> Option<&str> {
        arn_parts(&self.group).map(|(_, account, _)| account)
    }

    /// The region in the group's ARN.
    pub fn region(&self) -> Option<&str> {
        arn_parts(&self.group).map(|(region, _, _)| region)
    }
}

impl fmt::Display for CwlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cwl://{}", self.group)?;
        match &self.stream_prefix {
            Some(prefix) => write!(f, ":{prefix}"),
            None => Ok(()),
        }
    }
}

/// The likeliest first.
fn readings(rest: &str) -> Vec<(String, Option<String>)> {
    if rest.starts_with("arn:") {
        return vec![of_arn(rest)];
    }
    if let Some((group, prefix)) = rest.split_once(':') {
        return vec![(group.to_owned(), nonempty(prefix))];
    }
    let whole = (rest.trim_end_matches('/').to_owned(), None);
    let mut cut: Vec<(String, Option<String>)> = rest
        .rmatch_indices('/')
        .map(|(at, _)| (rest[..at].to_owned(), nonempty(&rest[at + 1..])))
        .filter(|(group, prefix)| !group.is_empty() && prefix.is_some())
        .collect();
    let is_stream = |(_, prefix): &(String, Option<String>)| {
        let begins =
            |with: &&str| prefix.as_deref().is_some_and(|prefix| prefix.starts_with(*with));
        STREAM_BEGINNINGS.iter().any(begins)
    };
    let whole_at = usize::from(cut.first().is_some_and(is_stream));
    cut.insert(whole_at, whole);
    cut
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME[:*][:log-stream:PREFIX]`; the API wants no `:*`.
fn of_arn(arn: &str) -> (String, Option<String>) {
    let (group, prefix) = match arn.split_once(":log-stream:") {
        Some((group, prefix)) => (group, nonempty(prefix)),
        None => (arn, None),
    };
    (group.strip_suffix(":*").unwrap_or(group).to_owned(), prefix)
}

fn arn_parts(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.strip_prefix("arn:")?.splitn(6, ':').skip(2);
    let (region, account, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some((region, account, parts.next()?))
}

fn nonempty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Option<String>)> {
        let mut url = Some(CwlUrl::parse(text).unwrap().unwrap());
        let mut readings = Vec::new();
        while let Some(one) = url {
            readings.push((one.group.clone(), one.stream_prefix.clone()));
            url = one.next();
        }
        readings
    }

    fn reading(group: &str, prefix: &str) -> (String, Option<String>) {
        (group.to_owned(), nonempty(prefix))
    }

    #[test]
    fn where_the_group_ends_is_tried_out() {
        assert_eq!(read("cwl://flows"), [reading("flows", "")]);
        assert_eq!(
            read("cwl:///aws/flows"),
            [reading("/aws/flows", ""), reading("/aws", "flows")],
            "a name may begin with a slash"
        );
        assert_eq!(
            read("cwl://flows/eni-0a"),
            [reading("flows", "eni-0a"), reading("flows/eni-0a", "")]
        );
        assert_eq!(read("cwl://a/b:c"), [reading("a/b", "c")]);
    }

    #[test]
    fn an_arn_names_account_and_region() {
        let arn = "cwl://arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flows:*";
        let url = CwlUrl::parse(arn).unwrap().unwrap();
        assert_eq!(url.group, "arn:aws:logs:eu-west-1:111122223333:log-group:/vpc/flows");
        assert_eq!(url.group_name(), "/vpc/flows");
        assert_eq!((url.region(), url.account()), (Some("eu-west-1"), Some("111122223333")));
        let stream = arn.replace(":*", ":log-stream:eni-1");
        assert_eq!(
            CwlUrl::parse(&stream).unwrap().unwrap().stream_prefix.as_deref(),
            Some("eni-1")
        );
    }

    #[test]
    fn what_names_no_group_is_refused() {
        assert!(CwlUrl::parse("cwl://").unwrap().is_err());
        assert!(CwlUrl::parse("cwl:////").unwrap().is_err());
        assert!(CwlUrl::parse("cwl://a b").unwrap().is_err());
        assert!(CwlUrl::parse("s3://a").is_none());
    }
}
