//! Refusals in the API's own envelope.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::reply::ReplyBody;

/// A refusal: its status and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The request cannot be served as it is written.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// What the API says with this status when nothing is wrong with the request itself.
    pub(super) fn usual(status: StatusCode) -> Self {
        let message = match status.as_u16() {
            400 => "messages: simulated refusal",
            401 => "invalid x-api-key",
            402 => "Your credit balance is too low to access the API",
            403 => "Your API key does not have permission to use the specified resource",
            404 => "Not found",
            413 => "Request exceeds the maximum size",
            429 => "This request would exceed your account's rate limit. Please try again later.",
            504 => "The request timed out",
            529 => "Overloaded",
            500..=599 => "Internal server error",
            _ => "simulated refusal",
        };
        Self::new(status, message)
    }

    /// The type of the error in the envelope.
    const fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            504 => "timeout_error",
            529 => "overloaded_error",
            500..=599 => "api_error",
            _ => "invalid_request_error",
        }
    }

    /// The envelope.
    pub(super) fn envelope(&self, request_id: &str) -> String {
        let error = json!({ "type": self.kind(), "message": self.message });
        json!({ "type": "error", "error": error, "request_id": request_id }).to_string()
    }

    /// The whole response but for its `request-id` header.
    pub(super) fn response(&self, request_id: &str) -> Response<ReplyBody> {
        let mut response = json_response(self.status, Bytes::from(self.envelope(request_id)));
        let headers = response.headers_mut();
        match self.status.as_u16() {
            429 => {
                let fixed = [
                    ("retry-after", "1"),
                    ("anthropic-ratelimit-requests-limit", "4000"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                    ("anthropic-ratelimit-tokens-limit", "4000000"),
                    ("anthropic-ratelimit-tokens-remaining", "0"),
                ];
                for (name, value) in fixed {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            500..=599 => {
                headers.insert("x-should-retry", HeaderValue::from_static("true"));
            }
            _ => {}
        }
        response
    }
}

/// A response that is all there.
pub(super) fn json_response(status: StatusCode, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
