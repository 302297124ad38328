//! Sends an attempt to the upstream, and begins its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Error as ClientError, ResponseFuture};
use jiff::Timestamp;

use crate::causes::with_causes;
use crate::gateway::access::Fate;
use crate::gateway::attempt::Attempt;
use crate::gateway::body::{MeteredBody, ReplyBody};
use crate::gateway::headers;
use crate::gateway::meter::{Meter, Reading};
use crate::gateway::refusal::Refusal;
use crate::gateway::retry::Chance;
use crate::gateway::sent_body::SentBody;
use crate::gateway::server::Shared;
use crate::gateway::tape::Tape;

/// What became of an attempt that was sent.
pub(crate) enum Sent {
    /// This is for the client.
    Replied(Response<ReplyBody>),
    /// It has cost nothing, and is to be sent again.
    Again {
        /// How long to wait before.
        after: Duration,
        /// What is left to be read of the answer.
        rest: Option<ReplyBody>,
    },
}

/// Sends an admitted request and begins its answer.
pub(crate) async fn send(
    mut attempt: Attempt,
    chance: Chance,
    method: Method,
    headers: HeaderMap,
    path_and_query: &str,
    body: Bytes,
) -> Sent {
    let shared = Arc::clone(&attempt.shared);
    let body = attempt.request.with_max_tokens(body, attempt.sent_output_tokens);
    let recorder = shared.settings.recorder.as_ref();
    attempt.tape = Tape::begin(recorder, path_and_query, &headers, &body);
    let request = match outgoing(&shared, method, headers, path_and_query, body) {
        Ok(request) => request,
        Err(why) => {
            let refusal = Refusal::bad_request(&why.to_string());
            attempt.release(Fate::BadRequest, Some(why.to_string()));
            return Sent::Replied(shared.refuse(&refusal, None));
        }
    };
    let within = shared.settings.limits.answer_within;
    let mut sending =
        Sending { answer: Some(shared.upstream.send(request)), attempt: Some(attempt) };
    let answered = tokio::time::timeout(within, &mut sending).await;
    let Some(attempt) = sending.attempt.take() else {
        return Sent::Replied(shared.refuse(&Refusal::broke("the attempt is over"), None));
    };
    match answered {
        Ok(Ok(answer)) => begin(attempt, answer, chance),
        Ok(Err(error)) => failed(attempt, &error, chance),
        Err(_late) => {
            attempt.expire(Fate::TimedOut, None);
            Sent::Replied(shared.refuse(&Refusal::timed_out(), None))
        }
    }
}

/// The request as the upstream gets it.
pub(crate) fn outgoing(
    shared: &Shared,
    method: Method,
    headers: HeaderMap,
    path_and_query: &str,
    body: SentBody,
) -> Result<Request<SentBody>, http::Error> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = shared.upstream.uri(path_and_query)?;
    *request.headers_mut() = headers::to_upstream(headers, shared.upstream.credential());
    Ok(request)
}

/// The upstream gave no answer. What may have reached it may have cost something, and is not sent
/// again.
fn failed(mut attempt: Attempt, error: &ClientError, chance: Chance) -> Sent {
    let shared = Arc::clone(&attempt.shared);
    let why = with_causes(error);
    if !error.is_connect() {
        let refusal = Refusal::broke(&why);
        attempt.status = refusal.status.as_u16();
        attempt.expire(Fate::UpstreamBroke, Some(why));
        return Sent::Replied(shared.refuse(&refusal, None));
    }
    let refusal = Refusal::unreachable(&why);
    attempt.status = refusal.status.as_u16();
    if let Some(after) = chance.unreachable(&attempt.id.0) {
        shared.tallies.tries_again();
        attempt.release(Fate::Unreachable, Some(format!("{why}; {}", again_in(after))));
        return Sent::Again { after, rest: None };
    }
    attempt.release(Fate::Unreachable, Some(why));
    Sent::Replied(shared.refuse(&refusal, None))
}

fn again_in(after: Duration) -> String {
    format!("sent again in {} ms", after.as_millis())
}

/// The upstream has begun to answer.
fn begin(mut attempt: Attempt, answer: Response<Incoming>, chance: Chance) -> Sent {
    let (mut parts, body) = answer.into_parts();
    attempt.tape.answered(parts.status, &parts.headers);
    let plan = &attempt.shared.plan;
    attempt.account = plan.observe(attempt.credential, &parts.headers, Timestamp::now());
    parts.headers = headers::to_client(parts.headers);
    headers::name_attempt(&mut parts.headers, &attempt.id, attempt.routed.as_deref());
    attempt.status = parts.status.as_u16();
    let media = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.map_or("", |media| media);
    if parts.status == StatusCode::OK {
        let bytes_max = attempt.shared.settings.limits.whole_answer_bytes;
        let streams = media.starts_with("text/event-stream");
        let metered = attempt.metered.filter(|_| streams);
        let body = MeteredBody::new(body, attempt, Meter::new(streams, bytes_max), metered);
        return Sent::Replied(Response::from_parts(parts, ReplyBody::Metered(Box::new(body))));
    }
    let body = std::mem::take(&mut attempt.tape).over(body);
    if !is_free(parts.status, &parts.headers, media) {
        attempt.expire(Fate::UpstreamBroke, Some(format!("status {}", parts.status)));
        return Sent::Replied(Response::from_parts(parts, body));
    }
    if let Some(after) = chance.refused(parts.status, &parts.headers, &attempt.id.0) {
        attempt.shared.tallies.tries_again();
        attempt.refused_upstream(Some(again_in(after)));
        return Sent::Again { after, rest: Some(body) };
    }
    attempt.refused_upstream(None);
    Sent::Replied(Response::from_parts(parts, body))
}

/// Whether a request that was answered with this status has cost nothing. The API bills none that it
/// refuses, in JSON with a `request-id`; what stands between it and us may answer in JSON too and has
/// no such id, and then a failure of a server leaves open what became of the request.
fn is_free(status: StatusCode, headers: &HeaderMap, media: &str) -> bool {
    let of_the_api = media.starts_with("application/json") && headers.contains_key("request-id");
    status.is_client_error() || (status.is_server_error() && of_the_api)
}

/// An answer that is waited for. Where nobody waits any more, it is waited for in the background, to
/// learn what it took.
struct Sending {
    answer: Option<ResponseFuture>,
    attempt: Option<Attempt>,
}

impl Future for Sending {
    type Output = Result<Response<Incoming>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else { return Poll::Pending };
        let polled = Pin::new(answer).poll(cx);
        if polled.is_ready() {
            self.answer = None;
        }
        polled
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let (Some(answer), Some(attempt)) = (self.answer.take(), self.attempt.take()) else {
            return;
        };
        let shared = Arc::clone(&attempt.shared);
        let within = shared.settings.limits.answer_within;
        shared.spawn(async move {
            match tokio::time::timeout(within, answer).await {
                // The body is dropped at once, and so drained.
                Ok(Ok(answer)) => drop(begin(attempt, answer, Chance::none())),
                Ok(Err(error)) => drop(failed(attempt, &error, Chance::none())),
                Err(_late) => attempt.end(&Reading::default(), Fate::ClientGone),
            }
        });
    }
}
