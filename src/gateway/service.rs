//! Which request goes where.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::gateway::body::ReplyBody;
use crate::gateway::caller::{Caller, run_in_path};
use crate::gateway::charged_run::{CHARGED_RUN_VERSION, ChargedRun};
use crate::gateway::forward;
use crate::gateway::operations;
use crate::gateway::origin::Origin;
use crate::gateway::refusal::Refusal;
use crate::gateway::server::Shared;
use crate::gateway::till::Refused;
use crate::gateway::watching;

/// What the gateway serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    /// `POST /v1/messages`: costs money.
    Messages,
    /// `POST /v1/messages/count_tokens`: free, never blocked.
    CountTokens,
    /// `GET /v1/models` and below.
    Models,
    /// `HEAD` of anything: clients look whether somebody is there.
    Probe,
    /// `GET /health`: whether requests can be admitted.
    Health,
    /// `GET /metrics`.
    Metrics,
    /// `GET /charged`: where requests of the run or session are charged.
    Charged,
}

fn endpoint(method: &Method, path: &str) -> Option<Endpoint> {
    match (method, path) {
        (&Method::POST, "/v1/messages") => Some(Endpoint::Messages),
        (&Method::POST, "/v1/messages/count_tokens") => Some(Endpoint::CountTokens),
        (&Method::GET, "/v1/models") => Some(Endpoint::Models),
        (&Method::GET, path) if names_a_model(path) => Some(Endpoint::Models),
        (&Method::HEAD, _) => Some(Endpoint::Probe),
        (&Method::GET, "/health") => Some(Endpoint::Health),
        (&Method::GET, "/metrics") => Some(Endpoint::Metrics),
        (&Method::GET, "/charged") => Some(Endpoint::Charged),
        _ => None,
    }
}

/// Whether `path` is that of one model: one more name, and nothing that leads elsewhere.
fn names_a_model(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte);
    path.strip_prefix("/v1/models/").is_some_and(|name| {
        !name.is_empty() && name.bytes().all(plain) && name.bytes().any(|byte| byte != b'.')
    })
}

/// Answers one request from `peer`.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    if let Some(watching) = &shared.watching
        && watching::is_ours(parts.uri.path())
    {
        return watching::serve(&shared, watching, peer, parts, body).await;
    }
    let (run, path) = run_in_path(parts.uri.path());
    let Some(endpoint) = endpoint(&parts.method, path) else {
        return shared.refuse(&Refusal::no_such_path(), None);
    };
    match endpoint {
        Endpoint::Probe => return text(StatusCode::OK, "", String::new()),
        Endpoint::Health => return health(&shared),
        Endpoint::Metrics if !is_known(&shared, &parts.headers) => {
            return shared.refuse(&Refusal::unknown_key(), None);
        }
        Endpoint::Metrics => {
            let metrics = operations::metrics(&shared.tallies, shared.origins.as_deref());
            return text(StatusCode::OK, operations::METRICS_TYPE, metrics);
        }
        // Who may spend may know where. Without keys that is whoever is at this machine.
        Endpoint::Charged
            if shared.settings.keys.is_none() && !peer.to_canonical().is_loopback() =>
        {
            return shared.refuse(&Refusal::no_such_path(), None);
        }
        Endpoint::Charged | Endpoint::Messages | Endpoint::CountTokens | Endpoint::Models => {}
    }
    let path_and_query = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut caller = match Caller::of(&parts.headers, run) {
        Ok(caller) => caller,
        Err(why) => return shared.refuse(&Refusal::bad_request(&why.to_string()), None),
    };
    if let Some(keys) = &shared.settings.keys {
        caller.key = keys.owner(&parts.headers);
        if caller.key.is_none() {
            return shared.refuse(&Refusal::unknown_key(), None);
        }
    }
    if endpoint == Endpoint::Charged {
        return charged(&shared, caller).await;
    }
    if parts.headers.contains_key(http::header::CONTENT_ENCODING) {
        let why = "the body is compressed, so nobody can say what it may cost";
        return shared.refuse(&Refusal::bad_request(why), None);
    }
    let body: Bytes = match forward::body_of(&shared, body).await {
        Ok(body) => body,
        Err(refusal) => return shared.refuse(&refusal, None),
    };
    match endpoint {
        Endpoint::Messages => {
            caller.origin = origin(&shared, &caller).await;
            let caller = Arc::new(caller);
            forward::messages(shared, caller, parts, path_and_query, body).await
        }
        _ => forward::free(&shared, parts, &path_and_query, body).await,
    }
}

/// What started the agent that asks, where it is one and somebody knows.
async fn origin(shared: &Shared, caller: &Caller) -> Option<Arc<Origin>> {
    let origins = shared.origins.as_ref()?;
    origins.of(caller.session.as_deref()?, caller.agent.as_deref()?).await
}

/// Whether whoever asks has a key, where keys are asked for.
fn is_known(shared: &Shared, headers: &HeaderMap) -> bool {
    shared.settings.keys.as_ref().is_none_or(|keys| keys.owner(headers).is_some())
}

/// Whether requests can be admitted: 200, or 503 with why not.
fn health(shared: &Shared) -> Response<ReplyBody> {
    match shared.till.trouble() {
        None => text(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n")),
    }
}

/// Where requests of `caller` are charged, and what became of those of its run.
async fn charged(shared: &Shared, caller: Caller) -> Response<ReplyBody> {
    let unavailable =
        |why: String| text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", format!("{why}\n"));
    let counts = shared.runs.of(&caller);
    let to = match shared.till.charges(Arc::new(caller)).await {
        Ok(to) => to,
        Err(Refused::Unavailable(why)) => return unavailable(why),
        Err(Refused::Denied(denial)) => return unavailable(denial.to_string()),
    };
    let run = ChargedRun { version: CHARGED_RUN_VERSION, to, counts };
    match serde_json::to_string(&run) {
        Ok(json) => text(StatusCode::OK, "application/json", format!("{json}\n")),
        Err(error) => unavailable(error.to_string()),
    }
}

fn text(status: StatusCode, media: &'static str, body: String) -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::Whole(Full::new(Bytes::from(body))));
    *reply.status_mut() = status;
    if !media.is_empty() {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    reply
}
