//! Makes a request one for another model: its name, and the parameters that the other does not take.
//! What can be said otherwise is; what cannot keeps the request where it was. Of what nobody knows
//! whether the other takes it, nothing changes, and the API says so itself.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::effort::Effort;
use crate::gateway::edits::Edits;
use crate::gateway::fields::Fields;
use crate::gateway::request::{BadRequest, MessagesRequest};
use crate::pricing::{Feature, Model};

const BETAS: &str = "anthropic-beta";
/// A window of this size is every newer model's own; older ones had it as a beta.
const LONG_CONTEXT_TOKENS: u64 = 1_000_000;
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];

/// Where a request goes.
pub(super) struct Target<'a> {
    /// The model; `None` for the one that was asked for.
    pub(super) model: Option<&'a Model>,
    /// The effort to ask for.
    pub(super) effort: Option<Effort>,
    /// It is not served faster at a higher price.
    pub(super) drops_fast: bool,
}

/// The body for the target.
///
/// # Errors
/// The target does not take it and it cannot be said otherwise, in words.
pub(super) fn rewritten(
    body: &Bytes,
    request: &MessagesRequest,
    target: &Target<'_>,
) -> Result<Bytes, String> {
    let fields = Fields::read(body).map_err(|why| why.0)?;
    let mut rewriting = Rewriting { body, fields: &fields, edits: Edits::default() };
    rewriting.all(request, target)?;
    let edits = rewriting.edits;
    Ok(if edits.is_empty() { body.clone() } else { edits.of(body) })
}

/// Takes out the betas that the target does not have or the body does not use any more.
pub(super) fn rewrite_betas(headers: &mut HeaderMap, target: &Target<'_>) {
    let is_short = target.model.is_some_and(|model| model.context_tokens < LONG_CONTEXT_TOKENS);
    let goes = |beta: &str| {
        target.drops_fast && beta.starts_with("fast-mode-")
            || is_short && beta.starts_with("context-1m-")
    };
    let values: Vec<HeaderValue> = headers.get_all(BETAS).iter().cloned().collect();
    let is_touched = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|beta| goes(beta.trim())))
    };
    if !values.iter().any(is_touched) {
        return;
    }
    headers.remove(BETAS);
    for value in values {
        let Ok(text) = value.to_str() else {
            headers.append(BETAS, value);
            continue;
        };
        let kept: Vec<&str> =
            text.split(',').map(str::trim).filter(|beta| !beta.is_empty() && !goes(beta)).collect();
        if let Ok(value) = HeaderValue::from_str(&kept.join(","))
            && !kept.is_empty()
        {
            headers.append(BETAS, value);
        }
    }
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    budget_tokens: Option<u64>,
    #[serde(borrow, default)]
    display: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(alias = "type", alias = "role", borrow, default)]
    name: Cow<'a, str>,
}

/// One body while it is changed.
struct Rewriting<'a> {
    body: &'a Bytes,
    fields: &'a Fields<'a>,
    edits: Edits,
}

impl Rewriting<'_> {
    fn all(&mut self, request: &MessagesRequest, target: &Target<'_>) -> Result<(), String> {
        if let Some(model) = target.model {
            self.model(model)?;
            self.thinking(model)?;
            self.sampling(model)?;
            self.prefill(model)?;
        }
        if target.drops_fast {
            self.take_out("speed")?;
        }
        if request.effort != target.effort {
            self.effort(target.effort)?;
        }
        Ok(())
    }

    fn model(&mut self, model: &Model) -> Result<(), String> {
        let span = self.fields.span(self.body, "model").map_err(in_words)?;
        self.edits.replace(span, quoted(&model.id.0));
        Ok(())
    }

    fn take_out(&mut self, name: &str) -> Result<(), String> {
        // Every request has a model, and it stays.
        let stays = self.fields.span(self.body, "model").map_err(in_words)?;
        self.edits.take_out(self.body, self.fields, name, &stays).map_err(in_words)
    }

    fn replace(&mut self, name: &str, text: String) -> Result<(), String> {
        let span = self.fields.span(self.body, name).map_err(in_words)?;
        self.edits.replace(span, text);
        Ok(())
    }

    fn thinking(&mut self, model: &Model) -> Result<(), String> {
        let asked: Option<Thinking<'_>> = self.fields.optional("thinking").map_err(in_words)?;
        let Some(asked) = asked else { return Ok(()) };
        let takes = |feature| model.takes(feature);
        match &*asked.kind {
            "adaptive" if takes(Feature::AdaptiveThinking) == Some(false) => self.think_not(),
            "enabled" if takes(Feature::ThinkingBudget) == Some(false) => {
                if takes(Feature::AdaptiveThinking) == Some(false) {
                    return self.think_not();
                }
                let display = asked.display.map(|raw| format!(",\"display\":{}", raw.get()));
                let display = display.as_deref().map_or("", |display| display);
                self.replace("thinking", format!("{{\"type\":\"adaptive\"{display}}}"))
            }
            "enabled"
                if asked.budget_tokens.is_some_and(|most| most >= model.max_output_tokens) =>
            {
                Err(format!("its thinking budget is longer than any answer of {}", model.id))
            }
            "disabled" if takes(Feature::NoThinking) == Some(false) => {
                Err(format!("it asks for no thinking, and {} always thinks", model.id))
            }
            _ => Ok(()),
        }
    }

    /// Without thinking, nothing of it can be cleared either.
    fn think_not(&mut self) -> Result<(), String> {
        self.take_out("thinking")?;
        let Some(management) = self.fields.raw("context_management") else { return Ok(()) };
        let inner = Fields::read(management.get().as_bytes()).map_err(in_words)?;
        let edits: Option<Vec<&RawValue>> = inner.optional("edits").map_err(in_words)?;
        let Some(edits) = edits else { return Ok(()) };
        let clears = |raw: &&&RawValue| {
            serde_json::from_str::<Named<'_>>(raw.get())
                .is_ok_and(|edit| edit.name.starts_with("clear_thinking"))
        };
        let kept: Vec<&str> =
            edits.iter().filter(|raw| !clears(raw)).map(|raw| raw.get()).collect();
        if kept.len() == edits.len() {
            return Ok(());
        }
        if kept.is_empty() && inner.named.len() == 1 {
            return self.take_out("context_management");
        }
        let span = inner.span(self.body, "edits").map_err(in_words)?;
        self.edits.replace(span, format!("[{}]", kept.join(",")));
        Ok(())
    }

    fn sampling(&mut self, model: &Model) -> Result<(), String> {
        if model.takes(Feature::Sampling) != Some(false) {
            return Ok(());
        }
        SAMPLING
            .into_iter()
            .filter(|name| self.fields.raw(name).is_some())
            .collect::<Vec<_>>()
            .into_iter()
            .try_for_each(|name| self.take_out(name))
    }

    fn prefill(&self, model: &Model) -> Result<(), String> {
        if model.takes(Feature::Prefill) != Some(false) {
            return Ok(());
        }
        let last = self.fields.messages.as_ref().and_then(|messages| messages.last());
        let last = last.map(|raw| serde_json::from_str::<Named<'_>>(raw.get()));
        if last.is_some_and(|last| last.is_ok_and(|last| last.name == "assistant")) {
            return Err(format!("it begins its own answer, which {} does not take", model.id));
        }
        Ok(())
    }

    fn effort(&mut self, effort: Option<Effort>) -> Result<(), String> {
        let wanted = effort.map(|effort| quoted(effort.name()));
        let Some(config) = self.fields.raw("output_config") else {
            if let Some(wanted) = wanted {
                let model = self.fields.span(self.body, "model").map_err(in_words)?;
                let text = format!(",\"output_config\":{{\"effort\":{wanted}}}");
                self.edits.insert(model.end, text);
            }
            return Ok(());
        };
        let inner = Fields::read(config.get().as_bytes()).map_err(in_words)?;
        match (wanted, inner.raw("effort").is_some()) {
            (Some(wanted), true) => {
                let span = inner.span(self.body, "effort").map_err(in_words)?;
                self.edits.replace(span, wanted);
            }
            (Some(wanted), false) => {
                let opens = self.fields.span(self.body, "output_config").map_err(in_words)?.start;
                let comma = if inner.named.is_empty() { "" } else { "," };
                self.edits.insert(opens.saturating_add(1), format!("\"effort\":{wanted}{comma}"));
            }
            (None, true) if inner.named.len() == 1 => self.take_out("output_config")?,
            (None, true) => {
                let other = inner.named.iter().find(|(name, _)| name != "effort");
                if let Some((other, _)) = other {
                    let stays = inner.span(self.body, other).map_err(in_words)?;
                    let took = self.edits.take_out(self.body, &inner, "effort", &stays);
                    took.map_err(in_words)?;
                }
            }
            (None, false) => {}
        }
        Ok(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn in_words(why: BadRequest) -> String {
    why.0
}
