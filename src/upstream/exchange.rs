//! One request and its response: which endpoint it is for.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::ask::TOO_LARGE;
use super::envelope::{Refusal, json_response};
use super::limits::{BODY_BYTES_MAX, BODY_TIME_MAX};
use super::messages::{self, Outcome};
use super::plan_window;
use super::reply::{Cut, ReplyBody};
use super::server::Shared;
use super::socket::ResetSwitch;

/// Answers one request. `Err` cuts the connection without a response.
pub(super) async fn exchange(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    reset: ResetSwitch,
) -> Result<Response<ReplyBody>, Cut> {
    let request_id = shared.next_request_id();
    let is_message = request.uri().path() == "/v1/messages";
    let answered = route(&shared, request, reset, &request_id).await?;
    let mut response = answered.unwrap_or_else(|refusal| refusal.response(&request_id));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        // A recorded answer has its own.
        response.headers_mut().entry("request-id").or_insert(id);
    }
    if is_message && shared.config.replay.is_none() {
        let (windows, spent) = (&shared.config.plan_windows, || shared.books.bill().usd);
        plan_window::tell(windows, spent, shared.started, response.headers_mut());
    }
    Ok(response)
}

type Answered = Result<Response<ReplyBody>, Refusal>;

async fn route(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    reset: ResetSwitch,
    request_id: &str,
) -> Result<Answered, Cut> {
    let (head, body) = request.into_parts();
    let ok = |body: Bytes| json_response(StatusCode::OK, body);
    match (&head.method, head.uri.path()) {
        (&Method::POST, "/v1/messages") => {
            let outcome = match (whole(&head.headers, body).await?, &shared.config.replay) {
                (Ok(body), Some(replay)) => replay.serve(shared, &head.uri, body, reset).await,
                (Ok(body), None) => {
                    messages::serve(shared, &head.headers, body, reset, request_id).await
                }
                (Err(refusal), _) => Outcome::Refused(refusal),
            };
            let answered = Result::from(outcome)?;
            if answered.is_err() {
                shared.books.refused();
            }
            Ok(answered)
        }
        (&Method::POST, "/v1/messages/count_tokens") => {
            let body = whole(&head.headers, body).await?;
            Ok(body.and_then(|body| messages::count_tokens(shared, &body)).map(ok))
        }
        (&Method::HEAD, _) => Ok(Ok(Response::new(ReplyBody::whole(Bytes::new())))),
        (&Method::GET, "/v1/models") => Ok(Ok(ok(shared.catalogue.list()))),
        (&Method::GET, "/simulate/bill") => Ok(bill(shared).map(ok)),
        (&Method::GET, path) if path.starts_with("/v1/models/") => {
            let name = path.trim_start_matches("/v1/models/");
            Ok(shared.catalogue.one(name).map(ok))
        }
        _ => Ok(Err(Refusal::usual(StatusCode::NOT_FOUND))),
    }
}

fn bill(shared: &Shared) -> Result<Bytes, Refusal> {
    let text = serde_json::to_vec(&shared.books.bill());
    text.map(Bytes::from).map_err(|_| Refusal::usual(StatusCode::INTERNAL_SERVER_ERROR))
}

/// The whole body. `Err(Cut)` where the client goes away or is too slow.
async fn whole(headers: &http::HeaderMap, body: Incoming) -> Result<Result<Bytes, Refusal>, Cut> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Ok(Err(Refusal::usual(TOO_LARGE)));
    }
    let collected = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIME_MAX, collected).await {
        Ok(Ok(body)) => Ok(Ok(body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(Err(Refusal::usual(TOO_LARGE))),
        Ok(Err(_)) | Err(_) => Err(Cut),
    }
}
