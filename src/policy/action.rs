//! What a rule does to the stages it matches.

use std::fmt;

use super::candidate::SESSION;
use super::error::Problems;
use super::number_range::number;
use super::reader::{Fields, Value, as_whole, boolean, choice, table, text, texts};
use crate::diagnostic::Place;
use crate::effort::Effort;
use crate::gate::Gate;

/// In `model`, stands for the policy's ladder.
pub(super) const LADDER: &str = "ladder";

/// As `then`: the stages stay as written.
const KEEP: &str = "keep";

/// Below this many tokens, answers and thinking are cut often enough to break agents.
const OUTPUT_CAP_LOW_TOKENS: u64 = 4_000;

/// The keys of `then`, as documented.
const THEN_KEYS: [&str; 6] = ["model", "effort", "raise", "output_cap", "gate", "reason"];

/// What happens to a model or an effort that the script itself asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// It stays.
    Respect,
    /// A rule may replace it.
    Override,
}

impl Pinned {
    pub(super) fn read(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let text = text(value, "pinned", problems)?;
        let options = [("respect", Self::Respect), ("override", Self::Override)];
        choice(&text, "pinned", &options, problems)
    }
}

/// A model as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    /// An id, an alias, or [`SESSION`].
    pub name: String,
    /// Where the policy names it.
    pub place: Place,
}

/// What a rule does. Nothing set: the stage stays as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    pub(super) models: Vec<ModelName>,
    pub(super) effort: Option<Effort>,
    pub(super) raise: bool,
    pub(super) output_cap_tokens: Option<u64>,
    pub(super) gate: Option<Gate>,
    pub(super) reason: Option<String>,
}

impl Action {
    /// The models it tries, in order; empty for none.
    pub fn models(&self) -> &[ModelName] {
        &self.models
    }

    /// The effort it asks for.
    pub fn effort(&self) -> Option<Effort> {
        self.effort
    }

    /// Whether model and effort are floors, taken even if that costs more.
    pub fn raises(&self) -> bool {
        self.raise
    }

    /// The cap on output tokens of one request.
    pub fn output_cap_tokens(&self) -> Option<u64> {
        self.output_cap_tokens
    }

    /// What it says about going ahead.
    pub fn gate(&self) -> Option<Gate> {
        self.gate
    }

    /// Whether it changes the model or the effort.
    pub(super) fn routes(&self) -> bool {
        !self.models.is_empty() || self.effort.is_some()
    }

    /// Reads `then`; `ladder` replaces the word in `model`.
    pub(super) fn read(
        value: &Value<'_>,
        ladder: &[ModelName],
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        if value.get_ref().is_str() {
            return Self::read_word(value, problems);
        }
        let then = table(value, "then", problems)?;
        let fields = Fields::open(then, "`then`", &THEN_KEYS, problems);
        if fields.is_empty() {
            let help = "write then = \"keep\" for stages that stay as written".to_owned();
            problems.error("policy::empty", value.span(), "`then` is empty", Some(help));
        }
        let mut action = Self::default();
        if let Some(value) = fields.get("model") {
            action.models = model_names(value, "model", ladder, problems);
        }
        if let Some(value) = fields.get("effort") {
            action.effort = read_effort(value, problems);
        }
        if let Some(value) = fields.get("raise") {
            action.raise = boolean(value, "raise", problems)?;
            action.check_raise(value, ladder, problems);
        }
        action.output_cap_tokens =
            fields.get("output_cap").and_then(|value| output_cap(value, problems));
        if let Some(value) = fields.get("gate") {
            let word = text(value, "gate", problems)?;
            let options = [("deny", Gate::Deny), ("ask", Gate::Ask)];
            action.gate = choice(&word, "gate", &options, problems);
            if fields.get("reason").is_none() {
                let message = "`gate` without a `reason`";
                let help = "add reason = \"…\": it is what people read when they are stopped";
                problems.warning("policy::no-reason", value.span(), message, help);
            }
        }
        if let Some(value) = fields.get("reason") {
            action.reason = text(value, "reason", problems).map(|reason| reason.text);
        }
        Some(action)
    }

    /// The one word that `then` may be.
    fn read_word(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let word = text(value, "then", problems)?;
        if word.text == KEEP {
            return Some(Self::default());
        }
        let message = format!("`{}` is not something a rule can do", word.text);
        let help = format!("write then = \"{KEEP}\", or a table: then = {{ model = \"haiku\" }}");
        problems.error("policy::unknown-word", word.span, message, Some(help));
        None
    }

    /// What is stronger than what is only known from the ladder.
    fn check_raise(&self, value: &Value<'_>, ladder: &[ModelName], problems: &mut Problems<'_>) {
        if !self.raise {
            return;
        }
        if !self.routes() {
            let help = "add model or effort, or leave `raise` out".to_owned();
            let message = "`raise` without a model or an effort to raise to";
            problems.error("policy::raise", value.span(), message, Some(help));
        }
        let missing = self.models.iter().find(|model| !ladder.iter().any(|l| l.name == model.name));
        if let Some(model) = missing {
            let message = format!("`raise` to `{}`, which is not on the ladder", model.name);
            let help = "name it in the policy's ladder = [\"weakest\", …, \"strongest\"]: only \
                        the ladder says which model is stronger"
                .to_owned();
            problems.error("policy::raise", value.span(), message, Some(help));
        }
    }
}

/// In words: `model haiku, then sonnet; effort at most medium`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let bound = if self.raise { "at least" } else { "at most" };
        if !self.models.is_empty() {
            let names: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            let word = if self.raise { "model at least" } else { "model" };
            parts.push(format!("{word} {}", names.join(", then ")));
        }
        if let Some(effort) = self.effort {
            parts.push(format!("effort {bound} {}", effort.name()));
        }
        if let Some(cap) = self.output_cap_tokens {
            parts.push(format!("output cap {cap} tokens"));
        }
        if let Some(gate) = self.gate {
            let word = if gate == Gate::Deny { "deny" } else { "ask" };
            let reason = self.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            parts.push(format!("{word}{reason}"));
        }
        if parts.is_empty() {
            f.write_str("keep as written")
        } else {
            f.write_str(&parts.join("; "))
        }
    }
}

/// Models by name; the word `ladder` stands for all of `ladder`.
pub(super) fn model_names(
    value: &Value<'_>,
    key: &str,
    ladder: &[ModelName],
    problems: &mut Problems<'_>,
) -> Vec<ModelName> {
    let mut names: Vec<ModelName> = Vec::new();
    for text in texts(value, key, problems) {
        if text.text != LADDER {
            let place = problems.place(&text.span);
            names.push(ModelName { name: text.text.trim().to_owned(), place });
        } else if ladder.is_empty() {
            let help = "write ladder = [\"haiku\", \"sonnet\", \"opus\"] at the top, weakest first";
            let message = "the policy has no ladder";
            problems.error("policy::ladder", text.span, message, Some(help.to_owned()));
        } else {
            names.extend(ladder.iter().cloned());
        }
    }
    names
}

fn read_effort(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Effort> {
    let word = text(value, "effort", problems)?;
    let options = Effort::ALL.map(|effort| (effort.name(), effort));
    choice(&word, "effort", &options, problems)
}

/// Output tokens as a whole number, or as text: `8ktok`, `8kout`, `8k`.
fn output_cap(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<u64> {
    let read = |text: &str| {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.strip_suffix("tok").or_else(|| lower.strip_suffix("out"));
        number(digits.unwrap_or(&lower).trim_end())
    };
    let cap = as_whole(value).or_else(|| value.get_ref().as_str().and_then(read));
    let Some(cap) = cap.filter(|cap| *cap > 0) else {
        let message = "`output_cap` is not a number of output tokens";
        let help = "write \"8ktok\" or 8000".to_owned();
        problems.error("policy::output-cap", value.span(), message, Some(help));
        return None;
    };
    if cap < OUTPUT_CAP_LOW_TOKENS {
        let message = format!("an output cap of {cap} tokens cuts many answers");
        let help = "agents think inside the cap too: 4ktok is little, 8ktok is usual";
        problems.warning("policy::output-cap", value.span(), message, help);
    }
    Some(cap)
}

/// The session's model is always known.
pub(super) fn is_session(name: &str) -> bool {
    name == SESSION
}
