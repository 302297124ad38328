//! The luck of a run, a stage and an agent, drawn before anything is known of models.

use crate::seed::{Seed, key_of_parts};

/// What is drawn. The numbers are keys: append, never renumber, or every plan changes.
#[derive(Clone, Copy)]
enum Quantity {
    FirstContext = 1,
    Requests = 2,
    Growth = 3,
    Output = 4,
    FinalText = 5,
    Duration = 6,
    PrefixHit = 7,
    Rewrite = 8,
    RewritePosition = 9,
}

/// Whose draw it is.
#[derive(Clone, Copy)]
enum Owner {
    Run = 1,
    Stage = 2,
    Agent = 3,
}

/// Standard normal draws, one per quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Normals {
    pub(crate) first_context: f64,
    pub(crate) requests: f64,
    pub(crate) growth: f64,
    pub(crate) output: f64,
    pub(crate) final_text: f64,
    pub(crate) duration: f64,
}

impl Normals {
    fn new(seed: Seed, owner: Owner, key: u64) -> Self {
        let root = root(seed, owner, key);
        let normal = |quantity: Quantity| root.normal(quantity as u64);
        Self {
            first_context: normal(Quantity::FirstContext),
            requests: normal(Quantity::Requests),
            growth: normal(Quantity::Growth),
            output: normal(Quantity::Output),
            final_text: normal(Quantity::FinalText),
            duration: normal(Quantity::Duration),
        }
    }
}

fn root(seed: Seed, owner: Owner, key: u64) -> Seed {
    seed.child(key_of_parts(&[owner as u64, key]))
}

/// What all agents of one run share: the project, its size, its client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunDraws(pub(crate) Normals);

impl RunDraws {
    /// The draws of the sample whose seed this is.
    pub fn new(seed: Seed) -> Self {
        Self(Normals::new(seed, Owner::Run, 0))
    }
}

/// What all agents of one stage of a run share: the task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageDraws(pub(crate) Normals);

impl StageDraws {
    /// The draws of the stage with that key, in the sample whose seed this is.
    pub fn new(seed: Seed, stage_key: u64) -> Self {
        Self(Normals::new(seed, Owner::Stage, stage_key))
    }
}

/// What belongs to one agent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgentDraws {
    pub(crate) normals: Normals,
    pub(crate) prefix_hit: f64,
    pub(crate) rewrite: f64,
    pub(crate) rewrite_position: f64,
}

impl AgentDraws {
    /// The draws of the call with that key, in the sample whose seed this is.
    pub fn new(seed: Seed, call_key: u64) -> Self {
        let root = root(seed, Owner::Agent, call_key);
        Self {
            normals: Normals::new(seed, Owner::Agent, call_key),
            prefix_hit: root.uniform(Quantity::PrefixHit as u64),
            rewrite: root.uniform(Quantity::Rewrite as u64),
            rewrite_position: root.uniform(Quantity::RewritePosition as u64),
        }
    }
}

/// All luck that one agent meets. Independent of its model and role, so that two routes of one
/// plan differ by what they do and not by chance.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    /// Shared by the run.
    pub run: &'a RunDraws,
    /// Shared by the stage.
    pub stage: &'a StageDraws,
    /// The agent's own.
    pub agent: &'a AgentDraws,
}
