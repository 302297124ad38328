//! Which request goes where.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::gateway::body::ReplyBody;
use crate::gateway::caller::{Caller, run_in_path};
use crate::gateway::forward;
use crate::gateway::refusal::Refusal;
use crate::gateway::server::Shared;

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
}

fn endpoint(method: &Method, path: &str) -> Option<Endpoint> {
    match (method, path) {
        (&Method::POST, "/v1/messages") => Some(Endpoint::Messages),
        (&Method::POST, "/v1/messages/count_tokens") => Some(Endpoint::CountTokens),
        (&Method::GET, "/v1/models") => Some(Endpoint::Models),
        (&Method::GET, path) if path.starts_with("/v1/models/") => Some(Endpoint::Models),
        (&Method::HEAD, _) => Some(Endpoint::Probe),
        _ => None,
    }
}

/// Answers one request.
pub(crate) async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Response<ReplyBody> {
    let (parts, body) = request.into_parts();
    let (run, path) = run_in_path(parts.uri.path());
    let Some(endpoint) = endpoint(&parts.method, path) else {
        return shared.refuse(&Refusal::no_such_path(), None);
    };
    if endpoint == Endpoint::Probe {
        return Response::new(ReplyBody::Whole(Full::default()));
    }
    let path_and_query = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let caller = match Caller::of(&parts.headers, run) {
        Ok(caller) => Arc::new(caller),
        Err(why) => return shared.refuse(&Refusal::bad_request(&why.to_string()), None),
    };
    if parts.headers.contains_key(http::header::CONTENT_ENCODING) {
        let why = "the body is compressed, so nobody can say what it may cost";
        return shared.refuse(&Refusal::bad_request(why), None);
    }
    let body: Bytes = match forward::body_of(&shared, body).await {
        Ok(body) => body,
        Err(refusal) => return shared.refuse(&refusal, None),
    };
    match endpoint {
        Endpoint::Messages => forward::messages(shared, caller, parts, path_and_query, body).await,
        Endpoint::CountTokens | Endpoint::Models | Endpoint::Probe => {
            forward::free(&shared, parts, &path_and_query, body).await
        }
    }
}
