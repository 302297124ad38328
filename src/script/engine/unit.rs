//! One compiled script text.

use std::sync::Arc;

use rquickjs::module::{Module, WriteOptions};
use rquickjs::{Context, Runtime};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::workflow::{Body, Source, WorkflowFacts};

use super::thrown::{Spot, Thrown};

/// What `QuickJS` compiled a text to. Made by compiling only.
pub(super) struct Bytecode(Vec<u8>);

/// Heap that a compilation may use, bytes.
const COMPILE_HEAP_BYTES: usize = 512 << 20;
/// Stack of the thread that parses and compiles, bytes; `QuickJS` gets half of it.
const COMPILE_STACK_BYTES: usize = 256 << 20;

impl Bytecode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compiles `text` as a module called `name`. Without the texts of functions, which no script
    /// needs; `with_places` keeps lines for stack traces.
    pub(super) fn compile(name: &str, text: &str, with_places: bool) -> Result<Self, Thrown> {
        let engine = |error: rquickjs::Error| Thrown::internal(&error.to_string());
        let options = WriteOptions {
            strip_source: true,
            strip_debug: !with_places,
            ..WriteOptions::default()
        };
        let runtime = Runtime::new().map_err(engine)?;
        runtime.set_memory_limit(COMPILE_HEAP_BYTES);
        runtime.set_max_stack_size(COMPILE_STACK_BYTES / 2);
        let context = Context::full(&runtime).map_err(engine)?;
        context.with(|ctx| {
            let bytes =
                Module::declare(ctx.clone(), name, text).and_then(|module| module.write(options));
            bytes.map(Self).map_err(|error| Thrown::from_error(&ctx, &error))
        })
    }
}

/// A script with its facts and its bytecode.
pub(super) struct Unit {
    pub(super) facts: WorkflowFacts,
    pub(super) bytecode: Bytecode,
    text: String,
    role: Role,
}

/// Which script of a program a unit is, and so what its body is a function of.
struct Role {
    /// The path of a child.
    file: Option<Arc<str>>,
    /// Its hooks besides those that every body gets.
    parameters: &'static str,
}

/// The name of the main script in stack traces; see [`child_file`].
const MAIN_FILE: &str = "workflow.js";

/// The name of the child at `position` of the registry in stack traces.
fn child_file(position: usize) -> String {
    format!("child-{position}.js")
}

/// One script of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ScriptId {
    /// The one that is run.
    #[default]
    Main,
    /// The child at this position of the registry.
    Child(usize),
}

impl ScriptId {
    /// The script that a stack trace means by `file`; `None` for what is none of the author's.
    pub(super) fn of_file(file: &str) -> Option<Self> {
        if file == MAIN_FILE {
            return Some(Self::Main);
        }
        file.strip_prefix("child-")?.strip_suffix(".js")?.parse().ok().map(Self::Child)
    }
}

impl Unit {
    /// Reads and compiles the script that is run.
    pub(super) fn main(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        let role = Role { file: None, parameters: "" };
        on_deep_stack(|| Self::build(source, MAIN_FILE, role))
    }

    /// Reads and compiles the script at `position` of the registry, which `workflow()` calls: it
    /// gets its own hooks as parameters.
    pub(super) fn child(source: &Source, position: usize) -> Result<Self, Vec<Diagnostic>> {
        let file = Some(source.name.as_str().into());
        let role = Role { file, parameters: ",agent,workflow,args,phase" };
        on_deep_stack(|| Self::build(source, &child_file(position), role))
    }

    fn build(source: &Source, file: &str, role: Role) -> Result<Self, Vec<Diagnostic>> {
        let facts = WorkflowFacts::read(source)?;
        let head = head(&facts.body, role.parameters);
        // All on the first line, so that lines stay true.
        let wrapped = format!("{head}{}\n}};", facts.body.text);
        match Bytecode::compile(file, &wrapped, true) {
            Ok(bytecode) => Ok(Self { facts, bytecode, text: source.text.clone(), role }),
            Err(thrown) => Err(vec![refusal(&source.text, &facts.body, &head, &thrown)]),
        }
    }

    /// The author's place for a line and column of the wrapped script, all from 1. `QuickJS`
    /// knows the columns of calls and statements only.
    pub(super) fn author_place(&self, line: u32, column: u32) -> Place {
        let head = head(&self.facts.body, self.role.parameters);
        author_place(&self.text, &self.facts.body, &head, line, column)
            .in_file(self.role.file.clone())
    }

    /// The start of one of the author's lines.
    pub(super) fn place_of_line(&self, line: u32) -> Place {
        let (file, offset) = (self.role.file.clone(), offset_of(&self.text, line, 1));
        Place { file, line, column: 1, offset, length: 0 }
    }
}

/// What stands in front of a body: a module that exports a function of the body's hooks, which
/// returns the async body.
fn head(body: &Body, parameters: &str) -> String {
    let (agent, end) = (&body.agent_name, &body.end_name);
    format!("export default ({agent},{end}{parameters})=>async()=>{{'use strict';")
}

fn refusal(text: &str, body: &Body, head: &str, thrown: &Thrown) -> Diagnostic {
    let message = if thrown.is_stack_overflow() {
        "the script is nested too deeply to be compiled".to_owned()
    } else {
        format!("{}: {}", thrown.name, thrown.message)
    };
    let mut diagnostic = Diagnostic::new(Severity::Error, "script::syntax", message);
    let place = |at: &Spot| author_place(text, body, head, at.line, at.column);
    diagnostic.place = thrown.at.as_ref().map(place);
    diagnostic
}

fn author_place(text: &str, body: &Body, head: &str, line: u32, column: u32) -> Place {
    let head_columns = if line == 1 { head.chars().count() } else { 0 };
    let column = column.saturating_sub(u32::try_from(head_columns).unwrap_or(0)).max(1);
    let column = body.author_column(line, column);
    Place { file: None, line, column, offset: offset_of(text, line, column), length: 0 }
}

/// The byte offset of a line and column, both from 1.
fn offset_of(text: &str, line: u32, column: u32) -> u32 {
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    let mut start = 0;
    for (position, content) in text.split_inclusive('\n').enumerate() {
        if position + 1 == line as usize {
            let skipped = content.chars().take(column.saturating_sub(1) as usize);
            return narrow(start + skipped.map(char::len_utf8).sum::<usize>());
        }
        start += content.len();
    }
    narrow(text.len())
}

/// Runs `work` on a thread with a stack that deep nesting does not exhaust soon.
fn on_deep_stack<T: Send>(
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send,
) -> Result<T, Vec<Diagnostic>> {
    let failed = |what: &str| {
        vec![Diagnostic::new(Severity::Error, "script::engine", format!("cannot compile: {what}"))]
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(COMPILE_STACK_BYTES);
        match thread.spawn_scoped(scope, work) {
            Err(error) => Err(failed(&error.to_string())),
            Ok(handle) => handle.join().unwrap_or_else(|_| Err(failed("the compiler panicked"))),
        }
    })
}
