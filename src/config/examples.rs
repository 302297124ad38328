//! The workflows that come with flyball, named `example:NAME`.

/// One shipped workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What stands after `example:`.
    pub name: &'static str,
    /// The script.
    pub text: &'static str,
}

macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        &[$(Example {
            name: $name,
            text: include_str!(concat!("../../examples/", $name, ".js")),
        }),*]
    };
}

/// Every shipped workflow, by name.
pub const EXAMPLES: &[Example] = examples![
    "bug-hunt",
    "dbt-models",
    "deep-research",
    "judge-panel",
    "migrate-files",
    "release-checks",
    "release-notes",
    "release-train",
    "review-200",
    "review-diff",
    "whole-desktop",
];

/// The shipped workflow of that name.
pub fn example(name: &str) -> Option<&'static Example> {
    EXAMPLES.iter().find(|example| example.name == name)
}
