//! `[hook]` of `flyball.toml`: what the launch hook decides by, where its flags say nothing.

use serde::Deserialize;
use toml::Spanned;

use super::settings::{dollars, parsed};
use crate::diagnostic::Diagnostic;
use crate::gate::Gate;
use crate::money::Picodollars;

/// What `[hook]` says; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSettings {
    /// At most this, in 9 of 10 runs, goes ahead without a word.
    pub allow_under: Option<Picodollars>,
    /// Above this is asked.
    pub ask_over: Option<Picodollars>,
    /// Above this is denied.
    pub deny_over: Option<Picodollars>,
    /// What becomes of Claude Code's own workflows.
    pub built_in: Option<Gate>,
    /// Whether a call that could not be checked goes ahead.
    pub fail_open: Option<bool>,
}

impl HookSettings {
    /// `self` where it says something, else `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            allow_under: self.allow_under.or(below.allow_under),
            ask_over: self.ask_over.or(below.ask_over),
            deny_over: self.deny_over.or(below.deny_over),
            built_in: self.built_in.or(below.built_in),
            fail_open: self.fail_open.or(below.fail_open),
        }
    }
}

/// The table as its format allows it, before the values are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct HookTable {
    allow_under: Option<Spanned<String>>,
    ask_over: Option<Spanned<String>>,
    deny_over: Option<Spanned<String>>,
    built_in: Option<Spanned<String>>,
    fail_open: Option<bool>,
}

impl HookTable {
    pub(super) fn resolve(self, text: &str, wrong: &mut Vec<Diagnostic>) -> HookSettings {
        let mut amount = |value: Option<Spanned<String>>| {
            value.and_then(|value| parsed(&value, text, wrong, dollars))
        };
        HookSettings {
            allow_under: amount(self.allow_under),
            ask_over: amount(self.ask_over),
            deny_over: amount(self.deny_over),
            built_in: self.built_in.and_then(|gate| parsed(&gate, text, wrong, gate_named)),
            fail_open: self.fail_open,
        }
    }
}

/// The gate of that name, or what there is.
pub fn gate_named(name: &str) -> Result<Gate, String> {
    match name {
        "allow" => Ok(Gate::Allow),
        "ask" => Ok(Gate::Ask),
        "deny" => Ok(Gate::Deny),
        _ => Err(format!("`{name}` is none of allow, ask, deny")),
    }
}
