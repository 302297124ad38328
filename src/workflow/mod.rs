//! Facts of a workflow script that need no execution. The only module that names the JavaScript
//! parser. Owns `meta`, the static refusals and warnings, what planning reads off the text, and
//! the body as the engine runs it. Must not know how scripts are run or what agents cost.

mod agent_site;
mod body;
mod clocks;
mod facts;
mod finding;
mod lines;
mod meta;
mod names;
mod options_scan;
mod parsed;
mod prose;
mod refusal;
mod registry;
mod schema_scan;
mod source;
mod span_edit;
mod survey;
mod sweep;
mod text_marks;

pub use agent_site::{
    AgentSite, CallOptions, ModelSetting, Obstacle, OptionValue, Room, Settings, TextChoice,
    ValueForm,
};
pub use body::{Body, Insertion};
pub use facts::WorkflowFacts;
pub use finding::{
    ArgsKey, ArrayProperty, LoopBound, LoopKind, ProseCap, SliceCap, Sweep, WorkflowCall,
};
pub use meta::{Meta, MetaPhase};
pub use registry::{FoundIn, FoundWorkflow, Lookup, WorkflowRegistry};
pub use source::{Source, SourceSet};
pub use span_edit::{ForeignEdit, Rewritten, SpanEdit, TextEdit};
pub use sweep::asks_for_everything;
pub use text_marks::TextMark;

/// The largest script that the client accepts, bytes.
pub const SCRIPT_BYTES_MAX: usize = 512 * 1024;
