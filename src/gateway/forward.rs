//! The way of one request: read, admitted, sent, and sent again where that costs nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::causes::with_causes;
use crate::gateway::access::{Access, Fate};
use crate::gateway::admit::Arrival;
use crate::gateway::body::{NotWhole, ReplyBody, whole};
use crate::gateway::caller::Caller;
use crate::gateway::headers;
use crate::gateway::refusal::Refusal;
use crate::gateway::request::MessagesRequest;
use crate::gateway::retry::Chance;
use crate::gateway::send::{Sent, outgoing, send};
use crate::gateway::server::Shared;

/// Answers a request to `/v1/messages` whose body is `body`.
pub(crate) async fn messages(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    mut parts: Parts,
    path_and_query: String,
    body: Bytes,
) -> Response<ReplyBody> {
    let arrived = Instant::now();
    let request = match MessagesRequest::read(&body) {
        Ok(request) => request,
        Err(why) => {
            let refusal = Refusal::bad_request(&why.to_string());
            let access =
                Access::refused(caller, String::new(), Fate::BadRequest, &refusal, arrived);
            return shared.refuse(&refusal, Some(access));
        }
    };
    let mut chance = Chance::new(shared.settings.retries_max, shared.settings.hold_max);
    let mut arrival = Arrival::new(shared, caller, request, body, arrived);
    if let Err(denied) = arrival.take_route(&mut parts.headers) {
        return *denied;
    }
    loop {
        let attempt = match arrival.admit(&parts.headers).await {
            Ok(attempt) => attempt,
            Err(reply) => return *reply,
        };
        let headers = if chance.is_left() {
            parts.headers.clone()
        } else {
            std::mem::take(&mut parts.headers)
        };
        let body = arrival.body_for_one_of(chance);
        let method = parts.method.clone();
        match send(attempt, chance, method, headers, &path_and_query, body).await {
            Sent::Replied(reply) => return reply,
            Sent::Again { after, rest } => {
                chance = chance.next();
                wait(after, rest).await;
            }
        }
    }
}

/// Waits, and reads what is left of a refusal meanwhile: its connection can be used again.
async fn wait(after: Duration, rest: Option<ReplyBody>) {
    let read = async {
        let Some(mut rest) = rest else { return };
        while let Some(Ok(_)) = rest.frame().await {}
    };
    let _late = tokio::join!(tokio::time::sleep(after), tokio::time::timeout(after, read));
}

/// Passes a request on that costs nothing.
pub(crate) async fn free(
    shared: &Arc<Shared>,
    parts: Parts,
    path_and_query: &str,
    body: Bytes,
) -> Response<ReplyBody> {
    shared.tallies.passed_free();
    let credential = shared.plan.credential(shared.upstream.credential(), &parts.headers);
    let request = match outgoing(shared, parts.method, parts.headers, path_and_query, body.into()) {
        Ok(request) => request,
        Err(why) => return shared.refuse(&Refusal::bad_request(&why.to_string()), None),
    };
    let within = shared.settings.limits.answer_within;
    match tokio::time::timeout(within, shared.upstream.send(request)).await {
        Ok(Ok(answer)) => {
            let (mut parts, body) = answer.into_parts();
            let _account = shared.plan.observe(credential, &parts.headers, Timestamp::now());
            parts.headers = headers::to_client(parts.headers);
            Response::from_parts(parts, ReplyBody::Passed(body))
        }
        Ok(Err(error)) if error.is_connect() => {
            shared.refuse(&Refusal::unreachable(&with_causes(&error)), None)
        }
        Ok(Err(error)) => shared.refuse(&Refusal::broke(&with_causes(&error)), None),
        Err(_late) => shared.refuse(&Refusal::timed_out(), None),
    }
}

/// Reads the body of a request.
pub(crate) async fn body_of(shared: &Shared, body: Incoming) -> Result<Bytes, Refusal> {
    let (bytes_max, within): (usize, Duration) =
        (shared.settings.limits.body_bytes, shared.settings.limits.body_within);
    whole(body, bytes_max, within).await.map_err(|why| match why {
        NotWhole::TooLarge => Refusal::too_large(bytes_max),
        NotWhole::TooSlow => Refusal::too_slow(),
        NotWhole::Broke(error) => Refusal::bad_request(&error.to_string()),
    })
}
