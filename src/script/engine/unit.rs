//! One compiled script text.

use rquickjs::module::{Module, WriteOptions};
use rquickjs::{Context, Runtime};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::workflow::{Body, Source, WorkflowFacts};

use super::thrown::Thrown;

/// What QuickJS compiled a text to. Made by compiling only.
pub(super) struct Bytecode(Vec<u8>);

/// Heap that a compilation may use, bytes.
const COMPILE_HEAP_BYTES: usize = 512 << 20;
/// Stack of the thread that parses and compiles, bytes; QuickJS gets half of it.
const COMPILE_STACK_BYTES: usize = 256 << 20;

impl Bytecode {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compiles `text` as a module called `name`.
    pub(super) fn compile(name: &str, text: &str) -> Result<Self, Thrown> {
        let engine = |error: rquickjs::Error| Thrown::internal(&error.to_string());
        let runtime = Runtime::new().map_err(engine)?;
        runtime.set_memory_limit(COMPILE_HEAP_BYTES);
        runtime.set_max_stack_size(COMPILE_STACK_BYTES / 2);
        let context = Context::full(&runtime).map_err(engine)?;
        context.with(|ctx| {
            let bytes = Module::declare(ctx.clone(), name, text)
                .and_then(|module| module.write(WriteOptions::default()));
            bytes.map(Self).map_err(|error| Thrown::from_error(&ctx, &error))
        })
    }
}

/// A script with its facts and its bytecode.
pub(super) struct Unit {
    pub(super) facts: WorkflowFacts,
    pub(super) bytecode: Bytecode,
}

/// The name of the main script in stack traces.
pub(super) const MAIN_FILE: &str = "workflow.js";
/// The name of child scripts in stack traces.
pub(super) const CHILD_FILE: &str = "child.js";

impl Unit {
    /// Reads and compiles the script that is run.
    pub(super) fn main(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        Self::build(source, MAIN_FILE, "")
    }

    /// Reads and compiles a script that `workflow()` calls: it gets its own hooks as parameters.
    pub(super) fn child(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        Self::build(source, CHILD_FILE, ",agent,workflow,args,phase")
    }

    fn build(source: &Source, file: &str, parameters: &str) -> Result<Self, Vec<Diagnostic>> {
        on_deep_stack(|| {
            let facts = WorkflowFacts::read(source)?;
            let text = wrap(&facts.body, parameters);
            let bytecode = Bytecode::compile(file, &text)
                .map_err(|thrown| vec![refusal(source, &facts.body, parameters, thrown)])?;
            Ok(Self { facts, bytecode })
        })
    }
}

/// The module around a body: a function of its hooks that returns the async body. All on the first
/// line, so that lines stay true.
fn wrap(body: &Body, parameters: &str) -> String {
    format!("{}{}\n}};", head(body, parameters), body.text)
}

fn head(body: &Body, parameters: &str) -> String {
    let (agent, end) = (&body.agent_name, &body.end_name);
    format!("export default ({agent},{end}{parameters})=>async()=>{{'use strict';")
}

/// The author's place for a line and column of the wrapped text.
pub(super) fn author_place(body: &Body, parameters: &str, line: u32, column: u32) -> Place {
    let head_columns = if line == 1 { head(body, parameters).chars().count() } else { 0 };
    let column = column.saturating_sub(u32::try_from(head_columns).unwrap_or(0)).max(1);
    Place { line, column: body.author_column(line, column), offset: 0, length: 0 }
}

fn refusal(source: &Source, body: &Body, parameters: &str, thrown: Thrown) -> Diagnostic {
    let message = if thrown.is_stack_overflow() {
        "the script is nested too deeply to be compiled".to_owned()
    } else {
        format!("{}: {}", thrown.name, thrown.message)
    };
    let diagnostic = Diagnostic::new(Severity::Error, "script::syntax", message);
    match thrown.at {
        None => diagnostic,
        Some((line, column)) => {
            let mut place = author_place(body, parameters, line, column);
            place.offset = offset_of(&source.text, place.line, place.column);
            diagnostic.with_place(place)
        }
    }
}

/// The byte offset of a line and column, both from 1.
pub(super) fn offset_of(text: &str, line: u32, column: u32) -> u32 {
    let mut start = 0;
    for (position, content) in text.split_inclusive('\n').enumerate() {
        if position + 1 == line as usize {
            let skip = content.chars().take(column.saturating_sub(1) as usize);
            start += skip.map(char::len_utf8).sum::<usize>();
            return u32::try_from(start).unwrap_or(u32::MAX);
        }
        start += content.len();
    }
    u32::try_from(text.len()).unwrap_or(u32::MAX)
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
