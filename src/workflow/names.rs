//! Names that stand for known values: numeric and text constants, and other names of `args`.

use std::collections::{BTreeMap, BTreeSet};

use oxc::ast::ast::{
    Argument, AssignmentExpression, BinaryOperator, BindingIdentifier, Expression,
    ObjectPropertyKind, Program, VariableDeclaration,
};
use oxc::ast_visit::{Visit, walk};

/// The names of one script. A name declared twice with different values stands for none.
#[derive(Default)]
pub(super) struct Names {
    numbers: BTreeMap<String, Option<u64>>,
    texts: BTreeMap<String, Option<String>>,
    /// How often each name is bound or assigned.
    bound: BTreeMap<String, u32>,
    args_aliases: BTreeSet<String>,
}

impl Names {
    pub(super) fn read(program: &Program<'_>) -> Self {
        let mut names = Self::default();
        names.visit_program(program);
        names
    }

    /// Whether the script binds or assigns `name` anywhere: it may then not mean the global.
    pub(super) fn rebinds(&self, name: &str) -> bool {
        self.bound.contains_key(name)
    }

    /// The text of a literal, or of a constant whose name stands for nothing else anywhere.
    pub(super) fn certain_text(&self, expression: &Expression<'_>) -> Option<String> {
        let name = expression.get_identifier_reference().map(|id| id.name.as_str());
        let certain = name.is_none_or(|name| self.bound.get(name) == Some(&1));
        self.text(expression).filter(|_| certain)
    }

    /// The exact value of an expression made of numbers and constants.
    pub(super) fn number(&self, expression: &Expression<'_>) -> Option<u64> {
        match expression {
            Expression::NumericLiteral(literal) => whole(literal.value),
            Expression::Identifier(id) => self.numbers.get(id.name.as_str()).copied().flatten(),
            Expression::ParenthesizedExpression(inner) => self.number(&inner.expression),
            Expression::StaticMemberExpression(member) => {
                let object = member.object.get_identifier_reference()?;
                let key = format!("{}.{}", object.name, member.property.name);
                self.numbers.get(&key).copied().flatten()
            }
            Expression::BinaryExpression(binary) => {
                let left = self.number(&binary.left)?;
                let right = self.number(&binary.right)?;
                match binary.operator {
                    BinaryOperator::Addition => left.checked_add(right),
                    BinaryOperator::Subtraction => left.checked_sub(right),
                    BinaryOperator::Multiplication => left.checked_mul(right),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The most an expression can be: its value, or the known arguments of a `Math.min`.
    pub(super) fn upper_bound(&self, expression: &Expression<'_>) -> Option<u64> {
        if let Expression::CallExpression(call) = expression
            && call.callee.is_specific_member_access("Math", "min")
        {
            let arguments = call.arguments.iter().filter_map(Argument::as_expression);
            return arguments.filter_map(|argument| self.upper_bound(argument)).min();
        }
        self.number(expression)
    }

    /// The text of a literal or a constant.
    pub(super) fn text(&self, expression: &Expression<'_>) -> Option<String> {
        match expression {
            Expression::StringLiteral(literal) => Some(literal.value.to_string()),
            Expression::TemplateLiteral(template) => {
                template.single_quasi().map(|text| text.to_string())
            }
            Expression::Identifier(id) => self.texts.get(id.name.as_str()).cloned().flatten(),
            Expression::ParenthesizedExpression(inner) => self.text(&inner.expression),
            _ => None,
        }
    }

    /// Whether `name` is `args` or was made from it.
    pub(super) fn is_args(&self, name: &str) -> bool {
        (name == "args" && !self.rebinds("args")) || self.args_aliases.contains(name)
    }

    /// Whether the value of `expression` may be `args`, or a copy, or its parsed text.
    pub(super) fn may_be_args(&self, expression: &Expression<'_>) -> bool {
        match expression {
            Expression::Identifier(id) => self.is_args(id.name.as_str()),
            Expression::ParenthesizedExpression(inner) => self.may_be_args(&inner.expression),
            Expression::LogicalExpression(logical) => {
                self.may_be_args(&logical.left) || self.may_be_args(&logical.right)
            }
            Expression::ConditionalExpression(conditional) => {
                self.may_be_args(&conditional.consequent)
                    || self.may_be_args(&conditional.alternate)
            }
            Expression::CallExpression(call) => {
                call.callee.is_specific_member_access("JSON", "parse")
                    && call
                        .arguments
                        .first()
                        .and_then(Argument::as_expression)
                        .is_some_and(|argument| self.may_be_args(argument))
            }
            Expression::ObjectExpression(object) => object.properties.iter().any(|property| {
                matches!(property, ObjectPropertyKind::SpreadProperty(spread)
                    if self.may_be_args(&spread.argument))
            }),
            _ => false,
        }
    }

    fn bind(&mut self, name: &str) {
        *self.bound.entry(name.to_owned()).or_insert(0) += 1;
    }

    fn learn(&mut self, name: &str, init: &Expression<'_>) {
        if let Some(number) = self.number(init) {
            remember(&mut self.numbers, name, number);
        }
        if let Some(text) = self.text(init) {
            remember(&mut self.texts, name, text);
        }
        if let Expression::ObjectExpression(object) = init {
            for property in object.properties.iter().filter_map(ObjectPropertyKind::as_property) {
                let key = property.key.static_name();
                if let (Some(key), Some(number)) = (key, self.number(&property.value)) {
                    remember(&mut self.numbers, &format!("{name}.{key}"), number);
                }
            }
        }
    }
}

fn remember<T: PartialEq>(map: &mut BTreeMap<String, Option<T>>, name: &str, value: T) {
    match map.get_mut(name) {
        None => {
            map.insert(name.to_owned(), Some(value));
        }
        Some(known) if known.as_ref() == Some(&value) => {}
        Some(known) => *known = None,
    }
}

fn whole(value: f64) -> Option<u64> {
    let fits = value.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&value);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    fits.then_some(value as u64)
}

impl<'a> Visit<'a> for Names {
    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        for declarator in &it.declarations {
            let (Some(id), Some(init)) = (declarator.id.get_binding_identifier(), &declarator.init)
            else {
                continue;
            };
            let name = id.name.as_str();
            if it.kind.is_const() {
                self.learn(name, init);
            }
            if self.may_be_args(init) {
                self.args_aliases.insert(name.to_owned());
            }
        }
        walk::walk_variable_declaration(self, it);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.bind(it.name.as_str());
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if let Some(target) = it.left.as_simple_assignment_target() {
            if let Some(name) = target.get_identifier_name() {
                self.bind(name);
            } else if let Some(member) = target.as_member_expression()
                && member.object().is_specific_id("globalThis")
                && let Some(name) = member.static_property_name()
            {
                self.bind(name);
            }
        }
        walk::walk_assignment_expression(self, it);
    }
}
