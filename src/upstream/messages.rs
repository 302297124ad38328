//! `POST /v1/messages`: from a body to an answer that is counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::answer::{Answer, answer};
use super::ask::{Ask, Prompt};
use super::bill::Ending;
use super::catalogue::Served;
use super::config::UpstreamConfig;
use super::directive::Directives;
use super::envelope::{Refusal, json_response};
use super::fault::Fault;
use super::limits::SILENCE_SECONDS_MAX;
use super::meter::Meter;
use super::pieces::Pieces;
use super::reply::{Cut, ReplyBody};
use super::server::Shared;
use super::socket::ResetSwitch;
use super::stream::{AnswerStream, Script};
use super::wire::{self, Told};
use crate::pricing::Mode;
use crate::seed::{key_of, key_of_parts};

/// The header that asks for a fault.
const FAULT_HEADER: &str = "x-simulate-fault";
/// How much too high writes by lifetime are where they disagree.
const DISAGREEING_TOKENS: u64 = 100;
/// The keys of draws that are no quantities of an answer.
const FAULT_KEY: u64 = 0x6661_756c_7400;

/// What was made of a request.
pub(super) enum Outcome {
    /// A response.
    Answered(Response<ReplyBody>),
    /// The connection is cut without one.
    Cut,
    /// A refusal.
    Refused(Refusal),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Answers one request; a refusal is counted by the caller.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    body: Bytes,
    reset: ResetSwitch,
    request_id: &str,
) -> Outcome {
    let prepared = match prepare(shared, headers, &body) {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into(),
    };
    let Prepared { ask, fault, served, answer, told, max_tokens } = prepared;
    let pace = shared.config.pace;
    let mut meter = Meter::open(Arc::clone(&shared.books), served, told.usage, max_tokens, pace);
    match fault {
        Some(Fault::CloseEarly) => {
            meter.end(Ending::Broken);
            return Outcome::Cut;
        }
        Some(Fault::NoHeaders) => {
            tokio::time::sleep(Duration::from_secs(SILENCE_SECONDS_MAX)).await;
            meter.end(Ending::Broken);
            return Outcome::Cut;
        }
        _ => {}
    }
    if ask.stream {
        let error = Refusal::usual(overloaded()).envelope(request_id);
        let script = Script {
            head: wire::head(&answer, &ask.model, &told),
            pieces: Pieces::of(&answer.content, answer.output),
            tail: wire::tail(&answer, &told),
            error: wire::error_event(&error),
        };
        let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
        return Outcome::Answered(streamed(script, fault, meter, reset, events));
    }
    let message = wire::message(&answer, &ask.model, &told);
    if fault.is_some_and(changes_the_wire) {
        let pieces = Pieces::Raw(message);
        let script = Script { head: Bytes::new(), pieces, tail: Bytes::new(), error: Bytes::new() };
        let json = HeaderValue::from_static("application/json");
        return Outcome::Answered(streamed(script, fault, meter, reset, json));
    }
    let wait = meter.time_until(answer.output);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    meter.end(Ending::Complete);
    Outcome::Answered(json_response(StatusCode::OK, message))
}

/// The message that a server with `config` would answer its first request with, `body`, were it not
/// streamed; `Err` is the message of the refusal. A fault that cuts or delays does not show here.
pub fn first_answer(config: &UpstreamConfig, body: &[u8]) -> Result<Vec<u8>, String> {
    let shared = Shared::new(config.clone());
    let prepared = prepare(&shared, &HeaderMap::new(), body).map_err(|refusal| refusal.message)?;
    let Prepared { ask, answer, told, .. } = prepared;
    Ok(wire::message(&answer, &ask.model, &told).to_vec())
}

/// Everything about a request that is decided before it is answered.
struct Prepared {
    ask: Ask,
    fault: Option<Fault>,
    served: Arc<Served>,
    answer: Answer,
    told: Told,
    max_tokens: u64,
}

fn prepare(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Prepared, Refusal> {
    let config = &shared.config;
    let ask = Ask::read(body)?;
    let directives = Directives::of(&ask)?;
    let prompt = ask.prompt();
    let fault = fault_of(shared, headers, &directives, &ask, &prompt)?;
    if let Some(fault) = fault {
        shared.books.fault(fault);
        if let Some(status) = refuses(fault, &ask) {
            return Err(Refusal::usual(status));
        }
    }
    let max_tokens = ask.max_tokens()?;
    let (served, place) = placed(shared, &ask)?;
    check_size(&ask, &prompt, &served, max_tokens)?;
    let least = served.cached_tokens_min;
    let mut usage = shared.cache.usage(&prompt, least, !config.miss_cache, Instant::now());
    let mut answer = answer(&ask, &prompt, &directives, &served, config, max_tokens);
    if fault == Some(Fault::UsageOver) {
        answer.output = max_tokens + max_tokens / 8 + 1;
        usage.fresh += body.len() as u64;
    }
    usage.output = answer.output;
    let speed = ask.text("speed").map(|speed| ("speed", speed.to_owned()));
    let told = Told {
        usage,
        breakdown_surplus: if fault == Some(Fault::UsageDisagree) { DISAGREEING_TOKENS } else { 0 },
        is_shown: fault != Some(Fault::NoUsage),
        modes: speed.into_iter().chain([("inference_geo", place)]).collect(),
    };
    Ok(Prepared { ask, fault, served, answer, told, max_tokens })
}

/// The model in its mode, and where it is served. Where the request leaves that open, it is as the
/// workspace is set to, if the model knows a difference.
fn placed(shared: &Shared, ask: &Ask) -> Result<(Arc<Served>, String), Refusal> {
    let catalogue = &shared.catalogue;
    if let Some(place) = ask.text("inference_geo") {
        return Ok((catalogue.served(&ask.model, ask.mode)?, place.to_owned()));
    }
    let served = catalogue.served(&ask.model, ask.mode)?;
    if !served.knows_places {
        return Ok((served, "not_available".to_owned()));
    }
    if !shared.config.in_us {
        return Ok((served, "global".to_owned()));
    }
    let in_us = catalogue.served(&ask.model, Mode { us: true, ..ask.mode })?;
    Ok((in_us, "us".to_owned()))
}

fn check_size(ask: &Ask, prompt: &Prompt, served: &Served, max_tokens: u64) -> Result<(), Refusal> {
    let most = served.max_output_tokens;
    if max_tokens > most {
        return Err(Refusal::invalid(format!(
            "max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output \
             tokens for {}",
            ask.model
        )));
    }
    let (tokens, window) = (prompt.tokens(), served.context_tokens);
    if tokens > window {
        let message = format!("prompt is too long: {tokens} tokens > {window} maximum");
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// The fault of this request: the header's, else the directive's, else one that happens by itself.
fn fault_of(
    shared: &Shared,
    headers: &HeaderMap,
    directives: &Directives,
    ask: &Ask,
    prompt: &Prompt,
) -> Result<Option<Fault>, Refusal> {
    if let Some(asked) = headers.get(FAULT_HEADER) {
        let named = asked.to_str().unwrap_or("").parse::<Fault>();
        let named = named.map_err(|error| Refusal::invalid(format!("{FAULT_HEADER}: {error}")))?;
        return Ok(Some(named));
    }
    let key = prompt.key();
    match directives.fault {
        Some((fault, None)) => return Ok(Some(fault)),
        Some((fault, Some(times))) => {
            // A client that tries again may change all but the conversation.
            let said = serde_json::to_string(ask.messages()).unwrap_or_default();
            let directed = key_of_parts(&[FAULT_KEY, key_of(&said)]);
            return Ok((shared.counts.next(directed) < times).then_some(fault));
        }
        None if shared.config.faults.is_empty() => return Ok(None),
        None => {}
    }
    let count = shared.counts.next(key);
    let happens = |(index, per_mille): (u64, u16)| {
        let draw = key_of_parts(&[FAULT_KEY, key, count, index]);
        shared.config.seed.uniform(draw) * 1_000.0 < f64::from(per_mille)
    };
    let mut rates = (0_u64..).zip(&shared.config.faults);
    let found = rates.find(|(index, rate)| happens((*index, rate.per_mille)));
    Ok(found.map(|(_, rate)| rate.fault))
}

/// The status that a fault answers with instead of an answer.
fn refuses(fault: Fault, ask: &Ask) -> Option<StatusCode> {
    match fault {
        Fault::Status(status) => Some(status),
        Fault::ErrorMidStream if !ask.stream => Some(overloaded()),
        _ => None,
    }
}

/// 529: no capacity left.
fn overloaded() -> StatusCode {
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Whether an answer in one piece is sent differently.
const fn changes_the_wire(fault: Fault) -> bool {
    use Fault::{BadSse, Drip, Reset, Stall, Truncate};
    matches!(fault, BadSse | Drip | Reset | Stall | Truncate)
}

fn streamed(
    script: Script,
    fault: Option<Fault>,
    meter: Meter,
    reset: ResetSwitch,
    content_type: HeaderValue,
) -> Response<ReplyBody> {
    let stream = AnswerStream::new(script, fault, meter, reset);
    let mut response = Response::new(ReplyBody::Streamed(Box::new(stream)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The answer of `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(shared: &Shared, body: &[u8]) -> Result<Bytes, Refusal> {
    let ask = Ask::read(body)?;
    shared.catalogue.served(&ask.model, ask.mode)?;
    shared.books.tokens_counted();
    Ok(Bytes::from(format!("{{\"input_tokens\":{}}}", ask.prompt().tokens())))
}

impl From<Outcome> for Result<Result<Response<ReplyBody>, Refusal>, Cut> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Answered(response) => Ok(Ok(response)),
            Outcome::Refused(refusal) => Ok(Err(refusal)),
            Outcome::Cut => Err(Cut),
        }
    }
}
