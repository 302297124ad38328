//! The way of one request to `/v1/messages`: bound, admitted, sent, answered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Error as ClientError, ResponseFuture};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::budget::{Denial, DenialKind, OutputCap};
use crate::gateway::access::{Access, Fate};
use crate::gateway::attempt::Attempt;
use crate::gateway::body::{MeteredBody, ReplyBody, whole};
use crate::gateway::caller::Caller;
use crate::gateway::counting;
use crate::gateway::headers;
use crate::gateway::meter::{Meter, Reading};
use crate::gateway::refusal::Refusal;
use crate::gateway::request::MessagesRequest;
use crate::gateway::server::Shared;
use crate::gateway::settings::MeteredTerms;
use crate::gateway::tape::Tape;
use crate::gateway::tariff::{NoTariff, Tariff, Terms};
use crate::gateway::till::{Held, Refused, Wanted};

/// A shorter prompt costs next to nothing, however it is bounded; tokens.
const COUNTED_FROM_TOKENS: u64 = 2_000;

/// A request that was read and is not admitted yet.
struct Arrival {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    request: Arc<MessagesRequest>,
    arrived: Instant,
}

/// Answers a request to `/v1/messages` whose body is `body`.
pub(crate) async fn messages(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    parts: Parts,
    path_and_query: String,
    body: Bytes,
) -> Response<ReplyBody> {
    let arrived = Instant::now();
    let request = match MessagesRequest::read(&body) {
        Ok(request) => Arc::new(request),
        Err(why) => {
            let refusal = Refusal::bad_request(&why.to_string());
            let access =
                Access::refused(caller, String::new(), Fate::BadRequest, &refusal, arrived);
            return shared.refuse(&refusal, Some(access));
        }
    };
    let arrival = Arrival { shared, caller, request, arrived };
    match arrival.admit(&parts, &body).await {
        Ok(attempt) => send(attempt, parts, &path_and_query, body).await,
        Err(reply) => *reply,
    }
}

impl Arrival {
    async fn admit(self, parts: &Parts, body: &Bytes) -> Result<Attempt, Box<Response<ReplyBody>>> {
        let fingerprint = self.fingerprint(body);
        if let Some(why) = fingerprint.and_then(|print| self.shared.cuts.take(print)) {
            return Err(self.refuse(Fate::Exhausted, &Refusal::was_cut(&why)));
        }
        let unpriced =
            |why: NoTariff| self.refuse(Fate::Unpriced, &Refusal::unpriced(&why.to_string()));
        let (mut terms, mut wanted) = self.wanted().map_err(unpriced)?;
        let leaves = Leaves(Some(&self));
        if terms.straddles(&wanted.bound) && self.count(parts, body).await {
            (terms, wanted) = self.wanted().map_err(unpriced)?;
        }
        let mut bound = wanted.bound;
        let mut reserved = self.reserve(wanted).await;
        if matches!(&reserved, Err(Refused::Denied(denial)) if denial.kind == DenialKind::Exhausted)
            && self.count(parts, body).await
        {
            (terms, wanted) = self.wanted().map_err(unpriced)?;
            if wanted.bound.fixed.usd < bound.fixed.usd {
                bound = wanted.bound;
                reserved = self.reserve(wanted).await;
            }
        }
        leaves.stays();
        match reserved {
            Ok(held) => {
                self.shared.tallies.flies().keep();
                let sent_output_tokens = match self.metered() {
                    Some(_) => self.request.asked_output_tokens.min(terms.max_output_tokens),
                    None => held.grant().output_cap_tokens,
                };
                Ok(Attempt {
                    reserved_usd: held.grant().reserved.usd,
                    held,
                    bound,
                    metered: self.metered(),
                    fingerprint,
                    sent_output_tokens,
                    waited: self.arrived.elapsed(),
                    shared: self.shared,
                    request: self.request,
                    caller: self.caller,
                    terms,
                    arrived: self.arrived,
                    status: 0,
                    has_begun: false,
                    asked_more: false,
                    message: None,
                    tape: Tape::default(),
                })
            }
            Err(Refused::Denied(denial)) => {
                let fate = match denial.kind {
                    DenialKind::Exhausted => Fate::Exhausted,
                    DenialKind::Busy => Fate::Busy,
                };
                let help = self.shared.till.help(&self.caller, &denial);
                let refusal = Refusal::denied(&denial, help.as_deref());
                Err(self.refuse_for(fate, &refusal, Some(denial)))
            }
            Err(Refused::Unavailable(why)) => {
                Err(self.refuse(Fate::NoLedger, &Refusal::no_ledger(&why)))
            }
        }
    }

    async fn reserve(&self, wanted: Wanted) -> Result<Box<dyn Held>, Refused> {
        let _counted = self.shared.tallies.waits();
        self.shared.till.reserve(wanted).await
    }

    /// Whether the prompt could be counted, so that it has a closer bound.
    async fn count(&self, parts: &Parts, body: &Bytes) -> bool {
        self.request.prompt_tokens_max >= COUNTED_FROM_TOKENS
            && counting::count(&self.shared, &self.request, &parts.headers, body).await
    }

    fn wanted(&self) -> Result<(Terms, Wanted), NoTariff> {
        let (shared, request) = (&self.shared, &self.request);
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let terms = shared.tariff.terms(request, today)?;
        let cap = match self.metered() {
            Some(metered) => OutputCap::new(request.asked_output_tokens, metered.output_tokens, 0),
            None => OutputCap::new(
                request.asked_output_tokens,
                shared.settings.output_cap_tokens,
                request.thinking_tokens,
            ),
        };
        let counted = shared.conversations.bound(&request.conversation);
        let bound = shared.tariff.bound(&terms, request, counted, cap.standing_tokens)?;
        let caller = Arc::clone(&self.caller);
        let hold = shared.settings.hold_max;
        let price = Tariff::price_id(&terms);
        Ok((terms, Wanted { caller, price, bound, cap, hold }))
    }

    /// What a second try would have in common with it; nothing is cut off but where reservations grow.
    fn fingerprint(&self, body: &Bytes) -> Option<u128> {
        self.shared.settings.metered?;
        MessagesRequest::fingerprint(body).ok()
    }

    /// How its reservation grows, where it does: what does not stream cannot be watched, and what is
    /// sampled several times says nothing of it until the end.
    fn metered(&self) -> Option<MeteredTerms> {
        let watched = self.request.stream && self.request.samplings_max == 1;
        self.shared.settings.metered.filter(|_| watched)
    }

    fn refuse(&self, fate: Fate, refusal: &Refusal) -> Box<Response<ReplyBody>> {
        self.refuse_for(fate, refusal, None)
    }

    fn refuse_for(
        &self,
        fate: Fate,
        refusal: &Refusal,
        denial: Option<Box<Denial>>,
    ) -> Box<Response<ReplyBody>> {
        let caller = Arc::clone(&self.caller);
        let model = self.request.model.clone();
        let mut access = Access::refused(caller, model, fate, refusal, self.arrived);
        access.output_cap_tokens.0 = self.request.asked_output_tokens;
        access.denial = denial;
        Box::new(self.shared.refuse(refusal, Some(access)))
    }
}

/// Notes that a client went away while its request waited.
struct Leaves<'a>(Option<&'a Arrival>);

impl Leaves<'_> {
    fn stays(mut self) {
        self.0 = None;
    }
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        let Some(arrival) = self.0 else { return };
        let (caller, model) = (Arc::clone(&arrival.caller), arrival.request.model.clone());
        arrival.shared.tell(Access {
            took: arrival.arrived.elapsed(),
            waited: arrival.arrived.elapsed(),
            ..Access::empty(caller, model, Fate::LeftQueue)
        });
    }
}

/// Sends an admitted request and begins its answer.
async fn send(
    mut attempt: Attempt,
    parts: Parts,
    path_and_query: &str,
    body: Bytes,
) -> Response<ReplyBody> {
    let shared = Arc::clone(&attempt.shared);
    let body = attempt.request.with_max_tokens(body, attempt.sent_output_tokens);
    let recorder = shared.settings.recorder.as_ref();
    attempt.tape = Tape::begin(recorder, path_and_query, &parts.headers, &body);
    let request = match outgoing(&shared, parts, path_and_query, body) {
        Ok(request) => request,
        Err(why) => {
            let refusal = Refusal::bad_request(&why.to_string());
            attempt.release(Fate::BadRequest, Some(why.to_string()));
            return shared.refuse(&refusal, None);
        }
    };
    let id = attempt.held.attempt().clone();
    let within = shared.settings.limits.answer_within;
    let mut sending =
        Sending { answer: Some(shared.upstream.send(request)), attempt: Some(attempt) };
    let answered = tokio::time::timeout(within, &mut sending).await;
    let Some(attempt) = sending.attempt.take() else {
        return shared.refuse(&Refusal::broke("the attempt is over"), None);
    };
    match answered {
        Ok(Ok(answer)) => begin(attempt, answer, &id.0),
        Ok(Err(error)) => shared.refuse(&failed(attempt, &error), None),
        Err(_late) => {
            let refusal = Refusal::timed_out();
            attempt.expire(Fate::TimedOut, None);
            shared.refuse(&refusal, None)
        }
    }
}

/// The request as the upstream gets it.
pub(crate) fn outgoing(
    shared: &Shared,
    parts: Parts,
    path_and_query: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method;
    *request.uri_mut() = shared.upstream.uri(path_and_query)?;
    *request.headers_mut() = headers::to_upstream(parts.headers, shared.upstream.credential());
    Ok(request)
}

/// The upstream gave no answer.
fn failed(mut attempt: Attempt, error: &ClientError) -> Refusal {
    let why = in_words(error);
    let refusal =
        if error.is_connect() { Refusal::unreachable(&why) } else { Refusal::broke(&why) };
    attempt.status = refusal.status.as_u16();
    if error.is_connect() {
        attempt.release(Fate::Unreachable, Some(why));
    } else {
        attempt.expire(Fate::UpstreamBroke, Some(why));
    }
    refusal
}

/// An error with what lies behind it.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

/// The upstream has begun to answer.
fn begin(mut attempt: Attempt, answer: Response<Incoming>, id: &str) -> Response<ReplyBody> {
    let (mut parts, body) = answer.into_parts();
    attempt.tape.answered(parts.status, &parts.headers);
    parts.headers = headers::to_client(parts.headers);
    if let Ok(id) = id.parse() {
        parts.headers.insert("x-flyball-attempt", id);
    }
    attempt.status = parts.status.as_u16();
    let media = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.map_or("", |media| media);
    if parts.status == StatusCode::OK {
        let bytes_max = attempt.shared.settings.limits.whole_answer_bytes;
        let streams = media.starts_with("text/event-stream");
        let metered = attempt.metered.filter(|_| streams);
        let body = MeteredBody::new(body, attempt, Meter::new(streams, bytes_max), metered);
        return Response::from_parts(parts, ReplyBody::Metered(Box::new(body)));
    }
    let tape = std::mem::take(&mut attempt.tape);
    if is_free(parts.status, media) {
        attempt.refused_upstream();
    } else {
        attempt.expire(Fate::UpstreamBroke, Some(format!("status {}", parts.status)));
    }
    Response::from_parts(parts, tape.over(body))
}

/// Whether a request that was answered with this status has cost nothing. The API bills none that it
/// refuses, and says so in its envelope; what stands between it and us answers in other words, and
/// then a failure of a server leaves open what became of the request.
fn is_free(status: StatusCode, media: &str) -> bool {
    status.is_client_error() || (status.is_server_error() && media.starts_with("application/json"))
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
                Ok(Ok(answer)) => drop(begin(attempt, answer, "")),
                Ok(Err(error)) => drop(failed(attempt, &error)),
                Err(_late) => attempt.end(&Reading::default(), Fate::ClientGone),
            }
        });
    }
}

/// Passes a request on that costs nothing.
pub(crate) async fn free(
    shared: &Arc<Shared>,
    parts: Parts,
    path_and_query: &str,
    body: Bytes,
) -> Response<ReplyBody> {
    shared.tallies.passed_free();
    let request = match outgoing(shared, parts, path_and_query, body) {
        Ok(request) => request,
        Err(why) => return shared.refuse(&Refusal::bad_request(&why.to_string()), None),
    };
    let within = shared.settings.limits.answer_within;
    match tokio::time::timeout(within, shared.upstream.send(request)).await {
        Ok(Ok(answer)) => {
            let (mut parts, body) = answer.into_parts();
            parts.headers = headers::to_client(parts.headers);
            Response::from_parts(parts, ReplyBody::Passed(body))
        }
        Ok(Err(error)) if error.is_connect() => {
            shared.refuse(&Refusal::unreachable(&in_words(&error)), None)
        }
        Ok(Err(error)) => shared.refuse(&Refusal::broke(&in_words(&error)), None),
        Err(_late) => shared.refuse(&Refusal::timed_out(), None),
    }
}

/// Reads the body of a request.
pub(crate) async fn body_of(shared: &Shared, body: Incoming) -> Result<Bytes, Refusal> {
    let (bytes_max, within): (usize, Duration) =
        (shared.settings.limits.body_bytes, shared.settings.limits.body_within);
    whole(body, bytes_max, within).await.map_err(|why| match why {
        crate::gateway::body::NotWhole::TooLarge => Refusal::too_large(bytes_max),
        crate::gateway::body::NotWhole::TooSlow => Refusal::too_slow(),
        crate::gateway::body::NotWhole::Broke(error) => Refusal::bad_request(&error.to_string()),
    })
}
