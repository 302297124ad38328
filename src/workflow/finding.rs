//! What a planner reads off a script's text: bounds, widths and names. Plain data.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Place;

/// An array property of an object literal that looks like a JSON schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayProperty {
    /// The property's name; `items` chains are named after the property that holds them.
    pub name: String,
    /// `maxItems`, where it is a number or a constant.
    pub max_items: Option<u64>,
    /// `minItems`, likewise.
    pub min_items: Option<u64>,
    /// `description`, where it is a literal.
    pub description: Option<String>,
    /// Where the property is written.
    pub place: Place,
}

/// A `.slice(0, N)` whose N is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceCap {
    /// N.
    pub limit: u64,
    /// The name of what is sliced, where it has one: `findings` of `r.findings.slice(0, 6)`.
    pub of: Option<String>,
    /// Where.
    pub place: Place,
}

/// What kind of loop a bound was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopKind {
    /// `for (let i = 0; i < N; i++)`.
    For,
    /// `while (i < N)`, alone or among other conditions: a bound only if `i` counts rounds.
    While,
    /// `Array.from({ length: N }, …)`.
    ArrayFrom,
}

/// A loop whose number of rounds is bounded by a literal or a constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopBound {
    /// The most rounds.
    pub limit: u64,
    /// How it is written.
    pub kind: LoopKind,
    /// Where.
    pub place: Place,
}

/// Words that ask for everything under a folder, such as `every file in the repository`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The words.
    pub phrase: String,
    /// Where.
    pub place: Place,
}

/// A number with a noun in prose, such as `up to 6 findings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProseCap {
    /// The lower number of a range (`3-6 angles`) or of `exactly N` and `N … each`.
    pub min: Option<u64>,
    /// The cap.
    pub max: u64,
    /// What is counted, lower case: `findings`.
    pub noun: String,
    /// The words it was read from.
    pub phrase: String,
    /// Where the phrase begins.
    pub place: Place,
}

/// A key of `args` that the script reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgsKey {
    /// The key.
    pub name: String,
    /// Whether a default or a guard follows it: `args.x ?? 3`, `{ x = 3 } = args`, `args?.x`.
    pub has_default: bool,
    /// Where it is first read.
    pub place: Place,
}

/// A `workflow()` call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowCall {
    /// The name, where it is a literal.
    pub name: Option<String>,
    /// `scriptPath`, where it is a literal.
    pub path: Option<String>,
    /// Where.
    pub place: Place,
}
