//! A request that is over as a span of OpenTelemetry, in the JSON of its protocol. The attributes
//! are those of its conventions for generative AI, as far as a gateway knows them, and flyball's
//! own. There is no word of a prompt or an answer in it, and no key.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::gateway::access::{Access, Fate};
use crate::money::Picodollars;

/// Random bytes that the ids of a span are made of.
pub(crate) const ID_BYTES: usize = TRACE_BYTES + 8;
const TRACE_BYTES: usize = 16;
/// `SPAN_KIND_CLIENT`: the gateway asks the model.
const KIND_CLIENT: u32 = 3;
const STATUS_ERROR: u32 = 2;
/// Names that clients send are kept up to here, characters.
const NAME_CHARACTERS_MAX: usize = 256;

/// A request that ended at a time, sent to `server`.
pub(crate) fn span(
    access: &Access,
    ended: Timestamp,
    server: &str,
    random: [u8; ID_BYTES],
) -> Value {
    let (trace, own) = random.split_at(TRACE_BYTES);
    let nanoseconds = ended.as_nanosecond();
    let took = i128::try_from(access.took.as_nanos()).unwrap_or(i128::MAX);
    let mut span = json!({
        "traceId": hex(trace),
        "spanId": hex(own),
        "name": format!("chat {}", name(&access.model)),
        "kind": KIND_CLIENT,
        "startTimeUnixNano": nanoseconds.saturating_sub(took).max(0).to_string(),
        "endTimeUnixNano": nanoseconds.to_string(),
        "attributes": attributes(access, server),
    });
    if error(access.fate).is_some()
        && let Some(fields) = span.as_object_mut()
    {
        fields.insert("status".to_owned(), json!({ "code": STATUS_ERROR }));
    }
    span
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What went wrong, if something did: a client that went away while its answer was read to the end
/// is no error.
fn error(fate: Fate) -> Option<&'static str> {
    (!matches!(fate, Fate::Complete | Fate::Drained)).then(|| fate.name())
}

fn attributes(access: &Access, server: &str) -> Vec<Value> {
    let caller = &access.caller;
    let mut all = Attributes(Vec::new());
    all.text("gen_ai.operation.name", "chat");
    all.text("gen_ai.provider.name", "anthropic");
    all.text("gen_ai.request.model", &name(&access.model));
    all.text_if("gen_ai.response.model", access.answered_by.as_deref());
    all.text_if("gen_ai.conversation.id", caller.session.as_deref());
    all.text_if("gen_ai.agent.id", caller.agent.as_deref());
    let (asked, sent) = access.output_cap_tokens;
    if sent > 0 {
        all.count("gen_ai.request.max_tokens", sent);
    }
    if let Some(usage) = access.usage {
        // The conventions count the whole prompt as input, whether or not a cache had it.
        all.count("gen_ai.usage.input_tokens", usage.prompt());
        let written = usage.cache_write_5m.saturating_add(usage.cache_write_1h);
        all.count("gen_ai.usage.cache_creation.input_tokens", written);
        all.count("gen_ai.usage.cache_read.input_tokens", usage.cache_read);
        all.count("gen_ai.usage.output_tokens", usage.output);
    }
    let (host, port) = host_and_port(server);
    all.text("server.address", host);
    if let Some(port) = port {
        all.count("server.port", port.into());
    }
    if access.status > 0 {
        all.count("http.response.status_code", access.status.into());
    }
    all.text_if("error.type", error(access.fate));
    all.text("flyball.ending", access.fate.name());
    all.text("flyball.scope", &scope(access));
    all.text_if("flyball.attempt", access.attempt.as_ref().map(|attempt| &*attempt.0));
    if matches!(access.fate, Fate::Exhausted | Fate::Busy) {
        all.text("flyball.denial", access.fate.name());
    }
    all.money("flyball.reserved", access.reserved);
    all.money("flyball.charged", access.charged);
    all.count("flyball.asked_max_tokens", asked);
    let waited = u64::try_from(access.waited.as_millis()).unwrap_or(u64::MAX);
    all.count("flyball.waited_milliseconds", waited);
    all.0
}

/// The innermost scope that it is charged to, in the words of the ledger.
fn scope(access: &Access) -> String {
    let caller = &access.caller;
    let own = match (&caller.run, &caller.session) {
        (Some(run), _) => format!("run {}", name(run)),
        (None, Some(session)) => format!("session {}", name(session)),
        (None, None) => "no session".to_owned(),
    };
    match &caller.key {
        None => own,
        Some(owner) => format!("{own} of {}", name(&owner.name)),
    }
}

fn name(text: &str) -> String {
    text.chars().take(NAME_CHARACTERS_MAX).collect()
}

fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// Attributes as they stand in JSON: whole numbers are texts there.
struct Attributes(Vec<Value>);

impl Attributes {
    fn text(&mut self, key: &str, text: &str) {
        self.0.push(json!({ "key": key, "value": { "stringValue": text } }));
    }

    fn text_if(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, &name(text));
        }
    }

    fn count(&mut self, key: &str, count: u64) {
        // Whole numbers of the protocol have a sign.
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.push(json!({ "key": key, "value": { "intValue": count.to_string() } }));
    }

    /// An amount twice: to be read, and to be summed without rounding. What is too much for an
    /// integer of the protocol, nine million dollars, is only there to be read.
    fn money(&mut self, key: &str, amount: Option<Picodollars>) {
        let Some(amount) = amount else { return };
        self.text(&format!("{key}_usd"), &amount.to_decimal());
        if let Ok(pico) = u64::try_from(amount.pico())
            && i64::try_from(pico).is_ok()
        {
            self.count(&format!("{key}_picodollars"), pico);
        }
    }
}
