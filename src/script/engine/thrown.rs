//! What a script threw, as data.

use rquickjs::{Coerced, Ctx, Error, Object, Value};

use super::unit::ScriptId;

/// The most characters kept of a name or message.
const TEXT_MAX: usize = 2_000;

/// A thrown value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    /// `error.name`, or the type of what was thrown.
    pub(super) name: String,
    /// `error.message`, or the thrown value as a string.
    pub(super) message: String,
    /// Where in the wrapped scripts.
    pub(super) at: Option<Spot>,
}

/// A place in one of the wrapped scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which of them.
    pub(super) script: ScriptId,
    /// From 1.
    pub(super) line: u32,
    /// From 1.
    pub(super) column: u32,
}

/// A line of one of the author's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Which of them.
    pub(super) script: ScriptId,
    /// From 1.
    pub(super) line: u32,
}

impl Thrown {
    pub(super) fn internal(message: &str) -> Self {
        Self { name: "InternalError".to_owned(), message: message.to_owned(), at: None }
    }

    /// What stands behind `error`: the pending exception, taken, or the error itself.
    pub(super) fn from_error(ctx: &Ctx<'_>, error: &Error) -> Self {
        if error.is_exception() {
            return Self::from_value(ctx, &ctx.catch());
        }
        Self { name: "TypeError".to_owned(), message: error.to_string(), at: None }
    }

    /// Reads a thrown value. Runs getters and `toString` of the script; what they throw is
    /// dropped.
    pub(super) fn from_value(ctx: &Ctx<'_>, value: &Value<'_>) -> Self {
        let Some(object) = value.as_object() else {
            let message = text(ctx, value).unwrap_or_default();
            let name = match value.type_name() {
                "int" | "float" => "number",
                "bool" => "boolean",
                other => other,
            };
            return Self { name: name.to_owned(), message, at: None };
        };
        let name = property(ctx, object, "name").unwrap_or_else(|| "object".to_owned());
        let message =
            property(ctx, object, "message").or_else(|| text(ctx, value)).unwrap_or_default();
        let at = value.is_error().then(|| property(ctx, object, "stack")).flatten();
        Self { name, message, at: at.and_then(|stack| frame(&stack)) }
    }

    pub(super) fn is_stack_overflow(&self) -> bool {
        self.name == "RangeError" && self.message == "Maximum call stack size exceeded"
    }

    /// `TypeError: x is not a function`.
    pub(super) fn line(&self) -> String {
        if self.message.is_empty() {
            self.name.clone()
        } else {
            format!("{}: {}", self.name, self.message)
        }
    }
}

fn property(ctx: &Ctx<'_>, object: &Object<'_>, key: &str) -> Option<String> {
    match object.get::<_, Value<'_>>(key) {
        Ok(value) if value.is_undefined() || value.is_null() => None,
        Ok(value) => text(ctx, &value),
        Err(_) => {
            ctx.catch();
            None
        }
    }
}

fn text(ctx: &Ctx<'_>, value: &Value<'_>) -> Option<String> {
    if let Ok(text) = value.get::<Coerced<String>>() {
        return Some(cut(text.0, TEXT_MAX));
    }
    ctx.catch();
    None
}

/// The first frame of a stack trace that lies in a script: `at f (workflow.js:3:1)`.
fn frame(stack: &str) -> Option<Spot> {
    stack.lines().find_map(|frame| {
        let (_, place) = frame.rsplit_once(['(', ' '])?;
        let mut parts = place.trim_end_matches(')').split(':');
        let script = ScriptId::of_file(parts.next()?)?;
        let line = parts.next()?.parse().ok()?;
        let column = parts.next().and_then(|column| column.parse().ok()).unwrap_or(1);
        Some(Spot { script, line, column })
    })
}

/// At most `characters` of `text`.
pub(super) fn cut(mut text: String, characters: usize) -> String {
    if text.len() > characters
        && let Some((end, _)) = text.char_indices().nth(characters)
    {
        text.truncate(end);
        text.push('…');
    }
    text
}
