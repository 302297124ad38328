//! Sends one request to a gateway and reports what comes of it.

use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::agents::messages::answer::{Answer, AnswerReader, Refusal, Refused, Then};
use crate::causes::with_causes;
use crate::messages::WireUsage;
use crate::ports::agent::RequestId;

/// The headers of an answer; longer than any gateway holds a request and waits for its upstream.
const ANSWER_WITHIN: Duration = Duration::from_mins(30);
/// Silence within an answer.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// What is read of a refusal.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// What came of a request.
#[derive(Debug)]
pub(super) enum Posted {
    /// Its prompt has been counted.
    Begun(RequestId, WireUsage),
    /// It was answered.
    Answered(RequestId, Answer),
    /// It was not, or not to the end.
    Refused(RequestId, Refused),
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(super) struct Post {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
}

impl Post {
    /// To `uri`, each request with `headers`.
    pub(super) fn new(uri: Uri, mut headers: HeaderMap) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), uri, headers }
    }

    /// Sends one request of `agent`; says what comes of it, and ends.
    pub(super) async fn send(
        self,
        request: RequestId,
        agent: HeaderValue,
        body: Vec<u8>,
        tell: Sender<Posted>,
    ) {
        let over = match self.exchange(request, agent, body, &tell).await {
            Ok(answer) => Posted::Answered(request, answer),
            Err(refused) => Posted::Refused(request, refused),
        };
        // Whoever asked may be gone.
        let _gone = tell.send(over);
    }

    async fn exchange(
        &self,
        request: RequestId,
        agent: HeaderValue,
        body: Vec<u8>,
        tell: &Sender<Posted>,
    ) -> Result<Answer, Refused> {
        let mut sent = Request::new(Full::new(Bytes::from(body)));
        *sent.method_mut() = Method::POST;
        *sent.uri_mut() = self.uri.clone();
        *sent.headers_mut() = self.headers.clone();
        sent.headers_mut().insert(HeaderName::from_static("x-claude-code-agent-id"), agent);
        let answered = tokio::time::timeout(ANSWER_WITHIN, self.client.request(sent)).await;
        let answer = answered.map_err(|_| broke("there was no answer in time".to_owned()))?;
        let answer = answer.map_err(|error| {
            let refused = broke(format!("the gateway cannot be reached: {}", with_causes(&error)));
            Refused { may_cost: !error.is_connect(), ..refused }
        })?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await.read());
        }
        let mut body = answer.into_body();
        let mut reader = AnswerReader::default();
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
            let frame = frame.map_err(|_| broke("the answer fell silent".to_owned()))?;
            let frame = frame.ok_or_else(|| broke("the answer ended too soon".to_owned()))?;
            let frame = frame.map_err(|error| broke(with_causes(&error)))?;
            let Some(data) = frame.data_ref() else { continue };
            let reached = reader.read(data).map_err(broke)?;
            if reached.start {
                let _gone = tell.send(Posted::Begun(request, reader.answer.usage.clone()));
            }
            if reached.end {
                return Ok(reader.answer);
            }
        }
    }
}

/// It broke off: it may have cost something, and may go better next time.
fn broke(why: String) -> Refused {
    Refused { why, may_cost: true, then: Then::Again(None) }
}

async fn refusal(answer: Response<Incoming>) -> Refusal {
    let (parts, body) = answer.into_parts();
    let text = |name: HeaderName| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let read = Limited::new(body, REFUSAL_BYTES_MAX).collect();
    let body = match tokio::time::timeout(SILENCE_MAX, read).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        // Its status says enough.
        _ => Vec::new(),
    };
    Refusal {
        status: parts.status.as_u16(),
        should_retry: text(HeaderName::from_static("x-should-retry")),
        retry_after: text(RETRY_AFTER),
        was_sent: parts.headers.contains_key("x-flyball-attempt"),
        body,
    }
}
