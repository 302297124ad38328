//! A server in this process, and requests to it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use flyball::pricing::{PriceTable, shipped_files};
use flyball::seed::Seed;
use flyball::tokens::TokenUsage;
use flyball::upstream::{Bill, SimulatedUpstream, UpstreamConfig, UpstreamHandle};
use flyball::usage::{UsageModel, shipped_text};
use jiff::civil::date;
use serde_json::{Value, json};

use super::client::{Response, Sent, send};

/// $0.10 in, $0.50 out, $0.125 and $0.20 written, $0.01 read, per million tokens; five times that
/// above 100,000 tokens of prompt. So many picodollars per token are 1,000,000 times the dollars.
pub(crate) const HAIKU: &str = "claude-haiku-5-5";

pub(crate) struct Stand(UpstreamHandle);

pub(crate) fn config(seed: u64) -> UpstreamConfig {
    let prices = PriceTable::parse(&shipped_files()).expect("the shipped prices");
    let usage = UsageModel::parse(shipped_text()).expect("the shipped model").prior().clone();
    let on = date(2026, 11, 22);
    UpstreamConfig::new(Seed::new(seed), Arc::new(prices), on, Arc::new(usage))
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::of(config(7))
    }

    pub(crate) fn of(config: UpstreamConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self(SimulatedUpstream::start(config, listener).expect("a server"))
    }

    pub(crate) fn send(&self, body: &Value, headers: &[(&str, &str)]) -> Sent {
        let body = body.to_string();
        send(self.0.address(), "POST /v1/messages?beta=true", headers, Some(body.as_bytes()))
    }

    pub(crate) fn ask(&self, body: &Value) -> Response {
        self.send(body, &[]).receive()
    }

    pub(crate) fn ask_with_fault(&self, body: &Value, fault: &str) -> Response {
        self.send(body, &[("x-simulate-fault", fault)]).receive()
    }

    pub(crate) fn raw(&self, line: &str, body: Option<&[u8]>) -> Response {
        send(self.0.address(), line, &[], body).receive()
    }

    /// The bill once every answer has ended.
    pub(crate) fn bill(&self) -> Bill {
        assert!(self.0.wait_until_idle(Duration::from_secs(20)), "an answer never ended");
        self.0.bill()
    }

    /// The bill while answers may be open.
    pub(crate) fn bill_now(&self) -> Bill {
        self.0.bill()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    pub(crate) fn open(&self) -> u64 {
        self.0.bill().open
    }

    pub(crate) fn stop(self) -> Bill {
        self.0.stop()
    }
}

/// A request of one text.
pub(crate) fn asking(text: &str, max_tokens: u64) -> Value {
    json!({
        "model": HAIKU,
        "max_tokens": max_tokens,
        "messages": [{ "role": "user", "content": text }],
    })
}

/// The same, streamed.
pub(crate) fn streaming(text: &str, max_tokens: u64) -> Value {
    let mut body = asking(text, max_tokens);
    body["stream"] = json!(true);
    body
}

/// The usage that an answer tells: its last one.
pub(crate) fn told(response: &Response) -> TokenUsage {
    let usage = if response.body.starts_with(b"event:") {
        let told = response.events().into_iter().rev().find(|(name, _)| name == "message_delta");
        told.expect("a message_delta").1["usage"].clone()
    } else {
        response.json()["usage"].clone()
    };
    let number = |value: &Value| value.as_u64().expect("a number of tokens");
    let told = TokenUsage {
        fresh: number(&usage["input_tokens"]),
        cache_write_5m: number(&usage["cache_creation"]["ephemeral_5m_input_tokens"]),
        cache_write_1h: number(&usage["cache_creation"]["ephemeral_1h_input_tokens"]),
        cache_read: number(&usage["cache_read_input_tokens"]),
        output: number(&usage["output_tokens"]),
    };
    let written = number(&usage["cache_creation_input_tokens"]);
    assert_eq!(written, told.cache_write_5m + told.cache_write_1h);
    told
}
