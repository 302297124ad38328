//! Calls that throw in a workflow: the clock and the dice. Found in the tree, not in the text.

use oxc::ast::ast::{CallExpression, NewExpression, Program, StaticMemberExpression};
use oxc::ast_visit::{Visit, walk};
use oxc::span::Span;

use super::meta::place;
use super::names::Names;
use crate::diagnostic::{Diagnostic, Severity};

/// A warning for each use of `Date.now`, `Math.random`, `new Date()` and `Date()`.
pub(super) fn warnings(text: &str, program: &Program<'_>, names: &Names) -> Vec<Diagnostic> {
    let mut clocks = Clocks { text, names, found: Vec::new() };
    clocks.visit_program(program);
    clocks.found
}

struct Clocks<'t> {
    text: &'t str,
    names: &'t Names,
    found: Vec<Diagnostic>,
}

impl Clocks<'_> {
    fn warn(&mut self, span: Span, what: &str, help: &str) {
        let diagnostic = Diagnostic::new(
            Severity::Warning,
            "script::clock",
            format!("{what} throws in a workflow: a resumed run must repeat itself"),
        )
        .with_help(help)
        .with_place(place(self.text, span));
        self.found.push(diagnostic);
    }

    fn warn_date(&mut self, span: Span, what: &str) {
        if !self.names.rebinds("Date") {
            self.warn(span, what, "pass a timestamp in through args");
        }
    }
}

impl<'a> Visit<'a> for Clocks<'_> {
    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let property = it.property.name.as_str();
        if property == "now" && it.object.is_specific_id("Date") {
            self.warn_date(it.span, "Date.now()");
        }
        if property == "random" && it.object.is_specific_id("Math") && !self.names.rebinds("Math") {
            self.warn(it.span, "Math.random()", "use the index in the label or prompt instead");
        }
        walk::walk_static_member_expression(self, it);
    }

    fn visit_new_expression(&mut self, it: &NewExpression<'a>) {
        if it.arguments.is_empty() && it.callee.is_specific_id("Date") {
            self.warn_date(it.span, "new Date()");
        }
        walk::walk_new_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if it.callee.is_specific_id("Date") {
            self.warn_date(it.span, "Date()");
        }
        walk::walk_call_expression(self, it);
    }
}
