//! What `flyball doctor` found, one thing after the other.

use schemars::JsonSchema;
use serde::Serialize;

use super::page::{Page, wrapped};

/// Columns before what is said: the standing and the name.
const LEAD: usize = 16;

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Checkup {
    /// The version of this report's form.
    pub version: u32,
    /// The worst standing of all checks.
    pub standing: Standing,
    /// Every check, in the order they were made.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What: `claude`, `hook`, `ledger`.
    pub name: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// What was found.
    pub says: String,
    /// What to do about it.
    pub todo: Option<String>,
}

/// How something stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Fine.
    #[default]
    Ok,
    /// Worth a look.
    Warn,
    /// Something does not do what it is there for.
    Fail,
}

impl Check {
    /// It is fine.
    pub fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Self { name, standing: Standing::Ok, says: says.into(), todo: None }
    }

    /// It is worth a look.
    pub fn warn(name: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, standing: Standing::Warn, says: says.into(), todo: Some(todo.into()) }
    }

    /// It does not do what it is there for.
    pub fn fail(name: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { name, standing: Standing::Fail, says: says.into(), todo: Some(todo.into()) }
    }
}

impl Checkup {
    /// All of `checks`.
    pub fn of(checks: Vec<Check>) -> Self {
        let standing = checks.iter().map(|check| check.standing).max().unwrap_or_default();
        Self { version: 1, standing, checks }
    }

    /// The text for a terminal.
    pub fn text(&self, page: Page) -> String {
        self.checks.iter().map(|check| check.text(page)).collect()
    }
}

impl Check {
    fn text(&self, page: Page) -> String {
        let standing = match self.standing {
            Standing::Ok => page.green("ok  "),
            Standing::Warn => page.yellow("warn"),
            Standing::Fail => page.red("fail"),
        };
        let width = page.message_width().saturating_sub(LEAD);
        let says = wrapped(&self.says, width).into_iter();
        let todo = self.todo.iter().flat_map(|todo| wrapped(&format!("-> {todo}"), width));
        let name = self.name;
        let mut lead = format!("{standing}  {name:<9} ");
        let mut text = String::new();
        for line in says.chain(todo) {
            text.extend([&*lead, &line, "\n"]);
            lead = " ".repeat(LEAD);
        }
        text
    }
}
