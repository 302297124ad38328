//! An `agent()` call of a script, and how its options can be set by changing the text there.
//! Plain data, all that a caller needs who has the text but no parser. Decides nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::span_edit::{SpanEdit, quoted};
use crate::diagnostic::Place;
use crate::effort::Effort;

/// An `agent()` call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSite {
    /// `opts.label` as written, interpolations as `*`; `None` where it is not a literal.
    pub label: Option<String>,
    /// `opts.phase`, where it is a literal.
    pub phase: Option<String>,
    /// Where.
    pub place: Place,
    /// How its options are written.
    pub options: CallOptions,
}

/// How the options of an `agent()` call are written. Offsets are bytes of the script's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOptions {
    /// It has none: `agent(prompt)`.
    Absent {
        /// The end of the prompt.
        end: u32,
    },
    /// `agent(prompt, { … })`.
    Literal {
        /// The value that `model` has in the end, where the literal itself gives it.
        model: Option<OptionValue>,
        /// The same of `effort`.
        effort: Option<OptionValue>,
        /// The end of the last property; behind the opening brace where there is none.
        end: u32,
        /// What stands there.
        room: Room,
    },
    /// Any other expression: `agent(prompt, options)`.
    Expression {
        /// Its start.
        start: u32,
        /// Its end.
        end: u32,
        /// Whether a spread of it reads better in parentheses.
        loose: bool,
    },
    /// Which argument is which is decided when it runs: `agent(...list)`.
    Spread,
    /// It has no arguments at all.
    NoPrompt,
}

/// What stands where a property can be added to a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// A property before it.
    BehindProperty,
    /// An opening brace before it, and a closing one right behind.
    Empty,
    /// An opening brace before it, and blanks or comments behind.
    Blank,
}

/// The value of an option in a literal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionValue {
    /// Its start.
    pub start: u32,
    /// Its end.
    pub end: u32,
    /// How it is replaced.
    pub form: ValueForm,
    /// The texts that it chooses from, where it chooses and all of them are known:
    /// `deep ? 'opus' : 'sonnet'`.
    pub choices: Vec<TextChoice>,
}

/// How a value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueForm {
    /// Whole: finding it out does nothing else.
    Plain {
        /// How it is quoted, else `'`.
        quote: char,
    },
    /// Finding it out may do more, such as count, or takes several lines: it stays, and its value
    /// is not used.
    Acting,
    /// `{ model }`: the name stays, as the key.
    Shorthand,
}

/// One of the texts that a value chooses from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChoice {
    /// The text; empty where the option is then not given.
    pub text: String,
    /// Where it is written.
    pub start: u32,
    /// Its end.
    pub end: u32,
    /// How it is quoted, else `'`.
    pub quote: char,
}

/// What to set at a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The model.
    pub model: Option<ModelSetting>,
    /// The effort.
    pub effort: Option<Effort>,
}

/// Which model to set at a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSetting {
    /// Whatever it asks for.
    Always(String),
    /// By the model that it asks for, empty for none. What is not listed stays.
    ByAsked(BTreeMap<String, String>),
}

/// Why a call cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Spread arguments.
    #[error("its arguments are spread")]
    Spread,
    /// No arguments.
    #[error("it has no prompt")]
    NoPrompt,
    /// One text for what should differ.
    #[error("it asks for several models, and not by literals of its own")]
    OneText,
}

impl AgentSite {
    /// Whether literals of its own say which models it may ask for, and `asked` is one of them.
    pub fn tells_apart(&self, asked: &str) -> bool {
        matches!(&self.options, CallOptions::Literal { model: Some(value), .. }
            if value.choices.iter().any(|choice| choice.text == asked))
    }

    /// The edits that set options here. None of them adds or removes a line, and each of them lies between the parentheses of the call, so
    /// edits of calls in each other's arguments do not meet.
    ///
    /// # Errors
    /// What stands in the way; then nothing of it can be set here.
    pub fn set(&self, settings: &Settings) -> Result<Vec<SpanEdit>, Obstacle> {
        let mut edits = Vec::new();
        let mut added = Vec::new();
        let (model, effort) = match &self.options {
            CallOptions::Literal { model, effort, .. } => (model.as_ref(), effort.as_ref()),
            CallOptions::Spread => return Err(Obstacle::Spread),
            CallOptions::NoPrompt => return Err(Obstacle::NoPrompt),
            CallOptions::Absent { .. } | CallOptions::Expression { .. } => (None, None),
        };
        match (&settings.model, model) {
            (None, _) => {}
            (Some(ModelSetting::Always(name)), Some(value)) => edits.extend(value.replace(name)),
            (Some(ModelSetting::Always(name)), None) => added.push(("model", name.as_str())),
            (Some(ModelSetting::ByAsked(names)), value) => {
                edits.extend(value.ok_or(Obstacle::OneText)?.replace_choices(names)?);
            }
        }
        match (settings.effort, effort) {
            (None, _) => {}
            (Some(effort), Some(value)) => edits.extend(value.replace(effort.name())),
            (Some(effort), None) => added.push(("effort", effort.name())),
        }
        if !added.is_empty() {
            edits.extend(self.options.add(&added));
        }
        Ok(edits)
    }
}

impl CallOptions {
    /// The edits that give options which the text does not, or not in the end.
    fn add(&self, options: &[(&str, &str)]) -> Vec<SpanEdit> {
        let texts = options.iter().map(|(key, value)| format!("{key}: {}", quoted(value, '\'')));
        let added = texts.collect::<Vec<_>>().join(", ");
        match self {
            Self::Absent { end } => vec![SpanEdit::insert(*end, format!(", {{ {added} }}"))],
            Self::Literal { end, room, .. } => vec![SpanEdit::insert(
                *end,
                match room {
                    Room::BehindProperty => format!(", {added}"),
                    Room::Empty => format!(" {added} "),
                    Room::Blank => format!(" {added}"),
                },
            )],
            Self::Expression { start, end, loose } => {
                let (open, close) = if *loose { ("(", ")") } else { ("", "") };
                vec![
                    SpanEdit::insert(*start, format!("{{ ...{open}")),
                    SpanEdit::insert(*end, format!("{close}, {added} }}")),
                ]
            }
            Self::Spread | Self::NoPrompt => Vec::new(),
        }
    }
}

impl OptionValue {
    fn replace(&self, text: &str) -> Vec<SpanEdit> {
        match self.form {
            ValueForm::Plain { quote } => {
                vec![SpanEdit { start: self.start, end: self.end, now: quoted(text, quote) }]
            }
            ValueForm::Acting => vec![
                SpanEdit::insert(self.start, "(".to_owned()),
                SpanEdit::insert(self.end, format!(", {})", quoted(text, '\''))),
            ],
            ValueForm::Shorthand => {
                vec![SpanEdit::insert(self.end, format!(": {}", quoted(text, '\'')))]
            }
        }
    }

    /// Changes what it chooses from.
    fn replace_choices(&self, by: &BTreeMap<String, String>) -> Result<Vec<SpanEdit>, Obstacle> {
        let is_choice = |text: &String| self.choices.iter().any(|choice| choice.text == *text);
        if self.choices.is_empty() || !by.keys().all(is_choice) {
            return Err(Obstacle::OneText);
        }
        let edits = self.choices.iter().filter_map(|choice| {
            let text = by.get(&choice.text)?;
            let now = quoted(text, choice.quote);
            Some(SpanEdit { start: choice.start, end: choice.end, now })
        });
        Ok(edits.collect())
    }
}
