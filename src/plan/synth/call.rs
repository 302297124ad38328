//! What goes into one synthetic result and what comes out. Owns no behaviour.

use std::sync::Arc;

use crate::id::StageKey;
use crate::ports::script::Outcome;

/// One `agent()` call that needs a result.
#[derive(Clone, Copy, Debug)]
pub struct SynthCall<'a> {
    /// Its stage.
    pub stage: StageKey,
    /// The stage's name as people type it; what `--assume Stage.property` is matched against.
    pub stage_name: &'a str,
    /// The stable key of this call: equal in every sample, unaffected by calls elsewhere. Repeats
    /// of the same call should differ in it (fold the repetition in).
    pub identity: u64,
    /// Which call of its stage this is in this sample, from 0.
    pub ordinal: u32,
    /// How many results of its stage the script had been given when it made this call. Tells a
    /// new round from one more member of the same fan-out.
    pub delivered: u32,
    /// `opts.label`.
    pub label: Option<&'a str>,
    /// The prompt.
    pub prompt: &'a str,
    /// `opts.schema` as JSON text.
    pub schema: Option<&'a Arc<str>>,
    /// Length of the agent's final output; a text result is as long.
    pub text_tokens: u64,
}

/// A synthetic result.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// What the script is told: text without a schema, JSON with one; a rejection where the schema
    /// cannot be used.
    pub outcome: Outcome,
    /// What was decided, for an analysis of what drives the cost.
    pub factors: Vec<Factor>,
    /// Strings that occur in this result and in no earlier one of this sample. A later prompt that
    /// holds one quotes this result.
    pub quotes: Vec<String>,
    /// How many earlier calls of this sample this call's prompt quotes.
    pub quoted_calls: u32,
    /// Whether `--result` gave the result.
    pub pinned: bool,
}

/// One decision in a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Stage and property path, such as `findings` or `findings.severity`. Over a list's items the
    /// value is the mean.
    pub key: (StageKey, Arc<str>),
    /// What was decided.
    pub kind: FactorKind,
    /// The value.
    pub value: f64,
}

/// What a decision is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// A list's length.
    Length,
    /// The same of a list that is a text.
    Lines,
    /// A boolean (0 or 1), or how good an enum's pick is (its position from worst, 0, to best, 1).
    Share,
    /// A number that is neither a position nor an id.
    Number,
}

/// Answers that push a script to its limits, to find out what bounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Extremes {
    /// How far what has no bound is pushed.
    pub reach: Reach,
    /// What booleans say.
    pub booleans: Booleans,
    /// Which word an enum takes: 0 the first, 1 the next, and so on, round again at the end.
    pub enum_index: usize,
    /// Which end of their range numbers take.
    pub numbers: Numbers,
    /// Whether texts hold what the script looks for in them, each in lines of its own.
    pub marked: bool,
}

/// How far a probe pushes what has no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Length of lists whose schema has no `maxItems`; lists that have one get that many.
    pub lists: usize,
    /// What numbers at their high end say whose schema has no `maximum`, or one above what a run
    /// can start; with 1, others say no more than 1 either.
    pub numbers: usize,
    /// How many of each kind of line a text has; with 1 it is a line of a few words.
    pub texts: usize,
}

impl Reach {
    /// As short as can be: one of everything.
    pub const LEAST: Self = Self { lists: 1, numbers: 1, texts: 1 };
}

/// Which end of their range the numbers of a probe take. Positions and ids are as drawn unless
/// they are named: a script that looks up what is not there ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As drawn.
    Drawn,
    /// The high one.
    High,
    /// The low one.
    Low,
    /// The one that keeps a script working: counts are high, scores are low.
    MoreWork,
    /// The high one, of positions and ids too.
    AllHigh,
    /// The low one, likewise.
    AllLow,
}

/// What the booleans of a probe say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booleans {
    /// All true.
    True,
    /// All false.
    False,
    /// Whatever keeps a script working: checks fail, findings are real, there is more.
    MoreWork,
    /// Whatever lets a script end.
    LessWork,
    /// Bit `n` of the pattern for calls of the stage that is `n` mod 64 by its key.
    ByStage(u64),
}

/// Something in a result that a probe pushed, by the path of its property.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pushed {
    /// A list without `maxItems`.
    List(Arc<str>),
    /// A number without a `maximum`, or with one above what a run can start.
    Number(Arc<str>),
    /// A number between bounds, or at its low end, or as drawn.
    BoundedNumber(Arc<str>),
    /// A text, told in several lines; empty for a result that is one.
    Text(Arc<str>),
}

impl Pushed {
    /// Whether nothing bounds it.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::BoundedNumber(_))
    }

    /// Its path.
    pub const fn path(&self) -> &Arc<str> {
        match self {
            Self::List(path)
            | Self::Number(path)
            | Self::BoundedNumber(path)
            | Self::Text(path) => path,
        }
    }
}

/// The result of a probe, and what it met without a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What the script is told.
    pub outcome: Outcome,
    /// What was pushed, by path.
    pub pushed: Vec<Pushed>,
    /// Whether the result was cut short because it grew too long.
    pub cut: bool,
}
