//! The agents of one execution as a plan casts them: which stage a call belongs to, what its agent
//! takes, and what it answers. A trial and a simulated run of its plan share this, so that a run is
//! one more sample. Owns what one execution remembers of its agents; knows no clock and no prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::StageKey;
use crate::plan::assume::AssumeError;
use crate::plan::setup::{Setup, StageTraits};
use crate::plan::stage::{Placement, StageIdentity, StageIndex};
use crate::plan::synth::{Extremes, Probe, SampleState, SynthCall, Synthetic};
use crate::ports::script::{AgentCall, Outcome};
use crate::seed::Seed;
use crate::usage::{AgentDraws, AgentTraits, AgentUsage, Draws, Pins, RunDraws, StageDraws};

/// The agents of one execution. What it is asked about a call that it did not place is `None`.
pub struct Cast<'a> {
    setup: &'a Setup,
    seed: Seed,
    run_draws: RunDraws,
    index: StageIndex,
    /// By stage of `index`.
    parts: Vec<Part>,
    works: BTreeMap<u64, Work>,
    answers: SampleState,
    /// How many calls so far were those of the agents that are taken over; `None` once one was not.
    replayed: Option<usize>,
}

/// What the agents of one stage share.
struct Part {
    /// As written.
    traits: StageTraits,
    /// On what it runs on.
    running: StageTraits,
    /// Pinned token use.
    pins: Pins,
    draws: StageDraws,
}

/// What the stages of one work share.
struct Work {
    /// Its first prompt, which says what kind of work it is.
    prompt: String,
    /// Results that the script was given.
    delivered: u32,
}

/// A call with its place among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its stage, and the key of its draws.
    pub placement: Placement,
    /// Results of its work that the script had been given when it made the call.
    delivered: u32,
    /// Which agent of an earlier run stands for it.
    replayed: Option<usize>,
}

impl<'a> Cast<'a> {
    /// Nobody yet. `seed` is the execution's own.
    pub fn new(setup: &'a Setup, seed: Seed) -> Self {
        Self {
            setup,
            seed,
            run_draws: RunDraws::new(seed),
            index: StageIndex::new(Arc::clone(&setup.label_templates)),
            parts: Vec::new(),
            works: BTreeMap::new(),
            answers: SampleState::new(seed),
            replayed: Some(0),
        }
    }

    /// Places the next call. The first one of a work says what kind of work it is.
    pub fn place(&mut self, call: &AgentCall) -> Placed {
        let placement = self.index.place(call);
        let mut delivered = 0;
        if let Some(identity) = self.index.stages().get(placement.stage) {
            let first = || Work { prompt: call.prompt.to_string(), delivered: 0 };
            let work = self.works.entry(identity.work).or_insert_with(first);
            delivered = work.delivered;
            if placement.stage == self.parts.len() {
                let traits = self.setup.stage_traits(identity, &work.prompt);
                let (running, pins) = self.setup.running(identity, &traits);
                self.parts.push(Part {
                    traits,
                    running,
                    pins,
                    draws: StageDraws::new(self.seed, identity.work),
                });
            }
        }
        Placed { placement, delivered, replayed: self.next_replayed(call) }
    }

    /// The agent of an earlier run that stands for the next call, which is `call`.
    fn next_replayed(&mut self, call: &AgentCall) -> Option<usize> {
        let next = self.replayed?;
        let agent = self.setup.job.replayed.get(next);
        let same = agent.is_some_and(|agent| agent.label == client_label(call));
        self.replayed = same.then_some(next + 1);
        same.then_some(next)
    }

    /// What the agent of an earlier run answered that stands for a call, if one does.
    pub fn replay(&self, placed: Placed) -> Option<Outcome> {
        let agent = self.setup.job.replayed.get(placed.replayed?)?;
        Some(match serde_json::from_str(&agent.result) {
            Ok(serde_json::Value::String(text)) => Outcome::Text(text),
            _ => Outcome::Json(agent.result.clone()),
        })
    }

    /// The stage of a call.
    pub fn stage(&self, placed: Placed) -> Option<&StageIdentity> {
        self.index.stages().get(placed.placement.stage)
    }

    /// The stages met, in first-call order.
    pub fn into_stages(self) -> Vec<StageIdentity> {
        self.index.into_stages()
    }

    /// The traits of a call's stage, as written.
    pub fn traits(&self, placed: Placed) -> Option<&StageTraits> {
        self.parts.get(placed.placement.stage).map(|part| &part.traits)
    }

    /// The traits of a call's stage on what it runs on: its prefix and its time are of those.
    pub fn running_traits(&self, placed: Placed) -> Option<&StageTraits> {
        self.parts.get(placed.placement.stage).map(|part| &part.running)
    }

    /// What the agent of a call takes where it runs, and with what is pinned of it; and the length of
    /// its final output as written. That is what its answer is made from, so that neither routes nor
    /// pins change results.
    pub fn work(&self, placed: Placed, prompt_tokens: u64) -> Option<(AgentUsage, u64)> {
        let Part { traits, running, pins, .. } = self.parts.get(placed.placement.stage)?;
        let run_agents = self.setup.guess.run_agents;
        let none = Pins::default();
        let written = self.usage(placed, &traits.agent(prompt_tokens, run_agents), &none)?;
        let text_tokens = written.final_text_tokens;
        let is_as_written = traits.model == running.model && traits.effort == running.effort;
        if is_as_written && *pins == none {
            return Some((written, text_tokens));
        }
        let used = self.usage(placed, &running.agent(prompt_tokens, run_agents), pins)?;
        Some((used, text_tokens))
    }

    /// What the agent of a call takes, given its traits.
    pub fn usage(&self, placed: Placed, traits: &AgentTraits, pins: &Pins) -> Option<AgentUsage> {
        let draws = Draws {
            run: &self.run_draws,
            stage: &self.parts.get(placed.placement.stage)?.draws,
            agent: &AgentDraws::new(self.seed, placed.placement.identity),
        };
        Some(self.setup.usage.agent(traits, &draws, pins))
    }

    /// What the agent of a call answers. `text_tokens` is the length of its final output.
    pub fn answer(
        &mut self,
        placed: Placed,
        call: &AgentCall,
        text_tokens: u64,
    ) -> Option<Result<Synthetic, AssumeError>> {
        let stage = self.index.stages().get(placed.placement.stage)?;
        let call = synth_call(stage, placed, call, text_tokens);
        Some(self.setup.synthesizer.answer(&mut self.answers, &call))
    }

    /// What it answers where answers are pushed to extremes.
    pub fn probe(
        &mut self,
        placed: Placed,
        call: &AgentCall,
        text_tokens: u64,
        extremes: &Extremes,
    ) -> Option<Probe> {
        let stage = self.index.stages().get(placed.placement.stage)?;
        let call = synth_call(stage, placed, call, text_tokens);
        Some(self.setup.synthesizer.probe(&mut self.answers, &call, extremes))
    }

    /// The script was given the result of a call.
    pub fn delivered(&mut self, placed: Placed) {
        let stage = self.index.stages().get(placed.placement.stage);
        if let Some(work) = stage.and_then(|stage| self.works.get_mut(&stage.work)) {
            work.delivered += 1;
        }
    }

    /// Whether `--done` marks a call: it is answered, and costs nothing.
    pub fn is_done(&self, placed: Placed, call: &AgentCall) -> bool {
        self.stage(placed)
            .is_some_and(|stage| self.setup.assumptions.is_done(call.label.as_deref(), &stage.name))
    }
}

/// Characters of a prompt that the client calls an agent without a label by.
const LABEL_CHARACTERS: usize = 60;

/// What the client calls the agent of `call`.
fn client_label(call: &AgentCall) -> String {
    if let Some(label) = &call.label {
        return label.to_string();
    }
    let folded = call.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    folded.chars().take(LABEL_CHARACTERS).collect()
}

fn synth_call<'c>(
    stage: &'c StageIdentity,
    placed: Placed,
    call: &'c AgentCall,
    text_tokens: u64,
) -> SynthCall<'c> {
    SynthCall {
        stage: StageKey(stage.work),
        stage_name: &stage.name,
        identity: placed.placement.identity,
        ordinal: placed.placement.ordinal,
        delivered: placed.delivered,
        label: call.label.as_deref(),
        prompt: &call.prompt,
        schema: call.schema.as_ref(),
        text_tokens,
    }
}
