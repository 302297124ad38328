//! Everything known about a script without running it.

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use serde::{Deserialize, Serialize};

use super::agent_site::AgentSite;
use super::body::Body;
use super::finding::{ArgsKey, ArrayProperty, LoopBound, ProseCap, SliceCap, Sweep, WorkflowCall};
use super::lines::Lines;
use super::meta::Meta;
use super::names::Names;
use super::parsed::parse;
use super::refusal::{Accepted, check_program, check_text};
use super::source::Source;
use super::survey::{Survey, meta_reads};
use super::text_marks::{TextMark, text_marks};
use super::{clocks, schema_scan};
use crate::diagnostic::Diagnostic;

/// What a script's text says. Lists are in the order of the text and hold at most
/// [`WorkflowFacts::LIST_MAX`] entries each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowFacts {
    /// The script's name as given.
    pub source_name: String,
    /// `meta`.
    pub meta: Meta,
    /// What the author should know although the script runs.
    pub warnings: Vec<Diagnostic>,
    /// Array properties of schema literals: what fan-outs are as wide as.
    pub array_properties: Vec<ArrayProperty>,
    /// `.slice(0, N)`.
    pub slices: Vec<SliceCap>,
    /// Loops with known bounds.
    pub loops: Vec<LoopBound>,
    /// Numbers with nouns in prompts and descriptions.
    pub caps_in_prose: Vec<ProseCap>,
    /// The first text that asks for everything under a folder.
    #[serde(default)]
    pub sweep: Option<Sweep>,
    /// What it looks for in texts.
    #[serde(default)]
    pub text_marks: Vec<TextMark>,
    /// Keys of `args` that are read.
    pub args_keys: Vec<ArgsKey>,
    /// Whether `args` is mentioned at all.
    pub reads_args: bool,
    /// Whether `budget` is mentioned.
    pub reads_budget: bool,
    /// `workflow()` calls.
    pub workflow_calls: Vec<WorkflowCall>,
    /// `agent()` calls.
    pub agent_sites: Vec<AgentSite>,
    /// Whether a schema object is changed after it was made, so that its text must be taken anew
    /// at every call.
    pub changes_schemas: bool,
    /// What the engine runs.
    pub body: Body,
}

impl WorkflowFacts {
    /// The most entries of one list.
    pub const LIST_MAX: usize = 2_000;

    /// Reads `source`. Needs a stack of several MiB for deeply nested scripts and takes time that
    /// the author controls: call it in the sandbox only.
    ///
    /// # Errors
    /// Why the script is refused, at least one of severity error.
    pub fn read(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        check_text(&source.text)?;
        let allocator = Allocator::default();
        let program = parse(&allocator, &source.text)?;
        let accepted = check_program(&source.text, &program)?;
        Ok(Self::gather(source, &program, accepted))
    }

    fn gather(source: &Source, program: &Program<'_>, accepted: Accepted) -> Self {
        let Accepted { meta, meta_span } = accepted;
        let text = source.text.as_str();
        let lines = Lines::new(text);
        let names = Names::read(program);
        let mut survey = Survey::new(text, &lines, &names);
        survey.run(program, meta_span);
        let mut facts = survey.into_facts();
        facts.source_name.clone_from(&source.name);
        facts.meta = meta;
        facts.warnings = clocks::warnings(text, program, &names);
        facts.warnings.extend(meta_reads(&lines, program, meta_span));
        facts.array_properties = schema_scan::array_properties(&lines, program, &names, meta_span);
        facts.text_marks = text_marks(program);
        facts.body = Body::instrument(text, &lines, program, meta_span, &names);
        facts.truncate();
        facts
    }

    fn truncate(&mut self) {
        let most = Self::LIST_MAX;
        self.warnings.truncate(most);
        self.array_properties.truncate(most);
        self.slices.truncate(most);
        self.loops.truncate(most);
        self.caps_in_prose.truncate(most);
        self.args_keys.truncate(most);
        self.workflow_calls.truncate(most);
        self.agent_sites.truncate(most);
    }
}
