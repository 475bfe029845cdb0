//! Errors as the services word them, in the protocol of the request.

use super::date;
use super::fault::Request;
use super::http::Head;

/// An answer of the proxy itself.
pub(crate) struct Refusal {
    status: u16,
    code: String,
    date_secs: i64,
}

impl Refusal {
    /// A refusal by name.
    pub(crate) fn new(status: u16, code: &str) -> Self {
        Self { status, code: code.to_owned(), date_secs: date::now_secs() }
    }

    /// The service's own failure.
    pub(crate) fn failure(request: &Request, status: u16) -> Self {
        let code = match (status, request.is_api_call()) {
            (503, _) => "ServiceUnavailable",
            (_, true) => "InternalFailure",
            (_, false) => "InternalError",
        };
        Self::new(status, code)
    }

    /// "Slower", as this service says it for this operation.
    pub(crate) fn throttle(request: &Request) -> Self {
        let target = request.target();
        let by_shard = ["GetRecords", "GetShardIterator", "PutRecord", "SubscribeToShard"];
        if target.starts_with("Kinesis_") && by_shard.iter().any(|name| target.contains(name)) {
            Self::new(400, "ProvisionedThroughputExceededException")
        } else if target.starts_with("Kinesis_") {
            Self::new(400, "LimitExceededException")
        } else if target.starts_with("AmazonSQS") {
            Self::new(400, "RequestThrottled")
        } else if !target.is_empty() {
            Self::new(400, "ThrottlingException")
        } else if request.is_query() {
            Self::new(400, "Throttling")
        } else {
            Self::new(503, "SlowDown")
        }
    }

    /// A request signed at another time than the service's.
    pub(crate) fn skewed(request: &Request, date_secs: i64) -> Self {
        let code = if request.is_api_call() {
            "InvalidSignatureException"
        } else {
            "RequestTimeTooSkewed"
        };
        Self { date_secs, ..Self::new(403, code) }
    }

    /// The whole answer. Its connection stays open.
    pub(crate) fn to_bytes(&self, request: &Request) -> Vec<u8> {
        let (kind, body) = self.body(request);
        let mut head = Head::new(&format!("HTTP/1.1 {} Injected", self.status));
        head.set("Date", &date::to_http(self.date_secs));
        head.set("x-amz-request-id", "INJECTED00000000");
        head.set("x-amzn-requestid", "INJECTED00000000");
        if !request.target().is_empty() {
            head.set("x-amzn-errortype", &self.code);
            head.set("x-amzn-query-error", &format!("{};Sender", self.code));
        }
        head.set("Content-Type", kind);
        head.set("Content-Length", &body.len().to_string());
        let mut bytes = head.to_bytes();
        if request.method() != "HEAD" {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }

    fn body(&self, request: &Request) -> (&'static str, String) {
        let code = &self.code;
        let error = format!("<Code>{code}</Code><Message>Injected.</Message>");
        if !request.target().is_empty() {
            let body = format!(r#"{{"__type":"{code}","message":"Injected."}}"#);
            ("application/x-amz-json-1.1", body)
        } else if request.is_query() {
            let error = format!("<Error><Type>Sender</Type>{error}</Error>");
            ("text/xml", format!("<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"))
        } else {
            let xml = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
            ("application/xml", format!("{xml}\n<Error>{error}<RequestId>0</RequestId></Error>"))
        }
    }
}
