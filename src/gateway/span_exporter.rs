//! Sends spans to a collector, over OTLP as JSON, off the threads that serve. Never waited for: what
//! does not fit its queue, or is not taken, is lost and counted.
//!
//! Written here rather than with OpenTelemetry's own crates: those would bring eleven crates and a
//! second HTTP client for a format that is a page long.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::gateway::access::Access;
use crate::gateway::sent_body::SentBody;
use crate::gateway::span::{ID_BYTES, span};
use crate::gateway::upstream::{BadUpstream, Upstream};

/// Spans that wait to be sent; more are lost.
const WAITING_MAX: usize = 4_096;
/// Spans that are sent together.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_millis(200);
/// How long a collector may take.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// How often a batch is sent, and the pause after the first try; twice that after the second.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Where spans go.
pub struct Collector {
    /// Such as `http://127.0.0.1:4318`, without `/v1/traces`.
    pub endpoint: String,
    /// Sent along, keys of the collector among them. Never shown.
    pub headers: HeaderMap,
    /// What this gateway is called there.
    pub service: String,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Sends spans.
#[derive(Clone, Debug)]
pub struct SpanExporter {
    outbox: Sender<(Timestamp, Access)>,
    lost: Arc<AtomicU64>,
}

impl SpanExporter {
    /// Sends spans of requests to `server` to a collector, on `runtime`. The task ends once nobody
    /// records any more and what waits was sent.
    ///
    /// # Errors
    /// The collector's address makes no sense.
    pub fn start(
        collector: Collector,
        server: &str,
        runtime: &Handle,
    ) -> Result<(Self, JoinHandle<()>), BadUpstream> {
        let (outbox, inbox) = channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let sender = BatchSender {
            collector: Upstream::new(&collector.endpoint, None)?,
            headers: collector.headers,
            resource: resource(&collector.service),
            server: server.to_owned(),
            lost: Arc::clone(&lost),
        };
        Ok((Self { outbox, lost }, runtime.spawn(sender.run(inbox))))
    }

    /// Sends a request that ended just now, if there is room for it.
    pub fn record(&self, access: &Access) {
        if self.outbox.try_send((Timestamp::now(), access.clone())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many spans were lost so far.
    pub fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }
}

struct BatchSender {
    collector: Upstream,
    headers: HeaderMap,
    resource: Value,
    server: String,
    lost: Arc<AtomicU64>,
}

impl BatchSender {
    async fn run(self, mut inbox: Receiver<(Timestamp, Access)>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while inbox.recv_many(&mut batch, BATCH_MAX).await > 0 {
            if batch.len() < BATCH_MAX && !inbox.is_closed() {
                tokio::time::sleep(LINGER).await;
                while batch.len() < BATCH_MAX
                    && let Ok(more) = inbox.try_recv()
                {
                    batch.push(more);
                }
            }
            let spans: Vec<Value> = batch.drain(..).filter_map(|one| self.span(&one)).collect();
            let count = spans.len() as u64;
            if !self.send(spans).await {
                self.lost.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    fn span(&self, (ended, access): &(Timestamp, Access)) -> Option<Value> {
        let mut random = [0; ID_BYTES];
        if getrandom::fill(&mut random).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(span(access, *ended, &self.server, random))
    }

    /// Whether the collector took them.
    async fn send(&self, spans: Vec<Value>) -> bool {
        let scope = json!({ "name": "flyball.gateway", "version": env!("CARGO_PKG_VERSION") });
        let body = json!({ "resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }] });
        let body = Bytes::from(body.to_string());
        for round in 0..TRIES {
            match self.try_once(body.clone()).await {
                Tried::Taken => return true,
                Tried::Refused => return false,
                Tried::NotNow if round + 1 < TRIES => {
                    tokio::time::sleep(PAUSE * (1 << round)).await;
                }
                Tried::NotNow => {}
            }
        }
        false
    }

    async fn try_once(&self, body: Bytes) -> Tried {
        let Ok(uri) = self.collector.uri("/v1/traces") else { return Tried::Refused };
        let mut request = Request::new(SentBody::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match tokio::time::timeout(TAKEN_WITHIN, self.collector.send(request)).await {
            Ok(Ok(reply)) if reply.status().is_success() => Tried::Taken,
            Ok(Ok(reply)) => match reply.status() {
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Tried::NotNow,
                _ => Tried::Refused,
            },
            Ok(Err(_)) | Err(_) => Tried::NotNow,
        }
    }
}

/// What a collector did with a batch.
enum Tried {
    Taken,
    /// It may take it later.
    NotNow,
    Refused,
}

fn resource(service: &str) -> Value {
    let attribute = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
    json!({ "attributes": [
        attribute("service.name", service),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
    ] })
}
