//! The text of a workflow and of the workflows it may call.

use serde::{Deserialize, Serialize};

use super::registry::WorkflowRegistry;

/// One script as found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is from, for people: a path or a saved workflow's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A script from its name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// A script with everything that `workflow()` could find from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSet {
    /// The script that is run.
    pub main: Source,
    /// What its `workflow()` calls may resolve to.
    #[serde(default)]
    pub registry: WorkflowRegistry,
}

impl SourceSet {
    /// A script that finds no other workflows.
    pub fn alone(main: Source) -> Self {
        Self { main, registry: WorkflowRegistry::default() }
    }
}
