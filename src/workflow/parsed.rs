//! One parse of a script: the tree, or why there is none.

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser};
use oxc::span::SourceType;

use crate::diagnostic::{Diagnostic, Place, Severity};

/// Parses `text` as the body of a workflow: a module in which `return` is allowed.
pub(super) fn parse<'a>(
    allocator: &'a Allocator,
    text: &'a str,
) -> Result<Program<'a>, Vec<Diagnostic>> {
    let parsed = run(allocator, text, SourceType::mjs());
    match parsed {
        Ok(program) => Ok(program),
        Err(first) if run(allocator, text, SourceType::ts()).is_ok() => {
            Err(vec![typescript(text, &first)])
        }
        Err(first) => Err(vec![syntax(text, &first)]),
    }
}

fn run<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    source_type: SourceType,
) -> Result<Program<'a>, OxcDiagnostic> {
    let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
    let parsed = Parser::new(allocator, text, source_type).with_options(options).parse();
    let panicked = parsed.panicked;
    match parsed.diagnostics.into_vec().into_iter().next() {
        Some(first) => Err(first),
        None if panicked => Err(OxcDiagnostic::error("the parser gave up")),
        None => Ok(parsed.program),
    }
}

fn place_of(text: &str, error: &OxcDiagnostic) -> Option<Place> {
    let label = error.labels.first()?;
    Some(Place::at(text, label.offset() as usize, label.len() as usize))
}

fn syntax(text: &str, error: &OxcDiagnostic) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::new(Severity::Error, "script::syntax", format!("syntax error: {error}"));
    diagnostic.place = place_of(text, error);
    diagnostic.help = error.help.as_deref().map(str::to_owned);
    diagnostic
}

fn typescript(text: &str, error: &OxcDiagnostic) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(
        Severity::Error,
        "script::typescript",
        "this is TypeScript; workflow scripts are plain JavaScript",
    )
    .with_help("remove type annotations, interfaces and `as` casts");
    diagnostic.place = place_of(text, error);
    diagnostic
}
