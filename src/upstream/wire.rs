//! How an answer is written: one message as JSON, or the events around its pieces.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use super::answer::{Answer, Content};
use super::pieces;
use crate::tokens::TokenUsage;

/// What `usage` says; a fault may make it say what is not so.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// What was used.
    pub(super) usage: TokenUsage,
    /// How much more the writes by lifetime add up to than their sum says.
    pub(super) breakdown_surplus: u64,
    /// Whether usage is said at all.
    pub(super) is_shown: bool,
    /// `speed`, where it was asked for, and `inference_geo`.
    pub(super) modes: Vec<(&'static str, String)>,
}

impl Told {
    /// The member `"usage":{…}` with a comma before it, or nothing.
    fn member(&self, output: u64) -> String {
        if !self.is_shown {
            return String::new();
        }
        let used = &self.usage;
        let hour = used.cache_write_1h.saturating_add(self.breakdown_surplus);
        let mut text = format!(
            ",\"usage\":{{\"input_tokens\":{},\"cache_creation_input_tokens\":{},\
             \"cache_read_input_tokens\":{},\"cache_creation\":{{\"ephemeral_5m_input_tokens\":{},\
             \"ephemeral_1h_input_tokens\":{hour}}},\"output_tokens\":{output},\
             \"service_tier\":\"standard\"",
            used.fresh,
            used.cache_write_5m.saturating_add(used.cache_write_1h),
            used.cache_read,
            used.cache_write_5m,
        );
        for (name, value) in &self.modes {
            // A text takes every write.
            let _ = write!(text, ",\"{name}\":{}", quoted(value));
        }
        text.push('}');
        text
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The message as one JSON value.
pub(super) fn message(answer: &Answer, model: &str, told: &Told) -> Bytes {
    let mut out = BytesMut::with_capacity(512);
    let begin = format!(
        "{{\"id\":\"{}\",\"type\":\"message\",\"role\":\"assistant\",\"model\":{},\"content\":[",
        answer.id,
        quoted(model)
    );
    out.put_slice(begin.as_bytes());
    match &answer.content {
        Content::Prose(key) => {
            out.put_slice(b"{\"type\":\"text\",\"text\":\"");
            pieces::prose(*key, answer.output, &mut out);
            out.put_slice(b"\"}");
        }
        Content::Text(text) => {
            out.put_slice(format!("{{\"type\":\"text\",\"text\":{}}}", quoted(text)).as_bytes());
        }
        Content::Call { id, name, input } => {
            let name = quoted(name);
            let block = format!(
                "{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":{name},\"input\":{input}}}"
            );
            out.put_slice(block.as_bytes());
        }
    }
    let end = format!(
        "],\"stop_reason\":\"{}\",\"stop_sequence\":null{}}}",
        answer.stop_reason,
        told.member(answer.output)
    );
    out.put_slice(end.as_bytes());
    out.freeze()
}

/// The events before the first piece.
pub(super) fn head(answer: &Answer, model: &str, told: &Told) -> Bytes {
    let block = match &answer.content {
        Content::Prose(_) | Content::Text(_) => "{\"type\":\"text\",\"text\":\"\"}".to_owned(),
        Content::Call { id, name, .. } => {
            let name = quoted(name);
            format!("{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":{name},\"input\":{{}}}}")
        }
    };
    let events = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"{}\",\
         \"type\":\"message\",\"role\":\"assistant\",\"model\":{},\"content\":[],\
         \"stop_reason\":null,\"stop_sequence\":null{}}}}}\n\n\
         event: ping\ndata: {{\"type\":\"ping\"}}\n\n\
         event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\
         \"content_block\":{block}}}\n\n",
        answer.id,
        quoted(model),
        told.member(answer.output.min(1))
    );
    Bytes::from(events)
}

/// The events after the last piece.
pub(super) fn tail(answer: &Answer, told: &Told) -> Bytes {
    let events = format!(
        "event: content_block_stop\ndata: {{\"type\":\"content_block_stop\",\"index\":0}}\n\n\
         event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\
         \"{}\",\"stop_sequence\":null}}{}}}\n\n\
         event: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n",
        answer.stop_reason,
        told.member(answer.output)
    );
    Bytes::from(events)
}

/// An event that says no more than its envelope.
pub(super) fn error_event(envelope: &str) -> Bytes {
    Bytes::from(format!("event: error\ndata: {envelope}\n\n"))
}

/// A line of a stream that is no JSON.
pub(super) const BAD_EVENT: &[u8] = b"event: content_block_delta\ndata: \
{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_\n\n";
