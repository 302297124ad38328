//! One rule: which stages, and what happens to them.

use std::ops::Range;

use super::action::{Action, ModelName, Pinned};
use super::condition::{Condition, Conditions};
use super::error::Problems;
use super::reader::{Fields, Value, table, text};
use super::when;
use crate::diagnostic::Place;

/// The keys of `[[rule]]`, as documented.
const RULE_KEYS: [&str; 4] = ["name", "when", "then", "pinned"];

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) when: Conditions,
    pub(super) then: Action,
    pub(super) pinned: Option<Pinned>,
}

impl Rule {
    /// Its name, which every report cites.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its name stands in the file.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it looks at what agents of one label may differ in: the effort that they ask for, and
    /// whether each has a working tree of its own.
    pub fn tells_efforts_apart(&self) -> bool {
        let Conditions { all, none } = &self.when;
        let tells = |of: &Condition| matches!(of, Condition::Effort(_) | Condition::Worktree(_));
        all.iter().chain(none).any(tells)
    }

    /// Its conditions as sentence parts, such as `role is fan-out`; empty where every stage
    /// matches.
    pub fn conditions(&self) -> Vec<String> {
        self.when.words()
    }

    /// What it does.
    pub fn action(&self) -> &Action {
        &self.then
    }

    /// What it says about models and efforts that a script asks for; `None` leaves that to the
    /// policy.
    pub fn pinned(&self) -> Option<Pinned> {
        self.pinned
    }

    /// The first condition that asks for what no request tells, as a sentence part; `None` where a
    /// request can match.
    pub fn untold_by_requests(&self) -> Option<String> {
        self.when.untold().map(ToString::to_string)
    }

    /// Whether every stage matches.
    pub fn is_unconditional(&self) -> bool {
        self.when.is_unconditional()
    }

    pub(super) fn read(
        value: &Value<'_>,
        ladder: &[ModelName],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let rule = table(value, "rule", problems)?;
        let fields = Fields::open(rule, "[[rule]]", &RULE_KEYS, problems);
        let when = fields.get("when").map(|when| when::conditions(when, problems));
        let then = if let Some(then) = fields.get("then") {
            Action::read(then, ladder, problems)
        } else {
            let message = "this rule does nothing: it has no `then`";
            let help = "write then = { model = \"haiku\" }, or then = \"keep\" to leave its \
                        stages as written";
            problems.error("policy::no-action", value.span(), message, Some(help.to_owned()));
            None
        };
        let pinned = fields.get("pinned").and_then(|value| Pinned::read(value, problems));
        let Some(name) = fields.get("name") else {
            let help = "write name = \"…\": every report cites it".to_owned();
            problems.error("policy::no-name", value.span(), "this rule has no name", Some(help));
            return None;
        };
        let name = text(name, "name", problems)?;
        let place = problems.place(&name.span);
        Some(Self { name: name.text, place, when: when.unwrap_or_default(), then: then?, pinned })
    }
}

/// Reports names in use twice (an error) and rules that can never match (a warning).
pub(super) fn check_order(rules: &[Rule], problems: &mut Problems<'_>) {
    for (index, rule) in rules.iter().enumerate() {
        let earlier = rules.get(..index).unwrap_or(&[]);
        let span = span_of(&rule.place);
        if let Some(first) = earlier.iter().find(|other| other.name == rule.name) {
            let message = format!(
                "two rules are named `{}`; the first is on line {}",
                rule.name, first.place.line
            );
            let help = "reports cite rules by name: give each its own".to_owned();
            problems.error("policy::duplicate-rule", span, message, Some(help));
            continue;
        }
        if let Some(first) = earlier.iter().find(|other| other.when.covers(&rule.when)) {
            let message = format!(
                "rule `{}` never applies: `{}` on line {} already matches all its stages",
                rule.name, first.name, first.place.line
            );
            let help = "the first match wins: move the narrower rule up";
            problems.warning("policy::unreachable-rule", span, message, help);
        }
    }
}

pub(super) fn span_of(place: &Place) -> Range<usize> {
    let start = place.offset as usize;
    start..start + place.length as usize
}
