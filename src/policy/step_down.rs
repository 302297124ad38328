//! One step-down: which stages run on a cheaper model once a budget is used up to a share.

use super::action::{ModelName, Pinned, model_names};
use super::condition::Conditions;
use super::error::Problems;
use super::reader::{Fields, Value, table, text};
use super::rule::{Rule, span_of};
use super::thresholds::{percent, read_percent};
use super::when;
use crate::diagnostic::Place;

/// The keys of `[[step_down]]`, as documented.
const STEP_DOWN_KEYS: [&str; 5] = ["name", "above", "when", "model", "pinned"];

/// Cheaper models for agents that start once a budget is used up to a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDown {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) above_per_mille: u16,
    pub(super) when: Conditions,
    pub(super) models: Vec<ModelName>,
    pub(super) pinned: Option<Pinned>,
}

impl StepDown {
    /// Its name, which every report cites; no rule has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its name stands in the file.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The share of a limit above which it applies, per mille: 1 to 999.
    pub fn above_per_mille(&self) -> u16 {
        self.above_per_mille
    }

    /// Its conditions as sentence parts; empty where every stage matches.
    pub fn conditions(&self) -> Vec<String> {
        self.when.words()
    }

    /// The models it tries, in order.
    pub fn models(&self) -> &[ModelName] {
        &self.models
    }

    /// What it says about models that a script asks for; `None` leaves that to the policy.
    pub fn pinned(&self) -> Option<Pinned> {
        self.pinned
    }

    pub(super) fn read(
        value: &Value<'_>,
        ladder: &[ModelName],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let step = table(value, "step_down", problems)?;
        let fields = Fields::open(step, "[[step_down]]", &STEP_DOWN_KEYS, problems);
        let when = fields.get("when").map(|when| when::conditions(when, problems));
        let above_per_mille = above(&fields, value, problems);
        let models = if let Some(model) = fields.get("model") {
            model_names(model, "model", ladder, problems)
        } else {
            let message = "this step-down does nothing: it has no `model`";
            let help = "write model = \"haiku\", a list, or \"ladder\"".to_owned();
            problems.error("policy::no-action", value.span(), message, Some(help));
            return None;
        };
        let pinned = fields.get("pinned").and_then(|value| Pinned::read(value, problems));
        let Some(name) = fields.get("name") else {
            let message = "this step-down has no name";
            let help = "write name = \"…\": every report cites it".to_owned();
            problems.error("policy::no-name", value.span(), message, Some(help));
            return None;
        };
        let name = text(name, "name", problems)?;
        let place = problems.place(&name.span);
        Some(Self {
            name: name.text,
            place,
            above_per_mille: above_per_mille?,
            when: when.unwrap_or_default(),
            models,
            pinned,
        })
    }
}

/// A share of a limit that leaves something on either side.
fn above(fields: &Fields<'_, '_>, step: &Value<'_>, problems: &mut Problems<'_>) -> Option<u16> {
    let Some(value) = fields.get("above") else {
        let message = "this step-down has no `above`";
        let help = "write above = \"75%\": how much of a budget is taken before it applies";
        problems.error("policy::no-share", step.span(), message, Some(help.to_owned()));
        return None;
    };
    let share = u16::try_from(read_percent(value, "above", problems)?).ok()?;
    let help = match share {
        0 => "a model that applies from the start belongs in a [[rule]]",
        1_000 => "above the whole of a budget nothing is started: write less, such as \"90%\"",
        _ => return Some(share),
    };
    let message = format!("`above` is {}, where a step-down has no effect", percent(share.into()));
    problems.error("policy::share", value.span(), message, Some(help.to_owned()));
    None
}

/// Reports names in use twice (an error) and step-downs that can never apply (a warning).
pub(super) fn check_order(steps: &[StepDown], rules: &[Rule], problems: &mut Problems<'_>) {
    for (index, step) in steps.iter().enumerate() {
        let earlier = steps.get(..index).unwrap_or(&[]);
        let span = span_of(&step.place);
        let rule = rules.iter().find(|rule| rule.name == step.name).map(|rule| &rule.place);
        let other = earlier.iter().find(|other| other.name == step.name).map(|other| &other.place);
        if let Some(first) = rule.or(other) {
            let kind = if rule.is_some() { "a rule" } else { "another step-down" };
            let message = format!("{kind} on line {} is named `{}` already", first.line, step.name);
            let help = "reports cite rules and step-downs by name: give each its own".to_owned();
            problems.error("policy::duplicate-rule", span, message, Some(help));
            continue;
        }
        let covers = |other: &&StepDown| {
            other.above_per_mille == step.above_per_mille && other.when.covers(&step.when)
        };
        if let Some(first) = earlier.iter().find(covers) {
            let message = format!(
                "step-down `{}` never applies: `{}` on line {} already matches all its stages \
                 above {}",
                step.name,
                first.name,
                first.place.line,
                percent(step.above_per_mille.into())
            );
            let help = "the first match of a share wins: move the narrower one up";
            problems.warning("policy::unreachable-rule", span, message, help);
        }
    }
}
