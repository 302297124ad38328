//! Conditions of a rule: what they may ask of a stage, and whether a stage meets them.

use std::fmt;

use super::candidate::{Candidate, Candidates, SESSION};
use super::facts::StageFacts;
use super::number_range::NumberRange;
use super::pattern::Pattern;
use super::request_facts::Known;
use super::routing::ConditionTrace;
use crate::effort::Effort;
use crate::role::Role;

/// What is found where nobody knows.
const UNKNOWN: &str = "unknown";

/// One condition. Several patterns, words or ranges in one condition mean any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Stage(Vec<Pattern>),
    Phase(Vec<Pattern>),
    Label(Vec<Pattern>),
    AgentType(Vec<Pattern>),
    Role(Vec<Role>),
    Width(NumberRange),
    ContextTokens(NumberRange),
    HasSchema(bool),
    SchemaProperty(Vec<Pattern>),
    Effort(EffortSet),
    Model(Vec<Pattern>),
    RunsOn(Vec<Pattern>),
    Worktree(bool),
}

/// Efforts that a condition accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EffortSet {
    pub(super) levels: Vec<Effort>,
    /// Whether a stage that asks for none is accepted.
    pub(super) session: bool,
    /// As written, for traces.
    pub(super) written: String,
}

/// When a rule applies: every condition of `all`, and none of `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) all: Vec<Condition>,
    pub(super) none: Vec<Condition>,
}

impl Conditions {
    /// Whether every stage meets them.
    pub(super) fn is_unconditional(&self) -> bool {
        self.all.is_empty() && self.none.is_empty()
    }

    /// Whether whatever meets `other` meets these: they say no more than it does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.all.iter().all(|condition| other.all.contains(condition))
            && self.none.iter().all(|condition| other.none.contains(condition))
    }

    /// The first condition that asks for what no request tells, whoever's it is.
    pub(super) fn untold(&self) -> Option<&Condition> {
        let most = Known::OfRequest { phase: true, label: true, agent_type: true };
        self.all.iter().chain(&self.none).find(|condition| !condition.is_known(most))
    }

    /// As sentence parts, such as `role is fan-out`.
    pub(super) fn words(&self) -> Vec<String> {
        let all = self.all.iter().map(ToString::to_string);
        all.chain(self.none.iter().map(|condition| format!("not: {condition}"))).collect()
    }

    /// Holds every condition against the stage. The rule matches where all of them hold.
    pub(super) fn trace(&self, subject: &mut Subject<'_, '_>) -> Vec<ConditionTrace> {
        let mut trace = Vec::with_capacity(self.all.len() + self.none.len());
        for condition in &self.all {
            let (holds, found) = if condition.is_known(subject.known) {
                condition.meets(subject)
            } else {
                (false, UNKNOWN.to_owned())
            };
            trace.push(ConditionTrace { condition: condition.to_string(), found, holds });
        }
        for condition in &self.none {
            let (holds, found) = if condition.is_known(subject.known) {
                let (meets, found) = condition.meets(subject);
                (!meets, found)
            } else {
                (false, UNKNOWN.to_owned())
            };
            let condition = format!("not: {condition}");
            trace.push(ConditionTrace { condition, found, holds });
        }
        trace
    }
}

/// A stage under decision, with what has been asked about it so far.
pub(super) struct Subject<'a, 'c> {
    pub(super) facts: &'a StageFacts<'a>,
    pub(super) candidates: &'c mut dyn Candidates,
    known: Known,
    as_written: Option<Candidate>,
}

impl<'a, 'c> Subject<'a, 'c> {
    pub(super) fn new(facts: &'a StageFacts<'a>, candidates: &'c mut dyn Candidates) -> Self {
        Self { facts, candidates, known: Known::All, as_written: None }
    }

    /// The same where only some facts are known.
    pub(super) fn known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    /// The model's name that the stage runs on without a policy.
    pub(super) fn written_model(&self) -> &'a str {
        self.facts.asked_model().unwrap_or(SESSION)
    }

    /// The stage as it would run without a policy.
    pub(super) fn as_written(&mut self) -> Candidate {
        if let Some(known) = &self.as_written {
            return known.clone();
        }
        let candidate = self.candidates.assess(self.written_model(), self.facts.effort);
        self.as_written.insert(candidate).clone()
    }

    fn written_id(&mut self) -> Option<String> {
        match self.as_written() {
            Candidate::Known { model, .. } => Some(model.0.to_string()),
            Candidate::Unknown(_) | Candidate::Unpriced(_) | Candidate::Unfit(_) => None,
        }
    }

    /// Whether `pattern` means the model as written: by its name there, by its id, or, without a
    /// `*`, as another name of it.
    fn means_written(&mut self, pattern: &Pattern) -> bool {
        let written = self.facts.asked_model();
        if written.is_some_and(|name| pattern.matches(name)) {
            return true;
        }
        let Some(id) = self.written_id() else { return false };
        if pattern.matches(&id) {
            return true;
        }
        pattern.is_plain()
            && pattern.as_str() != SESSION
            && matches!(
                self.candidates.assess(pattern.as_str(), None),
                Candidate::Known { model, .. } if *model.0 == *id
            )
    }
}

impl Condition {
    /// Whether what it asks for is known.
    const fn is_known(&self, known: Known) -> bool {
        let Known::OfRequest { phase, label, agent_type } = known else { return true };
        match self {
            Self::Phase(_) => phase,
            Self::Label(_) => label,
            Self::AgentType(_) => agent_type,
            Self::Effort(_) | Self::Model(_) | Self::RunsOn(_) => true,
            Self::Stage(_)
            | Self::Role(_)
            | Self::Width(_)
            | Self::ContextTokens(_)
            | Self::HasSchema(_)
            | Self::SchemaProperty(_)
            | Self::Worktree(_) => false,
        }
    }

    /// Whether the stage meets it, and what the stage has there.
    fn meets(&self, subject: &mut Subject<'_, '_>) -> (bool, String) {
        let facts = subject.facts;
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        match self {
            Self::Stage(patterns) => (any(patterns, facts.name), or_none(facts.name)),
            Self::Phase(patterns) => (any(patterns, facts.phase), or_none(facts.phase)),
            Self::Label(patterns) => (any(patterns, facts.label), or_none(facts.label)),
            Self::AgentType(patterns) => {
                let meets = facts.agent_type.is_some_and(|name| any(patterns, name));
                (meets, or_none(facts.agent_type.unwrap_or("")))
            }
            Self::Role(roles) => (roles.contains(&facts.role), facts.role.name().to_owned()),
            Self::Width(range) => (range.contains(facts.agents_p50), facts.agents_p50.to_string()),
            Self::ContextTokens(range) => {
                let tokens = facts.context_p90_tokens;
                (range.contains(tokens), tokens.to_string())
            }
            Self::HasSchema(wanted) => {
                let found = if facts.has_schema { "a schema" } else { "none" };
                (*wanted == facts.has_schema, found.to_owned())
            }
            Self::SchemaProperty(patterns) => {
                let names = schema_properties(facts.schema);
                let meets = names.iter().any(|name| any(patterns, name));
                (meets, or_none(&names.join(", ")))
            }
            Self::Effort(set) => match facts.effort {
                Some(effort) => (set.levels.contains(&effort), effort.name().to_owned()),
                None => (set.session, SESSION.to_owned()),
            },
            Self::Model(patterns) => match facts.asked_model() {
                None => (any(patterns, SESSION), SESSION.to_owned()),
                Some(asked) => {
                    let meets = patterns.iter().any(|pattern| subject.means_written(pattern));
                    (meets, asked.to_owned())
                }
            },
            Self::RunsOn(patterns) => {
                let meets = patterns.iter().any(|pattern| subject.means_written(pattern));
                let found = subject.written_id();
                (meets, found.unwrap_or_else(|| subject.written_model().to_owned()))
            }
            Self::Worktree(wanted) => {
                let found = if facts.worktree { "worktree" } else { "none" };
                (*wanted == facts.worktree, found.to_owned())
            }
        }
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

/// The names under `properties` at the top of a JSON schema; none where it cannot be read.
fn schema_properties(schema: Option<&str>) -> Vec<String> {
    schema
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .and_then(|schema| {
            let properties = schema.get("properties")?.as_object()?;
            Some(properties.keys().cloned().collect())
        })
        .unwrap_or_default()
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = |patterns: &[Pattern]| {
            patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" or ")
        };
        match self {
            Self::Stage(patterns) => write!(f, "stage is {}", any(patterns)),
            Self::Phase(patterns) => write!(f, "phase is {}", any(patterns)),
            Self::Label(patterns) => write!(f, "label is {}", any(patterns)),
            Self::AgentType(patterns) => write!(f, "agent_type is {}", any(patterns)),
            Self::Role(roles) => {
                let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
                write!(f, "role is {}", names.join(" or "))
            }
            Self::Width(range) => write!(f, "width {range}"),
            Self::ContextTokens(range) => write!(f, "context_tokens {range}"),
            Self::HasSchema(true) => write!(f, "has a schema"),
            Self::HasSchema(false) => write!(f, "has no schema"),
            Self::SchemaProperty(patterns) => write!(f, "schema has {}", any(patterns)),
            Self::Effort(set) => write!(f, "effort {}", set.written),
            Self::Model(patterns) => write!(f, "model is {}", any(patterns)),
            Self::RunsOn(patterns) => write!(f, "runs_on {}", any(patterns)),
            Self::Worktree(true) => write!(f, "isolation is worktree"),
            Self::Worktree(false) => write!(f, "isolation is none"),
        }
    }
}
