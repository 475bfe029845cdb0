//! What keeps a service from being read.

use std::error::Error;

/// A request that failed for good, or a source that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The service refused, or could not be reached.
    #[error("{place}: {operation} failed: {detail}")]
    Request {
        /// What was asked about, as a URL.
        place: String,
        /// The API's name of what was asked.
        operation: &'static str,
        /// What the service says, with its code.
        detail: String,
    },
    /// It cannot be what was meant.
    #[error("{place}: {detail}")]
    Refused {
        /// What was given, as a URL.
        place: String,
        /// What is wrong with it, and what to do.
        detail: String,
    },
}

impl SourceError {
    /// A failed request, with everything the error's causes say.
    ///
    /// The SDK's own texts name no credential; requests and their headers are not printed.
    pub fn of_request(place: &str, operation: &'static str, error: &(dyn Error + 'static)) -> Self {
        let mut detail = String::new();
        let mut cause = Some(error);
        while let Some(error) = cause {
            let text = crate::escape::printable(error.to_string().as_bytes(), 400);
            if !detail.contains(&text) {
                let gap = if detail.is_empty() { "" } else { ": " };
                detail = detail + gap + &text;
            }
            cause = error.source();
        }
        Self::Request { place: place.to_owned(), operation, detail }
    }

    /// The API's name of the request the service refused for want of a permission.
    pub fn denied(&self) -> Option<&'static str> {
        match self {
            Self::Request { operation, detail, .. } => {
                REFUSALS.iter().any(|code| detail.contains(code)).then_some(operation)
            }
            Self::Refused { .. } => None,
        }
    }
}

/// What the services call a missing permission.
const REFUSALS: &[&str] = &["AccessDenied", "UnauthorizedOperation", "NotAuthorized"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_told_from_other_failures() {
        let request = |detail: &str| SourceError::Request {
            place: "cwl://g".to_owned(),
            operation: "FilterLogEvents",
            detail: detail.to_owned(),
        };
        let refused = request("service error: unhandled error (AccessDeniedException)");
        assert_eq!(refused.denied(), Some("FilterLogEvents"));
        assert_eq!(request("dispatch failure: connection refused").denied(), None);
    }
}
