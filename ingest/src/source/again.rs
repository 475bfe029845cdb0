//! Which failed requests are worth asking again, and what they are counted as.

use std::error::Error;

#[cfg(feature = "cwl")]
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
#[cfg(not(feature = "cwl"))]
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

/// Refused for being too fast.
pub(super) const THROTTLED: &str = "throttled";

/// Why asking again may help, if it may.
pub(super) fn reason<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&'static str> {
    let code = error.code().unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (error, status) {
        _ if code.contains("Throttl") || code.contains("LimitExceeded") => Some(THROTTLED),
        (_, Some(429)) => Some(THROTTLED),
        (_, Some(500..)) => Some("service error"),
        // Refused, or not even made.
        (SdkError::ServiceError(_) | SdkError::ConstructionFailure(_), _) => None,
        (SdkError::DispatchFailure(failure), _) if failure.is_user() => None,
        // A connection that broke and credentials that are not there look alike to the SDK.
        (SdkError::DispatchFailure(failure), _)
            if failure.as_connector_error().is_some_and(|error| speaks_of_credentials(error)) =>
        {
            None
        }
        (SdkError::TimeoutError(_), _) => Some("timeout"),
        _ => Some("broken connection"),
    }
}

/// Waiting does not bring them.
fn speaks_of_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("credential") {
            return true;
        }
        cause = error.source();
    }
    false
}
