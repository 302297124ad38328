//! The tables that results are invented from: refused with a message, or an answer that is JSON.
#![no_main]

use std::sync::Arc;

use flyball::id::StageKey;
use flyball::plan::assume::Assumptions;
use flyball::plan::synth::{SampleState, SynthCall, Synthesizer, SynthesizerInput};
use flyball::plan::widths::TreeCounts;
use flyball::ports::script::Outcome;
use flyball::seed::Seed;
use libfuzzer_sys::fuzz_target;

const SCHEMA: &str = r#"{"type":"object","required":["pass","severity","findings","score"],
"properties":{"pass":{"type":"boolean"},"severity":{"enum":["low","high"]},"score":{"type":"number"},
"findings":{"type":"array","items":{"type":"object","required":["title"],
"properties":{"title":{"type":"string"}}}}}}"#;

fuzz_target!(|text: &str| {
    let assumptions = Arc::new(Assumptions::default());
    let input = SynthesizerInput {
        results_toml: text,
        args: None,
        assumptions: &assumptions,
        caps: &[],
        tree: TreeCounts::default(),
        marks: &[],
    };
    let Ok(synthesizer) = Synthesizer::new(input) else { return };
    let schema: Arc<str> = SCHEMA.into();
    for seed in 0..4 {
        let mut state = SampleState::new(Seed::new(seed));
        let call = SynthCall {
            stage: StageKey(1),
            stage_name: "find",
            identity: 1,
            ordinal: 0,
            delivered: 0,
            label: Some("find:a"),
            prompt: "look for up to 6 findings",
            schema: Some(&schema),
            text_tokens: 200,
        };
        let answer = synthesizer.answer(&mut state, &call).expect("nothing is pinned");
        if let Outcome::Json(json) = answer.outcome {
            serde_json::from_str::<serde_json::Value>(&json).expect("an answer is JSON");
        }
    }
});
