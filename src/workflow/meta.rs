//! `export const meta`: read as a pure literal, never executed.

use oxc::ast::ast::{
    ArrayExpressionElement, Expression, ObjectExpression, ObjectPropertyKind, PropertyKind,
};
use oxc::span::{GetSpan, Span};
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Place, Severity};

/// What a script says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// `meta.name`.
    pub name: String,
    /// `meta.description`.
    pub description: String,
    /// `meta.whenToUse`.
    pub when_to_use: Option<String>,
    /// `meta.phases`.
    pub phases: Vec<MetaPhase>,
    /// A stray `meta.model`; display only.
    pub model: Option<String>,
    /// Where `meta` is.
    pub place: Option<Place>,
}

/// One entry of `meta.phases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaPhase {
    /// Its title; `phase()` matches it exactly.
    pub title: String,
    /// Its detail.
    pub detail: Option<String>,
    /// A model, for display only: it never routes an agent.
    pub model: Option<String>,
    /// Where it is.
    pub place: Place,
}

/// A literal with its place.
struct Literal {
    value: Value,
    span: Span,
}

enum Value {
    Text(String),
    /// Numbers, booleans and null: no field of `meta` is one.
    Other,
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

impl Meta {
    /// Reads the object literal of `meta` in `text`.
    pub(super) fn read(text: &str, init: &Expression<'_>, span: Span) -> Result<Self, Diagnostic> {
        let literal = Literal::read(text, init)?;
        let Value::Object(fields) = literal.value else {
            return Err(impure(text, literal.span, "it is not an object"));
        };
        let mut meta = Self { place: Some(place(text, span)), ..Self::default() };
        for (key, field) in &fields {
            match key.as_str() {
                "name" => meta.name = field.required_text(text, "name")?,
                "description" => meta.description = field.required_text(text, "description")?,
                "whenToUse" => meta.when_to_use = Some(field.text(text, "whenToUse")?),
                "model" => meta.model = field.text(text, "model").ok(),
                "phases" => meta.phases = field.phases(text)?,
                _ => {}
            }
        }
        for (name, value) in [("name", &meta.name), ("description", &meta.description)] {
            if value.is_empty() {
                return Err(empty_field(text, literal.span, name));
            }
        }
        Ok(meta)
    }
}

impl Literal {
    fn read(text: &str, expression: &Expression<'_>) -> Result<Self, Diagnostic> {
        let span = expression.span();
        let value = match expression {
            Expression::StringLiteral(literal) => Value::Text(literal.value.to_string()),
            Expression::NumericLiteral(_)
            | Expression::BooleanLiteral(_)
            | Expression::NullLiteral(_) => Value::Other,
            Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
                let cooked = template.quasis.first().and_then(|quasi| quasi.value.cooked);
                Value::Text(cooked.map(|text| text.to_string()).unwrap_or_default())
            }
            Expression::TemplateLiteral(_) => {
                return Err(impure(text, span, "a template with an interpolation is computed"));
            }
            Expression::UnaryExpression(unary)
                if matches!(unary.argument, Expression::NumericLiteral(_)) =>
            {
                Value::Other
            }
            Expression::ParenthesizedExpression(inner) => {
                return Self::read(text, &inner.expression);
            }
            Expression::ArrayExpression(array) => {
                let items = array.elements.iter().map(|element| Self::element(text, element));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Expression::ObjectExpression(object) => Value::Object(Self::fields(text, object)?),
            other => return Err(impure(text, span, what_it_is(other))),
        };
        Ok(Self { value, span })
    }

    fn element(text: &str, element: &ArrayExpressionElement<'_>) -> Result<Self, Diagnostic> {
        match element.as_expression() {
            Some(expression) => Self::read(text, expression),
            None if element.is_spread() => {
                Err(impure(text, element.span(), "a spread is computed"))
            }
            None => Ok(Self { value: Value::Other, span: element.span() }),
        }
    }

    fn fields(
        text: &str,
        object: &ObjectExpression<'_>,
    ) -> Result<Vec<(String, Self)>, Diagnostic> {
        let mut fields = Vec::new();
        for property in &object.properties {
            let ObjectPropertyKind::ObjectProperty(property) = property else {
                return Err(impure(text, property.span(), "a spread is computed"));
            };
            if property.kind != PropertyKind::Init || property.method {
                return Err(impure(text, property.span, "a method or accessor is code"));
            }
            if property.shorthand {
                return Err(impure(text, property.span, "a shorthand property is a variable"));
            }
            let key = property.key.static_name();
            let (Some(key), false) = (key, property.computed) else {
                return Err(impure(text, property.key.span(), "a computed key is code"));
            };
            fields.push((key.to_string(), Self::read(text, &property.value)?));
        }
        Ok(fields)
    }

    fn text(&self, text: &str, name: &str) -> Result<String, Diagnostic> {
        match &self.value {
            Value::Text(value) => Ok(value.clone()),
            _ => Err(Diagnostic::new(
                Severity::Error,
                "script::meta-field",
                format!("meta.{name} must be a string"),
            )
            .with_place(place(text, self.span))),
        }
    }

    fn required_text(&self, text: &str, name: &str) -> Result<String, Diagnostic> {
        match &self.value {
            Value::Text(value) if !value.is_empty() => Ok(value.clone()),
            _ => Err(empty_field(text, self.span, name)),
        }
    }

    fn phases(&self, text: &str) -> Result<Vec<MetaPhase>, Diagnostic> {
        let broken = |span| {
            Diagnostic::new(
                Severity::Error,
                "script::meta-field",
                "meta.phases must be an array of objects with a title",
            )
            .with_help("write `phases: [{ title: 'Find' }, { title: 'Verify' }]`")
            .with_place(place(text, span))
        };
        let Value::List(items) = &self.value else { return Err(broken(self.span)) };
        items.iter().map(|item| item.phase(text).ok_or_else(|| broken(item.span))).collect()
    }

    fn phase(&self, text: &str) -> Option<MetaPhase> {
        let Value::Object(fields) = &self.value else { return None };
        let field = |name: &str| {
            fields.iter().find(|(key, _)| key == name).and_then(|(_, literal)| {
                match &literal.value {
                    Value::Text(value) => Some(value.clone()),
                    _ => None,
                }
            })
        };
        Some(MetaPhase {
            title: field("title").filter(|title| !title.is_empty())?,
            detail: field("detail"),
            model: field("model"),
            place: place(text, self.span),
        })
    }
}

pub(super) fn place(text: &str, span: Span) -> Place {
    Place::at(text, span.start as usize, span.size() as usize)
}

fn empty_field(text: &str, span: Span, name: &str) -> Diagnostic {
    Diagnostic::new(
        Severity::Error,
        "script::meta-field",
        format!("meta.{name} must be a non-empty string"),
    )
    .with_place(place(text, span))
}

fn impure(text: &str, span: Span, why: &str) -> Diagnostic {
    Diagnostic::new(
        Severity::Error,
        "script::meta-impure",
        format!("meta must be a pure literal: {why}"),
    )
    .with_help("use only strings, numbers, booleans, null, arrays and objects of these")
    .with_place(place(text, span))
}

fn what_it_is(expression: &Expression<'_>) -> &'static str {
    match expression {
        Expression::Identifier(_) => "an identifier is computed",
        Expression::CallExpression(_) | Expression::NewExpression(_) => "a call is code",
        Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_) => {
            "a function is code"
        }
        Expression::BinaryExpression(_) => "an operator is computed",
        _ => "this expression is computed",
    }
}
