//! A stand-in for prices and samples: models with made-up costs.

use flyball::effort::Effort;
use flyball::id::ModelId;
use flyball::money::Picodollars;
use flyball::policy::{Candidate, Candidates, Policy, Routing, SESSION, StageFacts};
use flyball::role::Role;

/// Alias, id, cost in cents at medium effort, window in tokens, whether it has efforts.
type Line = (&'static str, &'static str, i128, u64, bool);

const LINES: [Line; 5] = [
    ("haiku", "claude-haiku-5-5", 10, 1_000_000, true),
    ("sonnet", "claude-sonnet-5-5", 100, 1_000_000, true),
    ("opus", "claude-opus-5-5", 200, 1_000_000, true),
    ("fable", "claude-fable-5-2", 400, 1_000_000, true),
    ("old", "claude-haiku-4-5", 90, 200_000, false),
];

/// What the stand answers; counts nothing, forgets nothing.
pub(super) struct Stand {
    pub(super) session: &'static str,
    pub(super) context_tokens: u64,
}

impl Default for Stand {
    fn default() -> Self {
        Self { session: "opus", context_tokens: 80_000 }
    }
}

impl Candidates for Stand {
    fn assess(&mut self, model: &str, effort: Option<Effort>) -> Candidate {
        let name = if model == SESSION { self.session } else { model };
        if name == "free-lunch" {
            return Candidate::Unpriced("announced, not in force".to_owned());
        }
        let Some((_, id, cents, window, has_effort)) =
            LINES.iter().find(|line| line.0 == name || line.1 == name)
        else {
            return Candidate::Unknown(format!("no table lists `{name}`"));
        };
        let efforts = if *has_effort { Effort::ALL[..4].to_vec() } else { Vec::new() };
        // Sessions run at high effort; each level costs half as much again.
        let level = effort.filter(|e| efforts.contains(e)).unwrap_or(Effort::High);
        let percent = [60, 100, 150, 220, 400][level as usize];
        Candidate::Known {
            model: ModelId::from((*id).to_owned()),
            context_window_tokens: *window,
            context_p90_tokens: self.context_tokens,
            expected_cost: Picodollars::from_pico(cents * percent * 100_000_000),
            efforts,
        }
    }
}

/// A stage that nothing has been asked for.
pub(super) fn facts() -> StageFacts<'static> {
    StageFacts {
        name: "verify:*",
        label: "verify:*",
        phase: "Verify",
        agent_type: None,
        role: Role::FanOut,
        agents_p50: 12,
        agents_max: 60,
        has_schema: true,
        schema: Some(r#"{"type":"object","properties":{"refuted":{},"why":{}}}"#),
        requested_model: None,
        effort: None,
        worktree: false,
        context_p90_tokens: 80_000,
    }
}

/// A policy of some text after the required head.
pub(super) fn policy(body: &str) -> Policy {
    let text = format!("schema = 1\nname = \"test\"\n{body}");
    Policy::parse("test.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(super) fn shipped(name: &str) -> Policy {
    Policy::shipped(name).unwrap().unwrap()
}

pub(super) fn route(policy: &Policy, facts: &StageFacts<'_>) -> Routing {
    policy.route(facts, &mut Stand::default())
}

pub(super) fn model(routing: &Routing) -> &str {
    routing.model.as_ref().map_or("as written", |model| &*model.0)
}
