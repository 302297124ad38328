//! The body of a script as the engine runs it: the same lines, with `return`s and `agent()` calls
//! that say where they are.

use oxc::ast::ast::{ArrowFunctionExpression, CallExpression, Function, Program, ReturnStatement};
use oxc::ast_visit::{Visit, walk};
use oxc::span::{GetSpan, Span};
use oxc::syntax::scope::ScopeFlags;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::names::Names;

/// The instrumented body. Every line is where it was; `meta` is blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Statements of an async strict function, to be wrapped by the engine.
    pub text: String,
    /// Name of the function `(line, column, prompt, opts)` that the text calls for a placed `agent()`.
    pub agent_name: String,
    /// Name of the function `(line, value) -> value` that the text calls for a top-level `return`.
    pub end_name: String,
    /// What was inserted, by position.
    pub insertions: Vec<Insertion>,
}

/// Characters that the script's author did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insertion {
    /// Line, from 1.
    pub line: u32,
    /// Column in the author's text before which they stand, from 1.
    pub column: u32,
    /// How many characters.
    pub added: u32,
}

impl Body {
    /// Blanks `meta` and places what `program` calls.
    pub(super) fn instrument(
        text: &str,
        lines: &Lines<'_>,
        program: &Program<'_>,
        meta: Span,
        names: &Names,
    ) -> Self {
        let suffix = free_suffix(text);
        let mut placing = Placing {
            text,
            lines,
            suffix: &suffix,
            places_agents: !names.rebinds("agent"),
            depth: 0,
            inserts: Vec::new(),
        };
        placing.visit_program(program);
        let mut inserts = placing.inserts;
        inserts.sort_by_key(|(offset, _)| *offset);
        let mut body = Self {
            text: String::with_capacity(text.len() + inserts.len() * 12),
            agent_name: format!("agent{suffix}"),
            end_name: format!("end{suffix}"),
            insertions: Vec::with_capacity(inserts.len()),
        };
        body.assemble(text, meta, &inserts);
        body
    }

    /// One walk over the text: copies it, blanks `meta`, inserts and counts lines and columns.
    fn assemble(&mut self, text: &str, meta: Span, inserts: &[(usize, String)]) {
        let blank = meta.start as usize..meta.end as usize;
        let mut waiting = inserts.iter().peekable();
        let (mut line, mut column) = (1, 1);
        for (offset, character) in text.char_indices() {
            while let Some((_, added)) = waiting.next_if(|(at, _)| *at <= offset) {
                self.add(line, column, added);
            }
            let ends_line = matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}');
            let is_blank = blank.contains(&offset) && !ends_line;
            self.text.push(if is_blank { ' ' } else { character });
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        for (_, added) in waiting {
            self.add(line, column, added);
        }
    }

    fn add(&mut self, line: u32, column: u32, text: &str) {
        self.text.push_str(text);
        let added = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.insertions.push(Insertion { line, column, added });
    }

    /// The author's column for `column` of the instrumented `line`; both from 1.
    pub fn author_column(&self, line: u32, column: u32) -> u32 {
        let mut shift = 0_u32;
        for insertion in self.insertions.iter().filter(|insertion| insertion.line == line) {
            if insertion.column.saturating_add(shift) >= column {
                break;
            }
            shift = shift.saturating_add(insertion.added);
        }
        column.saturating_sub(shift).max(1)
    }
}

/// A suffix that makes names which the script does not contain.
fn free_suffix(text: &str) -> String {
    let mut suffix = "$at".to_owned();
    while text.contains(&suffix) {
        suffix.push('$');
    }
    suffix
}

struct Placing<'t> {
    text: &'t str,
    lines: &'t Lines<'t>,
    suffix: &'t str,
    places_agents: bool,
    depth: u32,
    inserts: Vec<(usize, String)>,
}

impl Placing<'_> {
    fn insert(&mut self, offset: u32, text: String) {
        self.inserts.push((offset as usize, text));
    }
}

impl<'a> Visit<'a> for Placing<'_> {
    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.depth += 1;
        walk::walk_function(self, it, flags);
        self.depth -= 1;
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.depth += 1;
        walk::walk_arrow_function_expression(self, it);
        self.depth -= 1;
    }

    fn visit_return_statement(&mut self, it: &ReturnStatement<'a>) {
        if self.depth == 0 {
            let (line, suffix) = (self.lines.line(it.span.start), self.suffix);
            if let Some(argument) = &it.argument {
                let span = argument.span();
                // The value in its own parentheses: it may be a sequence.
                self.insert(span.start, format!("end{suffix}({line},("));
                walk::walk_return_statement(self, it);
                self.insert(span.end, "))".to_owned());
            } else {
                // Without its semicolon it would swallow the next line; with a second one it
                // would cut off an `else`.
                let written = self.text.get(..it.span.end as usize).unwrap_or("");
                let semicolon = if written.ends_with(';') { "" } else { ";" };
                self.insert(it.span.start + 6, format!(" end{suffix}({line}){semicolon}"));
            }
        } else {
            walk::walk_return_statement(self, it);
        }
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if self.places_agents
            && it.callee.is_specific_id("agent")
            && let Some(first) = it.arguments.first()
        {
            let place = self.lines.place(it.span);
            self.insert(it.callee.span().end, self.suffix.to_owned());
            self.insert(first.span().start, format!("{},{},", place.line, place.column));
        }
        walk::walk_call_expression(self, it);
    }
}
