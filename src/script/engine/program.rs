//! A workflow compiled once, from which any number of executions start, on any thread.

use std::sync::{Arc, OnceLock};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::ports::script::{EngineError, Execution, ScriptProgram, Start};
use crate::workflow::{Lookup, SourceSet, WorkflowFacts, WorkflowRegistry};

use super::execution::LocalExecution;
use super::thrown::{Line, Spot};
use super::unit::{Bytecode, ScriptId, Unit};

/// A compiled workflow with the workflows it may call.
#[derive(Clone)]
pub struct Program(Arc<Units>);

/// The compiled texts of a program. Children are compiled when first called.
pub(super) struct Units {
    pub(super) main: Unit,
    pub(super) prelude: &'static Bytecode,
    pub(super) registry: WorkflowRegistry,
    /// Whether any of the texts mentions binary data.
    pub(super) wants_binary: bool,
    children: Vec<OnceLock<Result<Unit, Vec<Diagnostic>>>>,
}

impl Units {
    /// The child at `position` of the registry.
    pub(super) fn child(&self, position: usize) -> Result<&Unit, &[Diagnostic]> {
        let (Some(cell), Some(found)) =
            (self.children.get(position), self.registry.found.get(position))
        else {
            return Err(&[]);
        };
        cell.get_or_init(|| Unit::child(&found.source(), position)).as_ref().map_err(Vec::as_slice)
    }

    /// The author's place for a place in a wrapped script.
    pub(super) fn author_place(&self, at: &Spot) -> Option<Place> {
        Some(self.unit(at.script)?.author_place(at.line, at.column))
    }

    /// The start of a line of a script.
    pub(super) fn line_start(&self, at: Line) -> Option<Place> {
        Some(self.unit(at.script)?.place_of_line(at.line))
    }

    fn unit(&self, script: ScriptId) -> Option<&Unit> {
        match script {
            ScriptId::Main => Some(&self.main),
            // A stack trace is the script's own text: what it names is not compiled for that.
            ScriptId::Child(position) => self.children.get(position)?.get()?.as_ref().ok(),
        }
    }
}

impl Program {
    /// Reads and compiles `sources.main`, and those of the registry that it names. Takes time and
    /// memory that the script's author controls: in the sandbox only.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with at least one diagnostic.
    pub fn compile(sources: &SourceSet) -> Result<Self, EngineError> {
        let main = Unit::main(&sources.main).map_err(EngineError::Refused)?;
        let prelude = prelude()?;
        let registry = sources.registry.clone();
        let children = registry.found.iter().map(|_| OnceLock::new()).collect();
        let texts = registry.found.iter().map(|found| &found.text).chain([&sources.main.text]);
        let wants_binary = texts.into_iter().any(|text| mentions_binary(text));
        let units = Units { main, prelude, registry, wants_binary, children };
        for call in &units.main.facts.workflow_calls {
            if let Lookup::Found(position) =
                units.lookup(call.name.as_deref(), call.path.as_deref())
            {
                // What it is refused for is thrown where it is called.
                let _refused = units.child(position);
            }
        }
        Ok(Self(Arc::new(units)))
    }

    /// What is known of the main script without running it.
    pub fn facts(&self) -> &WorkflowFacts {
        &self.0.main.facts
    }

    /// The path and facts of each called child workflow that could be read.
    pub fn children(&self) -> Vec<(&str, &WorkflowFacts)> {
        let compiled = self.0.children.iter().zip(&self.0.registry.found);
        compiled
            .filter_map(|(cell, found)| {
                let unit = cell.get()?.as_ref().ok()?;
                Some((found.path.as_str(), &unit.facts))
            })
            .collect()
    }
}

impl Units {
    /// The file that a name or path means.
    pub(super) fn lookup(&self, name: Option<&str>, path: Option<&str>) -> Lookup {
        match (name, path) {
            (Some(name), _) => self.registry.by_name(name),
            (None, Some(path)) => self.registry.by_path(path),
            (None, None) => Lookup::Missing,
        }
    }
}

impl ScriptProgram for Program {
    fn start(&self, start: &Start) -> Result<Box<dyn Execution>, EngineError> {
        Ok(Box::new(LocalExecution::start(self.0.clone(), start)?))
    }
}

/// `Uint8Array` and its kin, `ArrayBuffer`, `DataView`, `Atomics`.
fn mentions_binary(text: &str) -> bool {
    let typed = ["8Array", "16Array", "32Array", "64Array", "ClampedArray"];
    let others = ["ArrayBuffer", "DataView", "Atomics"];
    typed.iter().chain(&others).any(|name| text.contains(name))
}

/// The dialect's own globals, compiled once per process.
fn prelude() -> Result<&'static Bytecode, EngineError> {
    static PRELUDE: OnceLock<Result<Bytecode, String>> = OnceLock::new();
    own(&PRELUDE, "prelude.js", include_str!("prelude.js"))
}

/// The `URL` shim, compiled when a script first asks for it.
pub(super) fn url_shim() -> Result<&'static Bytecode, EngineError> {
    static URL: OnceLock<Result<Bytecode, String>> = OnceLock::new();
    own(&URL, "url.js", include_str!("url.js"))
}

fn own(
    cell: &'static OnceLock<Result<Bytecode, String>>,
    name: &str,
    text: &str,
) -> Result<&'static Bytecode, EngineError> {
    let compiled =
        cell.get_or_init(|| Bytecode::compile(name, text, false).map_err(|thrown| thrown.line()));
    compiled.as_ref().map_err(|message| {
        EngineError::Refused(vec![Diagnostic::new(
            Severity::Error,
            "script::engine",
            format!("{name} does not compile: {message}"),
        )])
    })
}
