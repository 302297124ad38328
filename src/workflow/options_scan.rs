//! Reads how the options of an `agent()` call are written. What JavaScript makes of a literal in
//! the end decides: later properties win, and a spread may bring any of them.

use oxc::ast::ast::{
    Argument, CallExpression, Expression, LogicalOperator, ObjectExpression, ObjectProperty,
    ObjectPropertyKind, PropertyKind, UnaryOperator,
};
use oxc::span::{GetSpan, Span};

use super::agent_site::{CallOptions, OptionValue, Room, TextChoice, ValueForm};
use super::names::Names;

/// The quote where the author used none.
const QUOTE: char = '\'';

/// How the options of `call` are written in `text`.
pub(super) fn options_of(text: &str, call: &CallExpression<'_>, names: &Names) -> CallOptions {
    let Some(prompt) = call.arguments.first() else { return CallOptions::NoPrompt };
    let Some(second) = call.arguments.get(1) else {
        return match prompt {
            Argument::SpreadElement(_) => CallOptions::Spread,
            prompt => CallOptions::Absent { end: prompt.span().end },
        };
    };
    match (prompt, second.as_expression()) {
        (Argument::SpreadElement(_), _) | (_, None) => CallOptions::Spread,
        (_, Some(options)) => match options.get_inner_expression() {
            Expression::ObjectExpression(object) => literal(text, object, names),
            inner => {
                let span = options.span();
                let loose = inner.span() == span && is_loose(inner);
                CallOptions::Expression { start: span.start, end: span.end, loose }
            }
        },
    }
}

/// Whether a spread of it reads as if it were a spread of its first operand.
const fn is_loose(expression: &Expression<'_>) -> bool {
    matches!(
        expression,
        Expression::ConditionalExpression(_)
            | Expression::LogicalExpression(_)
            | Expression::BinaryExpression(_)
            | Expression::AssignmentExpression(_)
            | Expression::ArrowFunctionExpression(_)
    )
}

fn literal(text: &str, object: &ObjectExpression<'_>, names: &Names) -> CallOptions {
    let (mut model, mut effort) = (None, None);
    for property in &object.properties {
        let keyed = match property {
            ObjectPropertyKind::ObjectProperty(property) => {
                property.key.static_name().map(|name| (name, property))
            }
            ObjectPropertyKind::SpreadProperty(_) => None,
        };
        match keyed {
            None => (model, effort) = (None, None),
            Some((name, property)) if name == "model" => model = value(text, property, names),
            Some((name, property)) if name == "effort" => effort = value(text, property, names),
            Some(_) => {}
        }
    }
    let (end, room) = match object.properties.last() {
        Some(last) => (last.span().end, Room::BehindProperty),
        None if object.span.size() == 2 => (object.span.start + 1, Room::Empty),
        None => (object.span.start + 1, Room::Blank),
    };
    CallOptions::Literal { model, effort, end, room }
}

/// The value of a property that has one: a getter or a method is none.
fn value(text: &str, property: &ObjectProperty<'_>, names: &Names) -> Option<OptionValue> {
    if property.kind != PropertyKind::Init || property.method {
        return None;
    }
    let written = &property.value;
    let span = written.span();
    let form = if property.shorthand {
        ValueForm::Shorthand
    } else if is_plain(written) && is_one_line(text, span) {
        ValueForm::Plain { quote: quote_of(text, written) }
    } else {
        ValueForm::Acting
    };
    let mut choices = Vec::new();
    let known = !property.shorthand && collect(text, written, names, &mut choices);
    if !known || choices.len() < 2 {
        choices.clear();
    }
    Some(OptionValue { start: span.start, end: span.end, form, choices })
}

/// What goes on over several lines stays, so that later lines keep their numbers.
fn is_one_line(text: &str, span: Span) -> bool {
    text.get(span.start as usize..span.end as usize).is_some_and(|value| !value.contains('\n'))
}

/// Adds the texts that `expression` chooses from; false where it may be another.
fn collect(
    text: &str,
    expression: &Expression<'_>,
    names: &Names,
    choices: &mut Vec<TextChoice>,
) -> bool {
    match expression {
        Expression::ParenthesizedExpression(inner) => {
            collect(text, &inner.expression, names, choices)
        }
        Expression::ConditionalExpression(choice) => {
            collect(text, &choice.consequent, names, choices)
                && collect(text, &choice.alternate, names, choices)
        }
        Expression::LogicalExpression(either) if either.operator != LogicalOperator::And => {
            collect(text, &either.left, names, choices)
                && collect(text, &either.right, names, choices)
        }
        other => {
            let nothing = other.is_null_or_undefined();
            let known = if nothing { Some(String::new()) } else { names.certain_text(other) };
            let Some(known) = known else { return false };
            let (span, quote) = (other.span(), quote_of(text, other));
            choices.push(TextChoice { text: known, start: span.start, end: span.end, quote });
            true
        }
    }
}

fn quote_of(text: &str, expression: &Expression<'_>) -> char {
    let first = text.get(expression.span().start as usize..).and_then(|rest| rest.chars().next());
    first.filter(|first| matches!(first, '\'' | '"' | '`')).unwrap_or(QUOTE)
}

/// Whether finding out the value does nothing else, so that it need not be found out.
fn is_plain(expression: &Expression<'_>) -> bool {
    match expression {
        Expression::BooleanLiteral(_)
        | Expression::NullLiteral(_)
        | Expression::NumericLiteral(_)
        | Expression::StringLiteral(_)
        | Expression::Identifier(_) => true,
        Expression::TemplateLiteral(template) => template.expressions.iter().all(is_plain),
        Expression::ParenthesizedExpression(inner) => is_plain(&inner.expression),
        Expression::StaticMemberExpression(member) => is_plain(&member.object),
        Expression::ComputedMemberExpression(member) => {
            is_plain(&member.object) && is_plain(&member.expression)
        }
        Expression::ChainExpression(chain) => match chain.expression.as_member_expression() {
            Some(member) => is_plain_member(member),
            None => false,
        },
        Expression::UnaryExpression(unary) => {
            unary.operator != UnaryOperator::Delete && is_plain(&unary.argument)
        }
        Expression::BinaryExpression(both) => is_plain(&both.left) && is_plain(&both.right),
        Expression::LogicalExpression(both) => is_plain(&both.left) && is_plain(&both.right),
        Expression::ConditionalExpression(choice) => {
            [&choice.test, &choice.consequent, &choice.alternate].into_iter().all(is_plain)
        }
        _ => false,
    }
}

fn is_plain_member(member: &oxc::ast::ast::MemberExpression<'_>) -> bool {
    use oxc::ast::ast::MemberExpression;
    match member {
        MemberExpression::StaticMemberExpression(member) => is_plain(&member.object),
        MemberExpression::ComputedMemberExpression(member) => {
            is_plain(&member.object) && is_plain(&member.expression)
        }
        MemberExpression::PrivateFieldExpression(_) => false,
    }
}
