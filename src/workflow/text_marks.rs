//! What a script looks for in texts: the words and patterns by which it tells one line of an
//! agent's answer from another.

use std::collections::BTreeSet;

use oxc::ast::ast::{
    Argument, BinaryExpression, CallExpression, Expression, MemberExpression, Program,
    RegExpLiteral,
};
use oxc::ast_visit::{Visit, walk};
use serde::{Deserialize, Serialize};

/// Something that a script looks for in a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TextMark {
    /// These letters.
    Literal(String),
    /// What this regular expression matches, without slashes and flags.
    Pattern(String),
}

/// More are no sign by which lines are told apart, but a table of words.
const MARKS_MAX: usize = 8;
const BYTES_MAX: usize = 80;
const METHODS: [&str; 6] =
    ["startsWith", "endsWith", "includes", "indexOf", "lastIndexOf", "split"];

/// The first of them, each once; words that something is compared with stand behind the others,
/// for most of them are no lines.
pub(super) fn text_marks(program: &Program<'_>) -> Vec<TextMark> {
    let mut marks = Marks::default();
    marks.visit_program(program);
    for word in std::mem::take(&mut marks.compared) {
        marks.take(TextMark::Literal(word));
    }
    marks.found
}

#[derive(Default)]
struct Marks {
    found: Vec<TextMark>,
    seen: BTreeSet<TextMark>,
    compared: Vec<String>,
}

impl Marks {
    fn take(&mut self, mark: TextMark) {
        let (TextMark::Literal(text) | TextMark::Pattern(text)) = &mark;
        let tells = text.trim().len() > 1 && text.len() <= BYTES_MAX;
        if tells && self.found.len() < MARKS_MAX && self.seen.insert(mark.clone()) {
            self.found.push(mark);
        }
    }
}

impl<'a> Visit<'a> for Marks {
    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        let member = it.callee.get_inner_expression().as_member_expression();
        let method = member.and_then(MemberExpression::static_property_name);
        if method.is_some_and(|method| METHODS.contains(&method))
            && let Some(Expression::StringLiteral(text)) =
                it.arguments.first().and_then(Argument::as_expression)
        {
            self.take(TextMark::Literal(text.value.to_string()));
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_binary_expression(&mut self, it: &BinaryExpression<'a>) {
        let is_kind = |side: &Expression<'a>| matches!(side, Expression::UnaryExpression(unary) if unary.operator.is_typeof());
        let sides = [&it.left, &it.right];
        if it.operator.is_equality() && !sides.into_iter().any(is_kind) {
            for side in sides {
                if let Expression::StringLiteral(text) = side {
                    self.compared.push(text.value.to_string());
                }
            }
        }
        walk::walk_binary_expression(self, it);
    }

    fn visit_reg_exp_literal(&mut self, it: &RegExpLiteral<'a>) {
        self.take(TextMark::Pattern(it.regex.pattern.text.to_string()));
    }
}
