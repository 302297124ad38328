//! Array properties in object literals that look like JSON schemas, with their bounds.

use std::collections::BTreeMap;

use oxc::ast::ast::{
    Expression, ObjectExpression, ObjectProperty, ObjectPropertyKind, Program, VariableDeclarator,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::Span;

use super::finding::ArrayProperty;
use super::lines::Lines;
use super::names::Names;

/// The array properties of `program`, in the order of the text.
pub(super) fn array_properties(
    lines: &Lines<'_>,
    program: &Program<'_>,
    names: &Names,
    meta: Span,
) -> Vec<ArrayProperty> {
    let mut scan = Scan {
        lines,
        names,
        meta,
        enclosing: Vec::new(),
        found: Vec::new(),
        constants: BTreeMap::new(),
        mentions: Vec::new(),
    };
    scan.visit_program(program);
    // `findings: FINDINGS`, where the constant holds the array's schema.
    for (name, constant, place) in std::mem::take(&mut scan.mentions) {
        if let Some(array) = scan.constants.get(&constant) {
            scan.found.push(ArrayProperty { name, place, ..array.clone() });
        }
    }
    scan.found.sort_by_key(|array| array.place.offset);
    scan.found
}

struct Scan<'t> {
    lines: &'t Lines<'t>,
    names: &'t Names,
    meta: Span,
    enclosing: Vec<String>,
    found: Vec<ArrayProperty>,
    constants: BTreeMap<String, ArrayProperty>,
    mentions: Vec<(String, String, crate::diagnostic::Place)>,
}

impl Scan<'_> {
    /// The schema of an array, if `object` is one.
    fn array(
        &self,
        name: &str,
        object: &ObjectExpression<'_>,
        span: Span,
    ) -> Option<ArrayProperty> {
        let field = |key: &str| {
            object
                .properties
                .iter()
                .filter_map(ObjectPropertyKind::as_property)
                .find(|property| property.key.is_specific_static_name(key))
                .map(|property| &property.value)
        };
        let is_array = field("type").is_some_and(|kind| match kind {
            Expression::StringLiteral(kind) => kind.value == "array",
            Expression::ArrayExpression(kinds) => kinds.elements.iter().any(|kind| {
                kind.as_expression().is_some_and(|kind| kind.is_specific_string_literal("array"))
            }),
            _ => false,
        });
        is_array.then(|| ArrayProperty {
            name: name.to_owned(),
            max_items: field("maxItems").and_then(|value| self.names.number(value)),
            min_items: field("minItems").and_then(|value| self.names.number(value)),
            description: field("description").and_then(|value| self.names.text(value)),
            place: self.lines.place(span),
        })
    }
}

impl<'a> Visit<'a> for Scan<'_> {
    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let (Some(id), Some(Expression::ObjectExpression(object))) =
            (it.id.get_binding_identifier(), &it.init)
            && let Some(array) = self.array(id.name.as_str(), object, it.span)
        {
            self.constants.insert(id.name.to_string(), array);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        if it.span.start >= self.meta.start && it.span.end <= self.meta.end {
            return;
        }
        let Some(key) = it.key.static_name() else {
            walk::walk_object_property(self, it);
            return;
        };
        let own = key.to_string();
        let name = match self.enclosing.last() {
            Some(outer) if own == "items" => outer.clone(),
            _ => own,
        };
        match &it.value {
            Expression::ObjectExpression(object) => {
                self.found.extend(self.array(&name, object, it.span));
            }
            Expression::Identifier(id) => {
                let place = self.lines.place(it.span);
                self.mentions.push((name.clone(), id.name.to_string(), place));
            }
            _ => {}
        }
        self.enclosing.push(name);
        walk::walk_object_property(self, it);
        self.enclosing.pop();
    }
}
