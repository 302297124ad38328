//! The API's error envelope.

use serde_json::json;

/// How a gateway's words begin where the upstream could not be reached: nothing left, so nothing was
/// charged.
pub const UNREACHABLE: &str = "flyball: the upstream cannot be reached";

/// What kind of error a client is told of; what it does about it hangs on this and the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request makes no sense.
    InvalidRequest,
    /// No such key.
    Authentication,
    /// No such thing here.
    NotFound,
    /// Nothing may be spent on it.
    Billing,
    /// Later, perhaps.
    RateLimit,
    /// The body is too large.
    RequestTooLarge,
    /// Something failed that is not the request's fault.
    Api,
    /// It took too long.
    Timeout,
}

impl ErrorKind {
    /// `error.type` on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::NotFound => "not_found_error",
            Self::Billing => "billing_error",
            Self::RateLimit => "rate_limit_error",
            Self::RequestTooLarge => "request_too_large",
            Self::Api => "api_error",
            Self::Timeout => "timeout_error",
        }
    }
}

/// `{"type":"error","error":{…},"request_id":…}` as the API has it.
pub fn error_body(kind: ErrorKind, message: &str, request_id: &str) -> String {
    let error = json!({ "type": kind.name(), "message": message });
    json!({ "type": "error", "error": error, "request_id": request_id }).to_string()
}
