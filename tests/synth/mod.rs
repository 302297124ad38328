//! Synthetic results: what a script sees when it is run dry.

mod echo;
mod loops;
mod schemas;
mod text_lists;
mod texts;
mod widths;

use std::sync::Arc;

use flyball::id::StageKey;
use flyball::plan::assume::{AssumptionTexts, Assumptions};
use flyball::plan::synth::{
    SampleState, SynthCall, Synthesizer, SynthesizerInput, Synthetic, shipped_results,
};
use flyball::plan::widths::{ProseCap, TreeCounts, caps_in_script};
use flyball::ports::script::Outcome;
use flyball::seed::{Seed, key_of, key_of_parts};
use flyball::workflow::TextMark;
use serde_json::{Value, json};

/// A synthesizer and what it is made of.
pub(crate) struct Plan {
    pub synthesizer: Synthesizer,
}

#[derive(Default)]
pub(crate) struct Setup<'a> {
    pub assume: &'a [&'a str],
    pub result: &'a [&'a str],
    pub args: Option<Value>,
    pub script: &'a str,
    pub properties: &'a [&'a str],
    pub tree: TreeCounts,
    pub marks: &'a [TextMark],
}

impl Plan {
    pub(crate) fn new(setup: &Setup<'_>) -> Self {
        let assume: Vec<String> = setup.assume.iter().map(|text| (*text).to_owned()).collect();
        let result: Vec<String> = setup.result.iter().map(|text| (*text).to_owned()).collect();
        let texts = AssumptionTexts { assume: &assume, result: &result, done: &[] };
        let assumptions =
            Arc::new(Assumptions::parse(texts, &mut |_| Err("no files".into())).unwrap());
        let caps: Vec<ProseCap> = caps_in_script(setup.script, setup.properties);
        let input = SynthesizerInput {
            results_toml: shipped_results(),
            args: setup.args.as_ref(),
            assumptions: &assumptions,
            caps: &caps,
            tree: setup.tree,
            marks: setup.marks,
        };
        Self { synthesizer: Synthesizer::new(input).unwrap() }
    }

    pub(crate) fn shipped() -> Self {
        Self::new(&Setup::default())
    }

    pub(crate) fn sample(&self, number: u64) -> Sample<'_> {
        Sample {
            plan: self,
            state: SampleState::new(Seed::new(7).child(number)),
            made: Vec::new(),
            delivered: Vec::new(),
        }
    }
}

/// One sample: agents are asked one after the other or several at once.
pub(crate) struct Sample<'a> {
    pub plan: &'a Plan,
    pub state: SampleState,
    made: Vec<(StageKey, u32)>,
    delivered: Vec<(StageKey, u32)>,
}

/// One `agent()` call, as a script would write it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub stage: &'static str,
    pub label: String,
    pub prompt: String,
    pub schema: Option<Arc<str>>,
}

pub(crate) fn ask(
    stage: &'static str,
    label: &str,
    prompt: impl Into<String>,
    schema: &Value,
) -> Ask {
    Ask {
        stage,
        label: label.into(),
        prompt: prompt.into(),
        schema: Some(schema.to_string().into()),
    }
}

fn bump(counts: &mut Vec<(StageKey, u32)>, stage: StageKey) -> u32 {
    if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == stage) {
        *count += 1;
        return *count - 1;
    }
    counts.push((stage, 1));
    0
}

fn get(counts: &[(StageKey, u32)], stage: StageKey) -> u32 {
    counts.iter().find(|(known, _)| *known == stage).map_or(0, |(_, count)| *count)
}

impl Sample<'_> {
    /// The full results of agents that run at once.
    pub(crate) fn all_full(&mut self, asks: &[Ask]) -> Vec<Synthetic> {
        let mut results = Vec::new();
        for ask in asks {
            let stage = StageKey(key_of(ask.stage));
            let ordinal = bump(&mut self.made, stage);
            let call = SynthCall {
                stage,
                stage_name: ask.stage,
                identity: key_of_parts(&[key_of(&ask.label), stage.0, u64::from(ordinal)]),
                ordinal,
                delivered: get(&self.delivered, stage),
                label: Some(&ask.label),
                prompt: &ask.prompt,
                schema: ask.schema.as_ref(),
                text_tokens: 300,
            };
            results.push(self.plan.synthesizer.answer(&mut self.state, &call).unwrap());
        }
        for ask in asks {
            bump(&mut self.delivered, StageKey(key_of(ask.stage)));
        }
        results
    }

    pub(crate) fn all(&mut self, asks: &[Ask]) -> Vec<Value> {
        self.all_full(asks).into_iter().map(|result| value(&result)).collect()
    }

    pub(crate) fn one(&mut self, ask: &Ask) -> Value {
        self.all(std::slice::from_ref(ask)).remove(0)
    }
}

pub(crate) fn value(result: &Synthetic) -> Value {
    match &result.outcome {
        Outcome::Json(text) => serde_json::from_str(text).unwrap(),
        Outcome::Text(text) => Value::String(text.clone()),
        other => panic!("no result: {other:?}"),
    }
}

pub(crate) fn findings() -> Value {
    json!({
        "type": "object",
        "required": ["findings"],
        "properties": {"findings": {"type": "array", "items": {
            "type": "object",
            "required": ["file", "line", "title", "severity"],
            "properties": {
                "file": {"type": "string"},
                "line": {"type": "integer"},
                "title": {"type": "string"},
                "severity": {"enum": ["critical", "high", "medium", "low"]},
                "detail": {"type": "string"}
            }
        }}}
    })
}

pub(crate) fn verdict() -> Value {
    json!({
        "type": "object",
        "required": ["real", "reason"],
        "properties": {"real": {"type": "boolean"}, "reason": {"type": "string"}}
    })
}

pub(crate) fn list<'a>(result: &'a Value, name: &str) -> &'a [Value] {
    result[name].as_array().unwrap()
}
