//! What a client is told that may not go on. The real client acts on the status, on
//! `x-should-retry` and on `retry-after`, in that order, and shows the message as it is.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;

use crate::amount::PlanWindow;
use crate::budget::{Denial, DenialKind, PlanReached};
use crate::messages::{ErrorKind, UNREACHABLE, error_body};

/// Who is told to wait longer than a minute gives up at once.
const GIVE_UP_SECONDS: u32 = 3_600;
/// The least that makes it give up.
const GIVE_UP_SECONDS_MIN: u32 = 61;
/// Balance comes free within seconds, while requests are in flight.
const SOON_SECONDS: u32 = 5;

/// A refusal, ready to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    kind: ErrorKind,
    pub(crate) message: String,
    again: Again,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    /// Not before so many seconds have passed.
    After(u32),
    Soon,
    /// The status says it.
    Unsaid,
}

impl Refusal {
    fn new(status: StatusCode, kind: ErrorKind, again: Again, message: String) -> Self {
        Self { status, kind, message, again }
    }

    /// What a budget says; `help` is how to go on.
    pub(crate) fn denied(denial: &Denial, help: Option<&str>) -> Self {
        let (kind, again, what) = match denial.kind {
            DenialKind::Exhausted => (ErrorKind::Billing, Again::Never, "spend limit reached"),
            DenialKind::Busy => (ErrorKind::RateLimit, Again::Soon, "the budget is in use"),
        };
        let mut message = format!("flyball: {what} ({})", denial.shortage);
        if let Some(help) = help {
            message = format!("{message}; {help}");
        }
        Self::new(StatusCode::TOO_MANY_REQUESTS, kind, again, message)
    }

    /// A plan window was seen at its soft limit, at `now`.
    pub(crate) fn plan_window(reached: &PlanReached, now: Timestamp) -> Self {
        let wait = reached.resets_at.duration_since(now).as_secs();
        let wait = u32::try_from(wait).unwrap_or(GIVE_UP_SECONDS).max(GIVE_UP_SECONDS_MIN);
        let flag = match reached.window {
            PlanWindow::FiveHours => "--five-hour",
            PlanWindow::Week => "--week",
        };
        let message = format!(
            "flyball: soft limit reached ({reached}; soft: others who use this plan move it too); \
             raise it with: flyball budget set --plan {} {flag} PERCENT",
            reached.plan
        );
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, ErrorKind::Billing, Again::After(wait), message)
    }

    /// It has no price or no bound, and that will stay so.
    pub(crate) fn unpriced(why: &str) -> Self {
        let message = format!("flyball: this request cannot be held to a budget: {why}");
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorKind::Billing, Again::Never, message)
    }

    /// A rule of the policy denies it, and that will stay so.
    pub(crate) fn by_rule(rule: &str, why: &str) -> Self {
        let message = format!("flyball: the policy's rule `{rule}` denies this request: {why}");
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorKind::Billing, Again::Never, message)
    }

    /// The client's second try after its answer was cut off because the budget ended.
    pub(crate) fn was_cut(why: &str) -> Self {
        let message = format!("flyball: spend limit reached, and the answer was cut off ({why})");
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorKind::Billing, Again::Never, message)
    }

    /// The ledger cannot be used now.
    pub(crate) fn no_ledger(why: &str) -> Self {
        let message = format!("flyball: nothing is sent while the ledger cannot be used: {why}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Api, Again::Soon, message)
    }

    pub(crate) fn bad_request(why: &str) -> Self {
        let message = format!("flyball: {why}");
        Self::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, Again::Never, message)
    }

    pub(crate) fn unknown_key() -> Self {
        let message =
            "flyball: this gateway asks for a key of its own, and this is none".to_owned();
        let status = StatusCode::UNAUTHORIZED;
        Self::new(status, ErrorKind::Authentication, Again::Never, message)
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("flyball: the body is longer than {bytes_max} bytes");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(status, ErrorKind::RequestTooLarge, Again::Never, message)
    }

    pub(crate) fn too_slow() -> Self {
        let message = "flyball: the body of the request did not come in time".to_owned();
        Self::new(StatusCode::REQUEST_TIMEOUT, ErrorKind::Timeout, Again::Unsaid, message)
    }

    pub(crate) fn no_such_path() -> Self {
        let message = "flyball: the gateway has /v1/messages, /v1/messages/count_tokens and \
                       /v1/models; nothing else of the API passes"
            .to_owned();
        Self::new(StatusCode::NOT_FOUND, ErrorKind::NotFound, Again::Never, message)
    }

    pub(crate) fn unreachable(why: &str) -> Self {
        let message = format!("{UNREACHABLE}: {why}");
        Self::new(StatusCode::BAD_GATEWAY, ErrorKind::Api, Again::Unsaid, message)
    }

    pub(crate) fn broke(why: &str) -> Self {
        let message = format!("flyball: the upstream broke off: {why}");
        Self::new(StatusCode::BAD_GATEWAY, ErrorKind::Api, Again::Unsaid, message)
    }

    pub(crate) fn timed_out() -> Self {
        let message = "flyball: the upstream did not answer in time".to_owned();
        Self::new(StatusCode::GATEWAY_TIMEOUT, ErrorKind::Timeout, Again::Unsaid, message)
    }

    /// The reply.
    pub(crate) fn reply(&self, request_id: &str) -> Response<Bytes> {
        let body = error_body(self.kind, &self.message, request_id);
        let mut reply = Response::new(Bytes::from(body));
        *reply.status_mut() = self.status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("request-id", id);
        }
        match self.again {
            Again::Never => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
                if self.status == StatusCode::TOO_MANY_REQUESTS {
                    headers.insert(RETRY_AFTER, HeaderValue::from(GIVE_UP_SECONDS));
                }
            }
            Again::After(seconds) => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Again::Soon => {
                headers.insert(RETRY_AFTER, HeaderValue::from(SOON_SECONDS));
            }
            Again::Unsaid => {}
        }
        reply
    }
}
