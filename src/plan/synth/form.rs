//! A stage's schema, compiled: one node per value, with what its name says about it. Owns the
//! shape; compile.rs makes it, writer.rs fills it in.

use std::sync::Arc;

use super::pattern::Pattern;
use super::word_tables::{BooleanRule, ListRule, NumberRule, TextForm};
use crate::plan::assume::PinValue;
use crate::plan::widths::Cap;

/// A node's position in [`Form::nodes`].
pub(super) type NodeId = usize;

/// What a stage answers.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
    /// Present where drawing alone cannot promise a valid result.
    pub(super) validator: Option<jsonschema::Validator>,
    /// The share of its input that the stage passes on; `None` if it does not reduce.
    pub(super) keep: Option<f64>,
    /// Whether the stage repairs what checks find.
    pub(super) repairs: bool,
    /// Whether items refer to siblings, so that their names are to be kept.
    pub(super) refers: bool,
}

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// The property's own name; that of the list for its items.
    pub(super) name: Arc<str>,
    /// Names from the root, with dots; lists elided.
    pub(super) path: Arc<str>,
    /// The key of `path`, for draws.
    pub(super) key: u64,
    pub(super) pin: Option<PinValue>,
    /// Whether it is an item of the list with this name.
    pub(super) is_item: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    /// JSON text.
    Const(String),
    Enum(EnumForm),
    Boolean(BooleanForm),
    Integer(NumberForm),
    Number(NumberForm),
    Text(TextShape),
    List(ListForm),
    Object(ObjectForm),
    /// One of these.
    Either(Vec<NodeId>),
    /// Nothing is valid here.
    Never,
}

#[derive(Debug)]
pub(super) struct EnumForm {
    /// Worst first where ranked.
    pub(super) values: Vec<EnumValue>,
    /// Whether its words say how good something is.
    pub(super) ranked: bool,
    /// Whether it says how a check went, rather than what an item is.
    pub(super) gate: bool,
}

#[derive(Debug)]
pub(super) struct EnumValue {
    pub(super) json: String,
    pub(super) word: String,
    pub(super) weight: f64,
    pub(super) rank: f64,
    /// Position in the schema.
    pub(super) place: usize,
}

#[derive(Debug)]
pub(super) struct BooleanForm {
    pub(super) rule: BooleanRule,
}

#[derive(Debug)]
pub(super) struct NumberForm {
    pub(super) rule: NumberRule,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: Option<f64>,
    /// Positions in a list shown, or an id that counts from one.
    pub(super) role: NumberRole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberRole {
    Plain,
    /// A position in the list that the prompt shows, counted from this.
    Index(u32),
    /// Names an item.
    Id,
}

#[derive(Debug)]
pub(super) struct TextShape {
    pub(super) form: TextForm,
    pub(super) words: u32,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) pattern: Option<Pattern>,
    pub(super) format: Option<Format>,
    /// Whether it names something that may be shown in the prompt.
    pub(super) names: bool,
    /// Whether the prompt may list the words it can be.
    pub(super) listed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    DateTime,
    Time,
    Email,
    Uri,
    Uuid,
    Ipv4,
    Hostname,
}

/// How clearly the items of a list are about items that the prompt shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judging {
    No,
    /// They have an id or a position.
    Names,
    /// They hold a verdict or a grade.
    Verdicts,
}

#[derive(Debug)]
pub(super) struct ListForm {
    pub(super) rule: ListRule,
    pub(super) item: NodeId,
    pub(super) prefix: Vec<NodeId>,
    pub(super) min: usize,
    /// `None` where the schema sets no bound.
    pub(super) max: Option<usize>,
    /// From the property's description or the script's prose.
    pub(super) cap: Option<Cap>,
    pub(super) unique: bool,
    /// Whether no other list of the result could be meant by a cap without a noun.
    pub(super) only: bool,
    /// What its items say of what the prompt shows.
    pub(super) judging: Judging,
    /// The property that says where an item was found, of items that are found, not judged.
    pub(super) found: Option<Arc<str>>,
    /// Where there is a list of items to be told apart by a name: which property.
    pub(super) id: Option<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct ObjectForm {
    pub(super) fields: Vec<Field>,
    /// The share with which the check that this object reports goes well, if it reports one.
    pub(super) good_share: Option<f64>,
    /// Properties to add where `minProperties` asks for more than are named.
    pub(super) extra: usize,
    pub(super) extra_node: Option<NodeId>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    /// The name as JSON text, with its colon.
    pub(super) json: String,
    pub(super) node: NodeId,
    pub(super) required: bool,
    /// Whether it is there wherever there is room, though it is not required.
    pub(super) usual: bool,
}
