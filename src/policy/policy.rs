//! A whole policy file.

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::action::{ModelName, Pinned, is_session, model_names};
use super::budgets::{self, BudgetLimit};
use super::candidate::Candidates;
use super::error::{PolicyError, Problems};
use super::facts::StageFacts;
use super::reader::{Fields, Text, Value, choice, items, text, whole};
use super::request_facts::RequestFacts;
use super::router;
use super::routing::{Routing, StepDownRouting};
use super::rule::{self, Rule};
use super::step_down::{self, StepDown};
use super::stepper::{self, RoutedStage};
use super::thresholds::{Judgement, PlanMeasures, Thresholds};
use super::{POLICY_BYTES_MAX, POLICY_RULES_MAX, POLICY_STEP_DOWNS_MAX, shipped};
use crate::diagnostic::{Diagnostic, Severity};
use crate::gate::Gate;
use crate::id::ModelId;

/// The version of the format that this reads.
const SCHEMA: u64 = 1;

/// The keys at the top of a policy, as documented.
const POLICY_KEYS: [&str; 12] = [
    "schema",
    "name",
    "description",
    "pinned",
    "ladder",
    "suggests",
    "questions",
    "unpriced",
    "rule",
    "step_down",
    "budget",
    "thresholds",
];

/// What a question becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// It is asked.
    Ask,
    /// Nobody is there to answer: it becomes a denial.
    Deny,
}

/// What happens to a model that is known and has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpriced {
    /// It is denied.
    Deny,
    /// It is billed at the dearest known rates.
    Max,
}

/// A policy: rules that route stages, and the budgets that hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: String,
    description: String,
    hash: String,
    pinned: Pinned,
    ladder: Vec<ModelName>,
    suggests: Option<String>,
    questions: Questions,
    unpriced: Unpriced,
    rules: Vec<Rule>,
    step_downs: Vec<StepDown>,
    budgets: Vec<BudgetLimit>,
    thresholds: Thresholds,
    warnings: Vec<Diagnostic>,
}

impl Policy {
    /// Reads a policy. `name` is the file's name or the shipped policy's: it stands for the
    /// policy in messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, PolicyError> {
        let mut problems = Problems::new(text);
        let policy = Self::read(text, &mut problems);
        match policy {
            Some(mut policy) if problems.errors.is_empty() => {
                problems
                    .warnings
                    .sort_by_key(|warning| warning.place.as_ref().map(|place| place.offset));
                policy.warnings = problems.warnings;
                Ok(policy)
            }
            _ => Err(PolicyError::new(name, text, problems.errors)),
        }
    }

    /// The shipped policy of that name, if there is one.
    pub fn shipped(name: &str) -> Option<Result<Self, PolicyError>> {
        let (name, text) = shipped().iter().find(|(shipped, _)| *shipped == name)?;
        Some(Self::parse(name, text))
    }

    fn read(text: &str, problems: &mut Problems<'_>) -> Option<Self> {
        if text.len() > POLICY_BYTES_MAX {
            let message = format!(
                "a policy of {} bytes; the most is {POLICY_BYTES_MAX} (256 KiB)",
                text.len()
            );
            problems.error("policy::too-large", 0..0, message, None);
            return None;
        }
        let tree = match DeTable::parse(text) {
            Ok(tree) => tree,
            Err(error) => {
                let message = error.message().to_owned();
                problems.error("policy::toml", error.span().unwrap_or(0..0), message, None);
                return None;
            }
        };
        let fields = Fields::open(tree.get_ref(), "a policy", &POLICY_KEYS, problems);
        read_schema(&fields, problems);
        let name = required_text(&fields, "name", problems);
        let ladder = fields
            .get("ladder")
            .map(|value| model_names(value, "ladder", &[], problems))
            .unwrap_or_default();
        let rules = read_rules(&fields, &ladder, problems);
        let step_downs = read_step_downs(&fields, &ladder, &rules, problems);
        let word = |key: &str, problems: &mut Problems<'_>| {
            fields.get(key).and_then(|value| self::text(value, key, problems))
        };
        let questions = word("questions", problems).and_then(|text| {
            let options = [("ask", Questions::Ask), ("deny", Questions::Deny)];
            choice(&text, "questions", &options, problems)
        });
        let unpriced = word("unpriced", problems).and_then(|text| {
            let options = [("deny", Unpriced::Deny), ("max", Unpriced::Max)];
            choice(&text, "unpriced", &options, problems)
        });
        let budget = fields.get("budget");
        let thresholds = fields.get("thresholds");
        Some(Self {
            description: word("description", problems).map(|text| text.text).unwrap_or_default(),
            suggests: word("suggests", problems).and_then(|text| shipped_name(text, problems)),
            pinned: fields
                .get("pinned")
                .and_then(|value| Pinned::read(value, problems))
                .unwrap_or(Pinned::Respect),
            questions: questions.unwrap_or(Questions::Ask),
            unpriced: unpriced.unwrap_or(Unpriced::Deny),
            budgets: budget.map(|value| budgets::read(value, problems)).unwrap_or_default(),
            thresholds: thresholds
                .map(|value| Thresholds::read(value, problems))
                .unwrap_or_default(),
            hash: format!("{:x}", Sha256::digest(text)),
            name: name?,
            ladder,
            rules,
            step_downs,
            warnings: Vec::new(),
        })
    }

    /// Decides for one stage: the first rule that matches wins.
    pub fn route(&self, facts: &StageFacts<'_>, candidates: &mut dyn Candidates) -> Routing {
        router::route(self, facts, candidates)
    }

    /// Decides for one request of a client: the first rule that matches wins, and what is unknown of
    /// the request matches none.
    pub fn route_request(
        &self,
        request: &RequestFacts<'_>,
        candidates: &mut dyn Candidates,
    ) -> Routing {
        router::route_request(self, request, candidates)
    }

    /// What every step-down means for a stage on its route, the lowest share first: at each share
    /// the first that matches decides, and a later step costs less than those before it.
    pub fn step_down(
        &self,
        facts: &StageFacts<'_>,
        routed: &RoutedStage,
        candidates: &mut dyn Candidates,
    ) -> Vec<StepDownRouting> {
        stepper::step_downs(self, facts, routed, candidates)
    }

    /// Holds a plan against the thresholds; with `questions = "deny"`, a question is a denial.
    pub fn judge(&self, plan: &PlanMeasures) -> Judgement {
        let judgement = self.thresholds.judge(plan);
        Judgement { gate: self.answer(judgement.gate), ..judgement }
    }

    /// `gate` as it applies under this policy: nobody to ask means no.
    pub fn answer(&self, gate: Gate) -> Gate {
        match (gate, self.questions) {
            (Gate::Ask, Questions::Deny) => Gate::Deny,
            (gate, _) => gate,
        }
    }

    /// What is doubtful about the file, in file order; an error is a rule that can never route.
    /// `resolve` says which model a name means, or why it means none.
    pub fn check(
        &self,
        resolve: &mut dyn FnMut(&str) -> Result<ModelId, String>,
    ) -> Vec<Diagnostic> {
        let mut found = self.warnings.clone();
        let by_rules = self.rules.iter().map(|rule| &rule.then.models);
        let by_steps = self.step_downs.iter().map(|step| &step.models);
        // A rule that uses the ladder repeats its names and places.
        let mut seen: Vec<&ModelName> = Vec::new();
        // Rules first: where none of its models is known, that is worse than one of several.
        for models in by_rules.chain(by_steps).chain([&self.ladder]) {
            let known = |model: &&ModelName| is_session(&model.name);
            let unknown: Vec<(&ModelName, String)> = models
                .iter()
                .filter(|model| !known(model))
                .filter_map(|model| Some((model, resolve(&model.name).err()?)))
                .collect();
            let is_ladder = std::ptr::eq(models, &raw const self.ladder);
            let is_dead = !is_ladder && unknown.len() == models.len();
            for (model, reason) in unknown {
                if seen.contains(&model) {
                    continue;
                }
                seen.push(model);
                let (severity, help) = if is_dead {
                    (Severity::Error, "the rule can never route; see `flyball pricing list`")
                } else {
                    (Severity::Warning, "routes to it will be refused; see `flyball pricing list`")
                };
                let message = if reason.contains(&model.name) {
                    reason
                } else {
                    format!("no price table knows the model `{}`: {reason}", model.name)
                };
                let unknown = Diagnostic::new(severity, "policy::unknown-model", message);
                found.push(unknown.with_place(model.place.clone()).with_help(help));
            }
        }
        found.sort_by_key(|warning| warning.place.as_ref().map(|place| place.offset));
        found
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in its author's words; empty for none.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// SHA-256 of the text, in lower-case hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Its rules, in file order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Its step-downs, in file order.
    pub fn step_downs(&self) -> &[StepDown] {
        &self.step_downs
    }

    /// What it says about models and efforts that a script asks for.
    pub fn pinned(&self) -> Pinned {
        self.pinned
    }

    /// Models by capability, weakest first; empty for none.
    pub fn ladder(&self) -> &[ModelName] {
        &self.ladder
    }

    /// The policy whose saving a plan should show, if any.
    pub fn suggests(&self) -> Option<&str> {
        self.suggests.as_deref()
    }

    /// What a question becomes.
    pub fn questions(&self) -> Questions {
        self.questions
    }

    /// What happens to models without a price.
    pub fn unpriced(&self) -> Unpriced {
        self.unpriced
    }

    /// Its budgets, the narrowest scope first.
    pub fn budgets(&self) -> &[BudgetLimit] {
        &self.budgets
    }

    /// When a plan asks or is denied, when a run warns.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }
}

fn read_schema(fields: &Fields<'_, '_>, problems: &mut Problems<'_>) {
    let help = || Some("write schema = 1 at the top: the version of this format".to_owned());
    let Some(value) = fields.get("schema") else {
        problems.error("policy::schema", 0..0, "the policy has no `schema`", help());
        return;
    };
    if let Some(found) = whole(value, "schema", problems)
        && found != SCHEMA
    {
        let message = format!("schema {found} is not one that this flyball reads");
        problems.error("policy::schema", value.span(), message, help());
    }
}

fn required_text(
    fields: &Fields<'_, '_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let Some(value) = fields.get(key) else {
        let message = format!("the policy has no `{key}`");
        let help = format!("write {key} = \"…\" at the top: reports cite it");
        problems.error("policy::no-name", 0..0, message, Some(help));
        return None;
    };
    text(value, key, problems).map(|text| text.text)
}

fn read_rules(
    fields: &Fields<'_, '_>,
    ladder: &[ModelName],
    problems: &mut Problems<'_>,
) -> Vec<Rule> {
    let listed = listed(fields, "rule", POLICY_RULES_MAX, problems);
    let rules: Vec<Rule> =
        listed.into_iter().filter_map(|rule| Rule::read(rule, ladder, problems)).collect();
    rule::check_order(&rules, problems);
    rules
}

fn read_step_downs(
    fields: &Fields<'_, '_>,
    ladder: &[ModelName],
    rules: &[Rule],
    problems: &mut Problems<'_>,
) -> Vec<StepDown> {
    let listed = listed(fields, "step_down", POLICY_STEP_DOWNS_MAX, problems);
    let steps: Vec<StepDown> =
        listed.into_iter().filter_map(|step| StepDown::read(step, ladder, problems)).collect();
    step_down::check_order(&steps, rules, problems);
    steps
}

/// The tables headed `[[key]]`; none where there are more than `most`.
fn listed<'a, 'i>(
    fields: &Fields<'a, 'i>,
    key: &str,
    most: usize,
    problems: &mut Problems<'_>,
) -> Vec<&'a Value<'i>> {
    let Some(value) = fields.get(key) else { return Vec::new() };
    let what = key.replace('_', "-");
    if value.get_ref().as_array().is_none() {
        let message = format!("`{key}` must be a list of tables");
        let help = format!("head each {what} with [[{key}]], in double brackets");
        problems.error("policy::wrong-type", value.span(), message, Some(help));
        return Vec::new();
    }
    let listed = items(value);
    if listed.len() > most {
        let message = format!("{} {what}s; the most is {most}", listed.len());
        problems.error("policy::too-large", value.span(), message, None);
        return Vec::new();
    }
    listed
}

/// The name of a policy that flyball ships: nobody knows the file of another.
fn shipped_name(text: Text, problems: &mut Problems<'_>) -> Option<String> {
    let names: Vec<&str> = shipped().iter().map(|(name, _)| *name).collect();
    if names.contains(&&*text.text) {
        return Some(text.text);
    }
    let message = format!("`suggests` names `{}`, which flyball does not ship", text.text);
    let help = format!("name one of {}", names.join(", "));
    problems.error("policy::suggests", text.span, message, Some(help));
    None
}
