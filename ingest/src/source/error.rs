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
}
