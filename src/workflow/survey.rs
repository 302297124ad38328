//! One walk over a script that reads off what a planner wants: calls, bounds, names, prose.

use std::collections::BTreeSet;

use oxc::ast::ast::{
    Argument, AssignmentExpression, BinaryExpression, BinaryOperator, BindingPattern,
    CallExpression, Expression, ForStatement, IdentifierReference, LogicalExpression,
    ObjectPattern, ObjectProperty, ObjectPropertyKind, Program, StaticMemberExpression,
    StringLiteral, TemplateLiteral, VariableDeclarator, WhileStatement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::{GetSpan, Span};

use super::agent_site::AgentSite;
use super::facts::WorkflowFacts;
use super::finding::{ArgsKey, LoopBound, LoopKind, ProseCap, SliceCap, Sweep, WorkflowCall};
use super::lines::Lines;
use super::names::Names;
use super::options_scan::options_of;
use super::prose;
use super::sweep;
use crate::diagnostic::{Diagnostic, Severity};

/// The walk and what it has found.
pub(super) struct Survey<'t> {
    text: &'t str,
    lines: &'t Lines<'t>,
    names: &'t Names,
    facts: WorkflowFacts,
    /// Names used as `schema:` values, and names whose members are assigned.
    schema_names: BTreeSet<String>,
    changed_names: BTreeSet<String>,
}

impl<'t> Survey<'t> {
    pub(super) fn new(text: &'t str, lines: &'t Lines<'t>, names: &'t Names) -> Self {
        Self {
            text,
            lines,
            names,
            facts: WorkflowFacts::default(),
            schema_names: BTreeSet::new(),
            changed_names: BTreeSet::new(),
        }
    }

    /// Walks everything but `meta`.
    pub(super) fn run(&mut self, program: &Program<'_>, meta: Span) {
        for statement in program.body.iter().filter(|statement| statement.span() != meta) {
            self.visit_statement(statement);
        }
    }

    pub(super) fn into_facts(mut self) -> WorkflowFacts {
        self.facts.changes_schemas =
            self.schema_names.intersection(&self.changed_names).next().is_some();
        self.facts.args_keys.sort_by_key(|key| key.place.offset);
        self.facts
    }

    fn args_key(&mut self, name: &str, span: Span, has_default: bool) {
        let place = self.lines.place(span);
        let known = self.facts.args_keys.iter_mut().find(|key| key.name == name);
        if let Some(key) = known {
            key.has_default |= has_default;
            if place.offset < key.place.offset {
                key.place = place;
            }
        } else if self.facts.args_keys.len() < WorkflowFacts::LIST_MAX {
            self.facts.args_keys.push(ArgsKey { name: name.to_owned(), has_default, place });
        }
    }

    /// `args.x` and `args?.x`: the key.
    fn member_of_args<'e>(&self, expression: &'e Expression<'_>) -> Option<(&'e str, Span)> {
        let member = match expression {
            Expression::ChainExpression(chain) => chain.expression.as_member_expression()?,
            Expression::ParenthesizedExpression(inner) => {
                return self.member_of_args(&inner.expression);
            }
            other => other.as_member_expression()?,
        };
        let object = member.object().get_inner_expression();
        if !self.names.may_be_args(object) {
            return None;
        }
        let (span, name) = member.static_property_info()?;
        Some((name, span))
    }

    fn pattern_of_args(&mut self, pattern: &ObjectPattern<'_>) {
        for property in &pattern.properties {
            if let Some(name) = property.key.static_name() {
                let has_default = matches!(property.value, BindingPattern::AssignmentPattern(_));
                self.args_key(&name, property.span, has_default);
            }
        }
    }

    fn agent_site(&mut self, call: &CallExpression<'_>) {
        let options = call.arguments.get(1).and_then(Argument::as_expression);
        let field = |key: &str| options.and_then(|options| object_field(options, key));
        let label = field("label").and_then(|value| self.skeleton(value));
        let phase = field("phase").and_then(|value| self.names.text(value));
        let place = self.lines.place(call.span);
        let options = options_of(self.text, call, self.names);
        self.facts.agent_sites.push(AgentSite { label, phase, place, options });
    }

    /// A literal text with `*` for what is interpolated.
    fn skeleton(&self, expression: &Expression<'_>) -> Option<String> {
        match expression {
            Expression::TemplateLiteral(template) => {
                let parts: Vec<&str> = template
                    .quasis
                    .iter()
                    .map(|quasi| quasi.value.cooked.as_ref().map_or("", |text| text.as_str()))
                    .collect();
                Some(parts.join("*"))
            }
            Expression::BinaryExpression(sum) if sum.operator == BinaryOperator::Addition => {
                let left = self.skeleton(&sum.left);
                let right = self.skeleton(&sum.right);
                if left.is_none() && right.is_none() {
                    return None;
                }
                let star = || "*".to_owned();
                Some(format!("{}{}", left.unwrap_or_else(star), right.unwrap_or_else(star)))
            }
            other => self.names.text(other),
        }
    }

    fn workflow_call(&mut self, call: &CallExpression<'_>) {
        let target = call.arguments.first().and_then(Argument::as_expression);
        let name = target.and_then(|target| self.names.text(target));
        let path = target
            .and_then(|target| object_field(target, "scriptPath"))
            .and_then(|value| self.names.text(value));
        let place = self.lines.place(call.span);
        self.facts.workflow_calls.push(WorkflowCall { name, path, place });
    }

    fn slice(&mut self, call: &CallExpression<'_>) -> Option<()> {
        let member = call.callee.get_inner_expression().as_member_expression()?;
        if member.static_property_name()? != "slice" {
            return None;
        }
        let from = call.arguments.first()?.as_expression()?;
        let to = call.arguments.get(1)?.as_expression()?;
        if self.names.number(from)? != 0 {
            return None;
        }
        let limit = self.names.upper_bound(to)?;
        let place = self.lines.place(call.span);
        let of = name_of(member.object());
        self.facts.slices.push(SliceCap { limit, of, place });
        Some(())
    }

    fn array_from(&mut self, call: &CallExpression<'_>) -> Option<()> {
        if !call.callee.is_specific_member_access("Array", "from") {
            return None;
        }
        let shape = call.arguments.first()?.as_expression()?;
        let limit = self.names.upper_bound(object_field(shape, "length")?)?;
        self.push_loop(limit, LoopKind::ArrayFrom, call.span);
        Some(())
    }

    fn push_loop(&mut self, limit: u64, kind: LoopKind, span: Span) {
        let place = self.lines.place(Span::new(span.start, span.start));
        self.facts.loops.push(LoopBound { limit, kind, place });
    }

    /// The least `i < N` among the conditions of `test` that must all hold.
    fn counted(&self, test: &Expression<'_>) -> Option<u64> {
        match test {
            Expression::ParenthesizedExpression(inner) => self.counted(&inner.expression),
            Expression::LogicalExpression(logical) if logical.operator.is_and() => {
                let both = [self.counted(&logical.left), self.counted(&logical.right)];
                both.into_iter().flatten().min()
            }
            Expression::BinaryExpression(comparison) => self.comparison(comparison),
            _ => None,
        }
    }

    fn comparison(&self, comparison: &BinaryExpression<'_>) -> Option<u64> {
        let (counter, bound, inclusive) = match comparison.operator {
            BinaryOperator::LessThan => (&comparison.left, &comparison.right, 0),
            BinaryOperator::LessEqualThan => (&comparison.left, &comparison.right, 1),
            BinaryOperator::GreaterThan => (&comparison.right, &comparison.left, 0),
            BinaryOperator::GreaterEqualThan => (&comparison.right, &comparison.left, 1),
            _ => return None,
        };
        counter.get_identifier_reference()?;
        self.names.number(bound)?.checked_add(inclusive)
    }

    fn prose(&mut self, text: &str, start: u32) {
        if self.facts.sweep.is_none()
            && let Some((offset, phrase)) = sweep::first(text)
        {
            let offset = start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
            let length = u32::try_from(phrase.len()).unwrap_or(0);
            let place = self.lines.place(Span::new(offset, offset.saturating_add(length)));
            self.facts.sweep = Some(Sweep { phrase: phrase.to_owned(), place });
        }
        if self.facts.caps_in_prose.len() >= WorkflowFacts::LIST_MAX {
            return;
        }
        for cap in prose::caps(text) {
            let offset = start.saturating_add(u32::try_from(cap.offset).unwrap_or(u32::MAX));
            let length = u32::try_from(cap.phrase.len()).unwrap_or(0);
            let place = self.lines.place(Span::new(offset, offset.saturating_add(length)));
            let prose::Cap { min, max, noun, phrase, .. } = cap;
            self.facts.caps_in_prose.push(ProseCap { min, max, noun, phrase, place });
        }
    }
}

/// A warning where the body reads `meta`, which does not exist there.
pub(super) fn meta_reads(
    lines: &Lines<'_>,
    program: &Program<'_>,
    meta: Span,
) -> Option<Diagnostic> {
    struct Reads(Option<Span>, bool);
    impl<'a> Visit<'a> for Reads {
        fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
            if it.name == "meta" && self.0.is_none() {
                self.0 = Some(it.span);
            }
        }
        fn visit_binding_identifier(&mut self, it: &oxc::ast::ast::BindingIdentifier<'a>) {
            self.1 |= it.name == "meta";
        }
    }
    let mut reads = Reads(None, false);
    for statement in program.body.iter().filter(|statement| statement.span() != meta) {
        reads.visit_statement(statement);
    }
    let span = reads.0.filter(|_| !reads.1)?;
    Some(
        Diagnostic::new(
            Severity::Warning,
            "script::meta-read",
            "`meta` is not visible to the body: reading it throws a ReferenceError",
        )
        .with_help("put what both need into a constant of the body")
        .with_place(lines.place(span)),
    )
}

fn object_field<'e, 'a>(expression: &'e Expression<'a>, key: &str) -> Option<&'e Expression<'a>> {
    let Expression::ObjectExpression(object) = expression else { return None };
    let properties = object.properties.iter().filter_map(ObjectPropertyKind::as_property);
    properties
        .into_iter()
        .find_map(|property| property.key.is_specific_static_name(key).then_some(&property.value))
}

/// The last name of `a.b.c`, `a.b.filter(…)` or `a`.
fn name_of(expression: &Expression<'_>) -> Option<String> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) => Some(id.name.to_string()),
        Expression::StaticMemberExpression(member) => Some(member.property.name.to_string()),
        Expression::ChainExpression(chain) => {
            let member = chain.expression.as_member_expression()?;
            member.static_property_name().map(str::to_owned)
        }
        Expression::CallExpression(call) => {
            let member = call.callee.get_inner_expression().as_member_expression()?;
            name_of(member.object())
        }
        Expression::ArrayExpression(array) => {
            let only = array.elements.first()?;
            match only {
                oxc::ast::ast::ArrayExpressionElement::SpreadElement(spread) => {
                    name_of(&spread.argument)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The name at the root of `a.b[0].c`.
fn root_of<'e>(expression: &'e Expression<'_>) -> Option<&'e str> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) => Some(id.name.as_str()),
        other => root_of(other.as_member_expression()?.object()),
    }
}

impl<'a> Visit<'a> for Survey<'_> {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let name = it.name.as_str();
        self.facts.reads_args |= name == "args" && !self.names.rebinds("args");
        self.facts.reads_budget |= name == "budget" && !self.names.rebinds("budget");
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let (BindingPattern::ObjectPattern(pattern), Some(init)) = (&it.id, &it.init)
            && self.names.may_be_args(init)
        {
            self.pattern_of_args(pattern);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_static_member_expression(&mut self, it: &StaticMemberExpression<'a>) {
        let name = it.property.name.as_str();
        if name != "length" && self.names.may_be_args(it.object.get_inner_expression()) {
            self.args_key(name, it.property.span, it.optional);
        }
        walk::walk_static_member_expression(self, it);
    }

    fn visit_computed_member_expression(
        &mut self,
        it: &oxc::ast::ast::ComputedMemberExpression<'a>,
    ) {
        if let Expression::StringLiteral(key) = &it.expression
            && self.names.may_be_args(it.object.get_inner_expression())
        {
            self.args_key(key.value.as_str(), key.span, it.optional);
        }
        walk::walk_computed_member_expression(self, it);
    }

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
        if let Some((name, span)) = self.member_of_args(&it.left) {
            let name = name.to_owned();
            self.args_key(&name, span, true);
        }
        walk::walk_logical_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if it.callee.is_specific_id("agent") && !self.names.rebinds("agent") {
            self.agent_site(it);
        }
        if it.callee.is_specific_id("workflow") && !self.names.rebinds("workflow") {
            self.workflow_call(it);
        }
        self.slice(it);
        self.array_from(it);
        let callee = it.callee.get_inner_expression();
        if let Some(member) = callee.as_member_expression() {
            if matches!(member.static_property_name(), Some("push" | "splice" | "pop"))
                && let Some(root) = root_of(member.object())
            {
                self.changed_names.insert(root.to_owned());
            }
            // A method of `args` is one of a string or an array, not a key.
            if self.names.may_be_args(member.object().get_inner_expression()) {
                self.visit_expression(member.object());
                self.visit_arguments(&it.arguments);
                return;
            }
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        let target = it.left.as_simple_assignment_target();
        if let Some(member) = target.and_then(|target| target.as_member_expression())
            && let Some(root) = root_of(member.object())
        {
            self.changed_names.insert(root.to_owned());
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        if it.key.is_specific_static_name("schema")
            && let Some(root) = root_of(&it.value)
        {
            self.schema_names.insert(root.to_owned());
        }
        walk::walk_object_property(self, it);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        if let Some(limit) = it.test.as_ref().and_then(|test| self.counted(test)) {
            self.push_loop(limit, LoopKind::For, it.span);
        }
        walk::walk_for_statement(self, it);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        if let Some(limit) = self.counted(&it.test) {
            self.push_loop(limit, LoopKind::While, it.span);
        }
        walk::walk_while_statement(self, it);
    }

    fn visit_string_literal(&mut self, it: &StringLiteral<'a>) {
        self.prose(it.value.as_str(), it.span.start.saturating_add(1));
    }

    fn visit_template_literal(&mut self, it: &TemplateLiteral<'a>) {
        let mut text = String::new();
        for (position, quasi) in it.quasis.iter().enumerate() {
            text.push_str(quasi.value.cooked.as_ref().map_or("", |text| text.as_str()));
            if let Some(expression) = it.expressions.get(position) {
                match self.names.number(expression) {
                    Some(number) => text.push_str(&number.to_string()),
                    None => text.push('\u{fffc}'),
                }
            }
        }
        self.prose(&text, it.span.start.saturating_add(1));
        walk::walk_template_literal(self, it);
    }
}
