//! Asks the API how many tokens a prompt has, where its bytes are too loose a bound: counting is free.
//!
//! What is counted is called an estimate, so a margin is added. A prompt that turns out to be longer
//! all the same is noted, and an overrun if that cost more than was reserved.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use serde::Deserialize;

use crate::gateway::body::whole;
use crate::gateway::headers;
use crate::gateway::request::MessagesRequest;
use crate::gateway::sent_body::SentBody;
use crate::gateway::server::Shared;

const PATH: &str = "/v1/messages/count_tokens";
/// Whoever waits for balance does not wait for longer than this to be counted.
const WITHIN: Duration = Duration::from_secs(10);
/// A count is a short answer, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The margin on a count: a share of it, and tokens besides.
const MARGIN_PER_CENT: u64 = 5;
const MARGIN_TOKENS: u64 = 200;

#[derive(Deserialize)]
struct Counted {
    input_tokens: u64,
}

/// Counts the prompt of `request` and remembers it; whether that could be done.
pub(crate) async fn count(
    shared: &Arc<Shared>,
    request: &MessagesRequest,
    of_client: &HeaderMap,
    body: &Bytes,
) -> bool {
    let Some((body, rest_tokens_max)) = request.to_be_counted(body) else { return false };
    let asked = tokio::time::timeout(WITHIN, ask(shared, of_client.clone(), body)).await;
    let Some(tokens) = asked.ok().flatten() else { return false };
    let margin = tokens.saturating_mul(MARGIN_PER_CENT) / 100;
    let counted = tokens.saturating_add(margin).saturating_add(MARGIN_TOKENS);
    let bound = counted.saturating_add(rest_tokens_max);
    shared.conversations.counted(&request.conversation, &request.model, bound);
    true
}

async fn ask(shared: &Arc<Shared>, of_client: HeaderMap, body: Bytes) -> Option<u64> {
    let mut request = Request::new(SentBody::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = shared.upstream.uri(PATH).ok()?;
    let mut headers = headers::to_upstream(of_client, shared.upstream.credential());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.headers_mut() = headers;
    let answer = shared.upstream.send(request).await.ok()?;
    if answer.status() != StatusCode::OK {
        return None;
    }
    let text = whole(answer.into_body(), ANSWER_BYTES_MAX, WITHIN).await.ok()?;
    serde_json::from_slice::<Counted>(&text).ok().map(|counted| counted.input_tokens)
}
