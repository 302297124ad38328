//! A value that satisfies a JSON Schema of the kind that tools have.
//!
//! Understands types, `properties`, `required`, `items`, `enum`, `const`, bounds of numbers,
//! lengths, common formats, `anyOf`, `oneOf`, `allOf` and `$ref` within the schema. A pattern is
//! not followed.

use serde_json::{Map, Value, json};

use super::ask::text_of;
use super::limits::{SCHEMA_DEPTH_MAX, SCHEMA_LENGTH_MAX, SCHEMA_VALUES_MAX};
use crate::seed::Stream;

/// Items of a list that may have any number.
const ITEMS_USUAL: u64 = 3;
/// How far above its minimum a number is drawn.
const SPAN_USUAL: u64 = 10;

/// A value that satisfies `schema`.
pub(super) fn of(schema: &Value, draws: &mut Stream) -> Value {
    Inventor { root: schema, draws, values: 0 }.value(schema, 0)
}

struct Inventor<'a> {
    root: &'a Value,
    draws: &'a mut Stream,
    values: usize,
}

impl<'a> Inventor<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        self.values += 1;
        if depth > SCHEMA_DEPTH_MAX || self.values > SCHEMA_VALUES_MAX {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const").or_else(|| schema.get("default")) {
            return fixed.clone();
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            return self.draws.pick(choices).cloned().unwrap_or_default();
        }
        if let Some(target) = text_of(schema, "$ref") {
            let found = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return found.map_or(Value::Null, |schema| self.value(schema, depth + 1));
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(first) = schema.get(several).and_then(|all| all.get(0)) {
                return self.value(first, depth + 1);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.all_of(schema, parts, depth);
        }
        match kind_of(schema) {
            "object" => Value::Object(self.object(schema, depth)),
            "array" => self.array(schema, depth),
            "integer" => self.integer(schema),
            "number" => self.number(schema),
            "boolean" => Value::Bool(self.draws.chance(0.5)),
            "null" => Value::Null,
            _ => Value::String(self.string(schema)),
        }
    }

    fn all_of(&mut self, schema: &'a Value, parts: &'a [Value], depth: usize) -> Value {
        let mut joined = self.object(schema, depth);
        for part in parts {
            match self.value(part, depth + 1) {
                Value::Object(fields) => joined.extend(fields),
                other if joined.is_empty() => return other,
                _ => {}
            }
        }
        Value::Object(joined)
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Map<String, Value> {
        let required = super::ask::list(schema, "required");
        let needed = |name: &str| required.iter().any(|one| one.as_str() == Some(name));
        let mut fields = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            // Optional ones end a schema that contains itself.
            if needed(name) || depth < SCHEMA_DEPTH_MAX / 4 {
                fields.insert(name.clone(), self.value(schema, depth + 1));
            }
        }
        for name in required.iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                fields.insert(name.to_owned(), Value::String("simulated".to_owned()));
            }
        }
        fields
    }

    fn array(&mut self, schema: &'a Value, depth: usize) -> Value {
        let least = length(schema, "minItems").unwrap_or(1);
        let usual = length(schema, "maxItems").unwrap_or(least.max(ITEMS_USUAL));
        let most = usual.min(least.max(ITEMS_USUAL));
        let count = least.min(most) + self.draws.below(most.saturating_sub(least) + 1);
        let any = &Value::Null;
        let items = schema.get("items").unwrap_or(any);
        let prefix = super::ask::list(schema, "prefixItems");
        let mut made = Vec::new();
        for index in 0..count.min(most) {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            made.push(self.value(prefix.get(place).unwrap_or(items), depth + 1));
        }
        Value::Array(made)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        let above = bound("exclusiveMinimum").map(|least| least.saturating_add(1));
        let below = bound("exclusiveMaximum").map(|most| most.saturating_sub(1));
        let most = bound("maximum").into_iter().chain(below).min();
        let least = bound("minimum").into_iter().chain(above).max();
        let least = least.unwrap_or_else(|| most.unwrap_or(1).min(1));
        let step = bound("multipleOf").filter(|step| *step > 0).unwrap_or(1);
        let first = least.saturating_add((step - least.rem_euclid(step)) % step);
        let most = most.unwrap_or_else(|| first.saturating_add(step.saturating_mul(9)));
        let room = u64::try_from(most.saturating_sub(first) / step).unwrap_or(0);
        let steps = self.draws.below(room.min(SPAN_USUAL) + 1);
        let steps = i64::try_from(steps).unwrap_or(0);
        json!(first.saturating_add(steps.saturating_mul(step)))
    }

    fn number(&mut self, schema: &Value) -> Value {
        if schema.get("multipleOf").is_some() {
            return self.integer(schema);
        }
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let least = bound("minimum").or(bound("exclusiveMinimum"));
        let most = bound("maximum").or(bound("exclusiveMaximum"));
        let (least, most) = match (least, most) {
            (Some(least), Some(most)) => (least, most),
            (Some(least), None) => (least, least + 1.0),
            (None, Some(most)) => (most - 1.0, most),
            (None, None) => (0.0, 1.0),
        };
        // Strictly between, so that exclusive bounds hold too.
        json!((most - least).mul_add(0.25 + self.draws.uniform() / 2.0, least))
    }

    fn string(&mut self, schema: &Value) -> String {
        let number = self.draws.below(1_000_000);
        let fixed = match text_of(schema, "format") {
            Some("date") => Some("2026-01-01".to_owned()),
            Some("date-time") => Some("2026-01-01T00:00:00Z".to_owned()),
            Some("time") => Some("00:00:00Z".to_owned()),
            Some("uri" | "url") => Some(format!("https://example.org/{number}")),
            Some("email") => Some(format!("simulated{number}@example.org")),
            Some("uuid") => Some(format!("00000000-0000-4000-8000-{number:012}")),
            _ => None,
        };
        if let Some(fixed) = fixed {
            return fixed;
        }
        let mut text = format!("simulated {number:06}");
        let least = length(schema, "minLength").unwrap_or(0);
        while (text.len() as u64) < least {
            text.push_str(" simulated");
        }
        let most = length(schema, "maxLength").and_then(|most| usize::try_from(most).ok());
        text.truncate(most.unwrap_or(usize::MAX).max(usize::try_from(least).unwrap_or(0)));
        text
    }
}

/// A bound of a length, held within what is invented at most.
fn length(schema: &Value, name: &str) -> Option<u64> {
    let length = schema.get(name).and_then(Value::as_u64);
    length.map(|length| length.min(SCHEMA_LENGTH_MAX as u64))
}

/// The type of the value: the first that is no null.
fn kind_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            kinds.find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() || schema.get("required").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}
