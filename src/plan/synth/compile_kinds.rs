//! What kind of value a conjunction of schemas asks for. Owns types, enums and alternatives;
//! objects, lists and scalars follow in their own files.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compile::{At, Compiler, address};
use super::form::{BooleanForm, EnumForm, EnumValue, Kind, NodeId};
use super::word_tables::{BooleanKind, BooleanRule};

/// The schemas of one value that are objects.
pub(super) struct Keywords<'s>(pub(super) Vec<&'s Map<String, Value>>);

impl<'s> Keywords<'s> {
    fn of(parts: &[&'s Value]) -> Self {
        Self(parts.iter().filter_map(|part| part.as_object()).collect())
    }

    /// Every value of a keyword.
    pub(super) fn all(&self, keyword: &'static str) -> impl Iterator<Item = &'s Value> + '_ {
        self.0.iter().filter_map(move |map| map.get(keyword))
    }

    /// The greatest value of a numeric keyword.
    pub(super) fn greatest(&self, keyword: &'static str) -> Option<f64> {
        self.all(keyword).filter_map(Value::as_f64).reduce(f64::max)
    }

    /// The least value of a numeric keyword.
    pub(super) fn least(&self, keyword: &'static str) -> Option<f64> {
        self.all(keyword).filter_map(Value::as_f64).reduce(f64::min)
    }

    /// The greatest value of a keyword that counts.
    pub(super) fn most(&self, keyword: &'static str) -> Option<usize> {
        self.all(keyword).filter_map(count).max()
    }

    /// The least value of a keyword that counts.
    pub(super) fn fewest(&self, keyword: &'static str) -> Option<usize> {
        self.all(keyword).filter_map(count).min()
    }

    /// The first text of a keyword.
    pub(super) fn text(&self, keyword: &'static str) -> Option<&'s str> {
        self.all(keyword).find_map(Value::as_str)
    }

    fn has(&self, keyword: &'static str) -> bool {
        self.all(keyword).next().is_some()
    }
}

fn count(value: &Value) -> Option<usize> {
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (0.0..1e9).contains(&number).then_some(number as u64)
    });
    usize::try_from(whole?).ok()
}

/// Keywords whose demands are checked afterwards.
const CHECKED: [&str; 10] = [
    "not",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "patternProperties",
    "contains",
    "propertyNames",
    "uniqueItems",
    "unevaluatedProperties",
    "unevaluatedItems",
];

impl<'s> Compiler<'s, '_> {
    pub(super) fn kind(
        &mut self,
        parts: &[&'s Value],
        chosen: &BTreeSet<usize>,
        at: &At<'_>,
    ) -> Result<(Kind, bool), String> {
        let keywords = Keywords::of(parts);
        self.risky |= CHECKED.iter().any(|keyword| keywords.has(keyword));
        let types = types(&keywords);
        let nullable = types.as_ref().is_some_and(|types| types.contains(&"null"));
        if let Some(values) = enumerated(&keywords) {
            self.risky |= keywords.0.iter().any(|map| map.len() > 3);
            return Ok(self.words(&values, types.as_deref(), at));
        }
        if let Some((variants, at_address)) = self.alternatives(&keywords, chosen) {
            return self.either(parts, chosen, &variants, at_address, nullable, at);
        }
        let kind = match main_type(types.as_deref(), &keywords) {
            None => Kind::Never,
            Some("null") => Kind::Null,
            Some("boolean") => Kind::Boolean(self.boolean(&keywords, at)),
            Some("integer") => Kind::Integer(self.number(&keywords, at, true)),
            Some("number") => Kind::Number(self.number(&keywords, at, false)),
            Some("array") => self.list(&keywords, at)?,
            Some("object") => self.object(&keywords, at)?,
            Some(_) => Kind::Text(self.text(&keywords, at)),
        };
        Ok((kind, nullable))
    }

    /// The first choice that has not been made yet.
    fn alternatives(
        &mut self,
        keywords: &Keywords<'s>,
        chosen: &BTreeSet<usize>,
    ) -> Option<(Vec<Vec<&'s Value>>, usize)> {
        for map in &keywords.0 {
            for keyword in ["oneOf", "anyOf"] {
                let Some(group) = map.get(keyword) else { continue };
                let open = !chosen.contains(&address(group));
                if let (true, Value::Array(variants)) = (open, group) {
                    self.risky |= keyword == "oneOf" && variants.len() > 1;
                    let variants = variants.iter().map(|variant| vec![variant]).collect();
                    return Some((variants, address(group)));
                }
            }
            let Some(condition) = map.get("if") else { continue };
            if chosen.contains(&address(condition)) {
                continue;
            }
            self.risky = true;
            let then = std::iter::once(condition).chain(map.get("then")).collect();
            let otherwise = map.get("else").into_iter().collect();
            return Some((vec![then, otherwise], address(condition)));
        }
        None
    }

    fn either(
        &mut self,
        parts: &[&'s Value],
        chosen: &BTreeSet<usize>,
        variants: &[Vec<&'s Value>],
        group: usize,
        nullable: bool,
        at: &At<'_>,
    ) -> Result<(Kind, bool), String> {
        let mut chosen = chosen.clone();
        chosen.insert(group);
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut null = false;
        for variant in variants {
            let mut schemas = parts.to_vec();
            schemas.extend(variant);
            let inner = At { depth: at.depth + 1, ..*at };
            let id = self.node(&schemas, &chosen, &inner)?;
            match self.get(id).map(|node| &node.kind) {
                Some(Kind::Null) if nullable || parts.iter().all(|p| p.get("type").is_none()) => {
                    null = true;
                }
                Some(Kind::Never) | None => {}
                Some(_) => nodes.push(id),
            }
        }
        Ok(match (nodes.is_empty(), null) {
            (true, true) => (Kind::Null, false),
            (true, false) => (Kind::Never, false),
            (false, _) => (Kind::Either(nodes), null),
        })
    }

    /// A choice among given values.
    fn words(&self, values: &[&Value], types: Option<&[&str]>, at: &At<'_>) -> (Kind, bool) {
        let fits =
            |value: &Value| types.is_none_or(|types| types.iter().any(|t| is_type(value, t)));
        let values: Vec<&&Value> = values.iter().filter(|value| fits(value)).collect();
        let null = values.iter().any(|value| value.is_null());
        let mut words: Vec<EnumValue> = values
            .iter()
            .filter(|value| !value.is_null())
            .enumerate()
            .map(|(place, value)| {
                let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let rule = self.input.tables.word(&word);
                let json = value.to_string();
                EnumValue { json, word, weight: rule.weight, rank: rule.rank, place }
            })
            .collect();
        if words.len() < 2 {
            return match words.pop() {
                Some(only) => (Kind::Const(only.json), null),
                None if null => (Kind::Null, false),
                None => (Kind::Never, false),
            };
        }
        let ranked = words.iter().filter(|word| word.rank != 0.0).count() * 2 >= words.len();
        // "status: done | failed" says how work went; "verdict: confirmed | refuted" and
        // "severity: high | low" say what an item is.
        let extreme = |sign: f64| words.iter().any(|word| word.rank * sign >= 0.9);
        let gate = ranked && !at.is_item && extreme(1.0) && words.iter().any(|w| w.rank < -0.5);
        if ranked {
            words.sort_by(|a, b| a.rank.total_cmp(&b.rank));
        }
        if words.iter().all(|word| word.weight <= 0.0) {
            for word in &mut words {
                word.weight = 1.0;
            }
        }
        (Kind::Enum(EnumForm { values: words, ranked, gate }), null)
    }

    fn boolean(&self, keywords: &Keywords<'_>, at: &At<'_>) -> BooleanForm {
        let named = self.input.tables.boolean(at.name);
        let rule = named.unwrap_or_else(|| {
            // "true if the finding is refuted" says what the name does not.
            let described = keywords.text("description").unwrap_or("");
            let told = described.strip_prefix("true if").or(described.strip_prefix("True if"));
            let known = told.and_then(|text| {
                let words: Vec<&str> = text.split_whitespace().take(8).collect();
                self.input.tables.boolean(&words.join("_"))
            });
            known.unwrap_or(BooleanRule { kind: BooleanKind::Plain, share: 0.5, good: true })
        });
        BooleanForm { rule }
    }
}

/// The types that all schemas allow; `None` where none says.
fn types<'s>(keywords: &Keywords<'s>) -> Option<Vec<&'s str>> {
    let mut allowed: Option<Vec<&'s str>> = None;
    for value in keywords.all("type") {
        let named: Vec<&str> = match value {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        allowed = Some(match allowed {
            None => named,
            Some(before) => before.into_iter().filter_map(|name| narrower(name, &named)).collect(),
        });
    }
    allowed
}

/// `name` as far as `others` allow it: an integer is a number.
fn narrower<'s>(name: &'s str, others: &[&'s str]) -> Option<&'s str> {
    if others.contains(&name) {
        return Some(name);
    }
    match name {
        "integer" => others.contains(&"number").then_some("integer"),
        "number" => others.contains(&"integer").then_some("integer"),
        _ => None,
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// The values that every `enum` and `const` allows; `None` where there is none.
fn enumerated<'s>(keywords: &Keywords<'s>) -> Option<Vec<&'s Value>> {
    let mut allowed: Option<Vec<&'s Value>> = None;
    let lists = keywords.all("enum").filter_map(Value::as_array).map(|list| list.iter().collect());
    let constants = keywords.all("const").map(|value| vec![value]);
    for named in lists.chain(constants) {
        let named: Vec<&Value> = named;
        allowed = Some(match allowed {
            None => named,
            Some(before) => before.into_iter().filter(|value| named.contains(value)).collect(),
        });
    }
    allowed
}

/// The type to draw; `None` where no type is left.
fn main_type<'s>(types: Option<&[&'s str]>, keywords: &Keywords<'s>) -> Option<&'s str> {
    const HINTS: [(&str, &str); 12] = [
        ("properties", "object"),
        ("required", "object"),
        ("additionalProperties", "object"),
        ("items", "array"),
        ("minItems", "array"),
        ("maxItems", "array"),
        ("pattern", "string"),
        ("minLength", "string"),
        ("maxLength", "string"),
        ("minimum", "number"),
        ("maximum", "number"),
        ("multipleOf", "number"),
    ];
    if let Some(types) = types {
        let first = types.iter().find(|name| **name != "null");
        return first.or(types.first()).copied();
    }
    let hint = HINTS.iter().find(|(keyword, _)| keywords.has(keyword));
    Some(hint.map_or("string", |(_, name)| name))
}
