//! Answers calls: finds the stage's form, the prompt's subject and the round, has the result
//! written, and remembers it. Owns the order of these steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::asking::{Asking, text_tokens};
use super::call::{Extremes, Probe, Pushed, SynthCall, Synthetic};
use super::compile::{CompileInput, compile};
use super::filler::write_words;
use super::form::Form;
use super::probed::{write_lines, written};
use super::sample_state::{Asked, SampleState, StoredResult, without_round};
use super::shown::{
    Shown, ShownMarker, about, is_folder, is_path, known_markers, results_quoted, subject,
};
use super::token::Marker;
use super::word_tables::WordTables;
use super::writer::{Scene, Writer};
use crate::id::StageKey;
use crate::plan::assume::{AssumeError, Assumptions, PinnedAnswer};
use crate::plan::widths::{ProseCap, TreeCounts};
use crate::ports::script::Outcome;
use crate::seed::key_of;
use crate::workflow::TextMark;

/// The text of the shipped word tables, `usage/results.toml`.
pub fn shipped_results() -> &'static str {
    include_str!("../../../usage/results.toml")
}

/// Why the word tables were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("results.toml: {0}")]
pub struct ResultsError(pub String);

/// What a [`Synthesizer`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct SynthesizerInput<'a> {
    /// The word tables; [`shipped_results`] unless the user has their own.
    pub results_toml: &'a str,
    /// The script's `args`, parsed.
    pub args: Option<&'a Value>,
    /// The user's pins.
    pub assumptions: &'a Arc<Assumptions>,
    /// Caps in the script's prose, from [`crate::plan::widths::caps_in_script`].
    pub caps: &'a [ProseCap],
    /// Counts of the working tree.
    pub tree: TreeCounts,
    /// What the script looks for in texts.
    pub marks: &'a [TextMark],
}

/// Invents the results of agents. One per plan; shared by all its samples.
#[derive(Debug)]
pub struct Synthesizer {
    tables: Arc<WordTables>,
    assumptions: Arc<Assumptions>,
    caps: Arc<[ProseCap]>,
    tree: TreeCounts,
    marks: Arc<[String]>,
    /// Strings in the args that may name something.
    args: Arc<[String]>,
    /// A cache: what is in it depends on its key alone.
    forms: Mutex<BTreeMap<(StageKey, u64), CompiledForm>>,
}

/// A form, or why the runtime would refuse the schema.
type CompiledForm = Result<Arc<Form>, String>;

/// Strings of the args that are looked for in prompts.
const ARG_STRINGS_MAX: usize = 256;
/// Redraws of a result that does not fit its schema.
const ATTEMPTS: u32 = 12;
/// The same where every list is as long as it can be.
const PROBE_ATTEMPTS: u32 = 2;

impl Synthesizer {
    /// A synthesizer for one plan.
    pub fn new(input: SynthesizerInput<'_>) -> Result<Self, ResultsError> {
        let mut args = Vec::new();
        if let Some(value) = input.args {
            collect_strings(value, &mut args);
        }
        Ok(Self {
            tables: Arc::new(WordTables::parse(input.results_toml)?),
            assumptions: Arc::clone(input.assumptions),
            caps: input.caps.into(),
            tree: input.tree,
            marks: written(input.marks).into(),
            args: args.into(),
            forms: Mutex::new(BTreeMap::new()),
        })
    }

    /// The same under other pins.
    #[must_use]
    pub fn with_assumptions(&self, assumptions: &Arc<Assumptions>) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            assumptions: Arc::clone(assumptions),
            caps: Arc::clone(&self.caps),
            tree: self.tree,
            marks: Arc::clone(&self.marks),
            args: Arc::clone(&self.args),
            // Compiled forms hold pins.
            forms: Mutex::new(BTreeMap::new()),
        }
    }

    /// The result of one call. Calls of one sample are to be answered in call order.
    ///
    /// # Errors
    /// A `--result` that does not fit the call's schema.
    pub fn answer(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
    ) -> Result<Synthetic, AssumeError> {
        let pinned = self.pinned(state, call);
        let markers = known_markers(call.prompt, state);
        let quoted_calls = results_quoted(&markers);
        let asked = Asking::of(call, &self.tables);
        let call = &SynthCall { schema: asked.schema(call), ..*call };
        // A shape that cannot be drawn is no shape; a schema that cannot is refused.
        let drawable = |form: &CompiledForm| form.is_ok() || asked.text.is_none();
        let form = call.schema.map(|schema| self.form(state, call, schema)).filter(drawable);
        if let Some(Err(reason)) = &form {
            let refused = rejected(reason);
            return Ok(Synthetic {
                outcome: refused,
                factors: Vec::new(),
                quotes: Vec::new(),
                quoted_calls,
                pinned: false,
            });
        }
        let form = form.and_then(Result::ok);
        if let Some(pinned) = pinned {
            let call = &SynthCall { schema: call.schema.filter(|_| asked.text.is_none()), ..*call };
            let outcome = given(&pinned, call)?;
            self.remember_given(state, call, form.as_deref(), &outcome);
            return Ok(Synthetic {
                outcome,
                factors: Vec::new(),
                quotes: Vec::new(),
                quoted_calls,
                pinned: true,
            });
        }
        let (drawn, _) = self.draw(state, call, form.as_deref(), &markers, None);
        Ok(Synthetic { quoted_calls, ..asked.told(drawn, call) })
    }

    /// The result of one call when everything is pushed to its limits.
    pub fn probe(&self, state: &mut SampleState, call: &SynthCall<'_>, to: &Extremes) -> Probe {
        let markers = known_markers(call.prompt, state);
        let asked = Asking::of_probe(call, &self.tables);
        let call = &SynthCall { schema: asked.schema(call), ..*call };
        let drawable = |form: &CompiledForm| form.is_ok() || asked.text.is_none();
        let form = match call.schema.map(|schema| self.form(state, call, schema)).filter(drawable) {
            Some(Err(reason)) => {
                return Probe { outcome: rejected(&reason), pushed: Vec::new(), cut: false };
            }
            Some(Ok(form)) => Some(form),
            None => None,
        };
        let (synthetic, met) = self.draw(state, call, form.as_deref(), &markers, Some(to));
        let outcome = asked.told(synthetic, call).outcome;
        Probe { outcome, pushed: met.pushed, cut: met.cut }
    }

    /// The compiled schema of a call's stage.
    fn form(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
        schema: &Arc<str>,
    ) -> CompiledForm {
        if let Some(form) = state.cached_form(call.stage, schema) {
            return Ok(form);
        }
        let key = (call.stage, key_of(schema));
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        let input = CompileInput {
            stage_name: call.stage_name,
            tables: &self.tables,
            assumptions: &self.assumptions,
            caps: &self.caps,
        };
        let form =
            forms.entry(key).or_insert_with(|| compile(schema, &input).map(Arc::new)).clone()?;
        state.cache_form(call.stage, schema, &form);
        Ok(form)
    }

    fn pinned(&self, state: &mut SampleState, call: &SynthCall<'_>) -> Option<PinnedAnswer> {
        if !self.assumptions.has_results() {
            return None;
        }
        let label = call.label.unwrap_or(call.stage_name);
        let count = state.labels.entry(label.to_owned()).or_insert(0);
        *count += 1;
        let by_label = *count;
        self.assumptions.result(call.label, call.stage_name, by_label, call.ordinal + 1)
    }

    fn draw(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
        form: Option<&Form>,
        markers: &[ShownMarker],
        extremes: Option<&Extremes>,
    ) -> (Synthetic, Met) {
        let memory = state.stage_mut(call.stage);
        let asked = memory.ask(call.label, call.prompt, call.delivered, markers);
        let Some(form) = form else {
            return self.text(state, call, extremes);
        };
        let mut attempt = 0;
        let done = loop {
            let Some(tried) = self.write(state, call, form, markers, extremes, asked, attempt)
            else {
                return self.text(state, call, extremes);
            };
            attempt += 1;
            let valid = form.validator.as_ref().is_none_or(|validator| {
                serde_json::from_str(&tried.text).is_ok_and(|value| validator.is_valid(&value))
            });
            let attempts = if extremes.is_some() { PROBE_ATTEMPTS } else { ATTEMPTS };
            if valid || attempt >= attempts {
                break tried;
            }
        };
        let met = done.met.clone();
        (store(state, call, form, done), met)
    }

    #[allow(clippy::too_many_arguments)] // all of it goes into one scene
    fn write(
        &self,
        state: &SampleState,
        call: &SynthCall<'_>,
        form: &Form,
        markers: &[ShownMarker],
        extremes: Option<&Extremes>,
        asked: Asked,
        attempt: u32,
    ) -> Option<Written> {
        let shown = Shown::new(call.prompt, state, markers, &self.args);
        let seed = state.seed.child(call.identity);
        let scene = Scene {
            tables: &self.tables,
            tree: self.tree,
            form,
            state,
            memory: state.stages.get(&call.stage)?,
            stage: call.stage,
            prompt: call.prompt,
            shown: &shown,
            asked,
            delivered: call.delivered,
            label: call.label.map_or(0, without_round),
            about: about(markers, state, call.stage),
            identity: call.identity,
            subject: state.seed.child(subject(markers, call.prompt)),
            extremes,
            marks: &self.marks,
            attempt,
        };
        let mut writer = Writer::new(&scene);
        writer.value(form.root, if attempt == 0 { seed } else { seed.child(u64::from(attempt)) });
        Some(Written::from(writer))
    }

    /// A text of the agent's length, told apart by its marker.
    fn text(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
        extremes: Option<&Extremes>,
    ) -> (Synthetic, Met) {
        let mut marker = Marker::of(&[call.identity]);
        let mut salt = 0;
        while state.item(marker).is_some() {
            salt += 1;
            marker = Marker::of(&[call.identity, salt]);
        }
        let tokens = text_tokens(call);
        let mut text = String::with_capacity(tokens * 5 + 16);
        marker.write(&mut text);
        text.push_str(": ");
        // A marker is about six tokens.
        write_words(&mut text, tokens.saturating_sub(7), marker.number());
        let mut met = Met::default();
        if let Some(to) = extremes.filter(|to| to.in_lines()) {
            met.pushed.push(Pushed::Text(Arc::default()));
            write_lines(&mut text, marker, to, &self.marks);
        }
        state.remember(marker, (0, 0), false);
        state.results.push(StoredResult { stage: call.stage, text: String::new() });
        let repairs = self.tables.repairs(call.label.unwrap_or(call.stage_name))
            || self.tables.repairs(call.stage_name);
        count(state, call, repairs);
        let synthetic = Synthetic {
            outcome: Outcome::Text(text),
            factors: Vec::new(),
            quotes: vec![marker.text()],
            quoted_calls: 0,
            pinned: false,
        };
        (synthetic, met)
    }

    fn remember_given(
        &self,
        state: &mut SampleState,
        call: &SynthCall<'_>,
        form: Option<&Form>,
        outcome: &Outcome,
    ) {
        let text = match outcome {
            Outcome::Json(text) => text.clone(),
            _ => String::new(),
        };
        state.stage_mut(call.stage);
        state.results.push(StoredResult { stage: call.stage, text });
        let repairs = form.is_some_and(|form| form.repairs)
            || self.tables.repairs(call.label.unwrap_or(call.stage_name));
        count(state, call, repairs);
    }

    /// The pins this synthesizer was given.
    pub fn assumptions(&self) -> &Arc<Assumptions> {
        &self.assumptions
    }
}

/// What a probe met.
#[derive(Clone, Default)]
struct Met {
    pushed: Vec<Pushed>,
    cut: bool,
}

/// A finished writer, free of the state it read.
struct Written {
    text: String,
    factors: Vec<super::call::Factor>,
    items: Vec<super::writer::NewItem>,
    gates: Vec<((u32, u64, u64), super::sample_state::Gate)>,
    paths: Vec<String>,
    met: Met,
    root: Marker,
}

impl From<Writer<'_>> for Written {
    fn from(mut writer: Writer<'_>) -> Self {
        let items = std::mem::take(&mut writer.items);
        let gates = std::mem::take(&mut writer.gates);
        let paths = std::mem::take(&mut writer.paths);
        let cut = writer.full();
        let met = Met { pushed: std::mem::take(&mut writer.pushed), cut };
        let root = writer.marker;
        let (text, factors) = writer.into_factors();
        Self { text, factors, items, gates, paths, met, root }
    }
}

/// Remembers a result and hands it out.
fn store(state: &mut SampleState, call: &SynthCall<'_>, form: &Form, done: Written) -> Synthetic {
    let mut quotes = Vec::with_capacity(done.items.len() + 1);
    state.remember(done.root, (0, done.text.len()), false);
    quotes.push(done.root.text());
    let mut pooled = Vec::with_capacity(done.items.len());
    for item in &done.items {
        let known = state.remember(item.marker, item.range, true);
        quotes.push(item.marker.text());
        pooled.extend(item.list.map(|list| (list, known)));
    }
    state.results.push(StoredResult { stage: call.stage, text: done.text.clone() });
    let memory = state.stage_mut(call.stage);
    for (list, item) in pooled {
        memory.pools.entry(list).or_default().push(item);
    }
    memory.gates.extend(done.gates);
    memory.paths.extend(done.paths);
    count(state, call, form.repairs);
    let outcome = Outcome::Json(done.text);
    Synthetic { outcome, factors: done.factors, quotes, quoted_calls: 0, pinned: false }
}

fn count(state: &mut SampleState, call: &SynthCall<'_>, repairs: bool) {
    state.calls += 1;
    state.repairs += u32::from(repairs);
    state.stage_mut(call.stage).calls += 1;
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected {
        name: "TypeError".to_owned(),
        message: format!("agent({{schema}}) received an invalid JSON Schema: {reason}"),
    }
}

/// A pinned result, checked against the schema.
fn given(pinned: &PinnedAnswer, call: &SynthCall<'_>) -> Result<Outcome, AssumeError> {
    let Some(schema) = call.schema else {
        let text = pinned.json.as_str().map_or_else(|| pinned.json.to_string(), str::to_owned);
        return Ok(Outcome::Text(text));
    };
    let refuse = |path: String, reason: String| AssumeError::NotValid {
        text: pinned.text.clone(),
        stage: call.stage_name.to_owned(),
        path: if path.is_empty() { "/".to_owned() } else { path },
        reason,
    };
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| refuse(String::new(), format!("the schema is not JSON: {error}")))?;
    let validator = jsonschema::validator_for(&schema)
        .map_err(|error| refuse(String::new(), format!("the schema is invalid: {error}")))?;
    if let Some(error) = validator.iter_errors(&pinned.json).next() {
        return Err(refuse(error.instance_path().to_string(), error.to_string()));
    }
    Ok(Outcome::Json(pinned.json.to_string()))
}

fn collect_strings(value: &Value, out: &mut Vec<String>) {
    if out.len() >= ARG_STRINGS_MAX {
        return;
    }
    match value {
        Value::String(text) if is_path(text) || is_folder(text) => out.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_strings(value, out)),
        Value::Object(map) => map.values().for_each(|value| collect_strings(value, out)),
        _ => {}
    }
}
