//! Schemas to forms. Owns what the keywords of JSON Schema mean for a draw: references, `allOf`,
//! alternatives and bounds are folded into one node per value. A node is made from a conjunction
//! of schemas and found again by it, so recursive schemas end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::form::{Form, Kind, ListForm, Node, NodeId};
use super::word_tables::{ListKind, WordTables};
use crate::plan::assume::{Assumptions, PinValue};
use crate::plan::widths::{Cap, ProseCap};
use crate::seed::key_of;

/// What compiling needs beside the schema.
pub(super) struct CompileInput<'a> {
    pub(super) stage_name: &'a str,
    pub(super) tables: &'a WordTables,
    pub(super) assumptions: &'a Assumptions,
    pub(super) caps: &'a [ProseCap],
}

/// Nodes of one form; more are a schema that nobody wrote by hand.
const NODES_MAX: usize = 4_000;
/// Levels of one value.
const DEPTH_MAX: usize = 64;

/// Compiles the schema of a stage; the error says why the runtime would refuse it.
pub(super) fn compile(text: &str, input: &CompileInput<'_>) -> Result<Form, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let typed = |name: &str| schema.get("type").is_none_or(|kind| kind == name);
    if !schema.is_object() || !typed("object") {
        return Err("root must be {type: 'object'}".to_owned());
    }
    let mut compiler = Compiler {
        input,
        document: &schema,
        nodes: Vec::new(),
        known: BTreeMap::new(),
        risky: false,
        lists: count_lists(&schema),
    };
    let root_schema = [&schema];
    let here = At { name: "", path: "", depth: 0, is_item: false };
    let root = compiler.node(&root_schema, &BTreeSet::new(), &here)?;
    let Compiler { nodes, risky, .. } = compiler;
    let validator = if risky {
        Some(jsonschema::validator_for(&schema).map_err(|error| error.to_string())?)
    } else {
        None
    };
    let keep = input.tables.reduces(input.stage_name);
    let refers = nodes.iter().any(|node| {
        let kind = if let Kind::List(list) = &node.kind { Some(list.rule.kind) } else { None };
        matches!(kind, Some(ListKind::Refs | ListKind::Indices))
    });
    let repairs = input.tables.repairs(input.stage_name);
    Ok(Form { nodes, root, validator, keep, repairs, refers })
}

/// Lists of objects or strings that a schema has, anywhere.
fn count_lists(schema: &Value) -> usize {
    match schema {
        Value::Object(map) => {
            usize::from(map.get("type").is_some_and(|kind| kind == "array"))
                + map.values().map(count_lists).sum::<usize>()
        }
        Value::Array(values) => values.iter().map(count_lists).sum(),
        _ => 0,
    }
}

/// Where in the result a node stands.
pub(super) struct At<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a str,
    pub(super) depth: usize,
    pub(super) is_item: bool,
}

/// What makes two nodes the same: their schemas by address, the alternatives already chosen, and
/// the name they have.
type NodeKey = (Vec<usize>, Vec<usize>, String);

pub(super) struct Compiler<'s, 'i> {
    pub(super) input: &'i CompileInput<'i>,
    pub(super) document: &'s Value,
    nodes: Vec<Node>,
    known: BTreeMap<NodeKey, NodeId>,
    /// Whether a keyword was met that drawing alone does not honour.
    pub(super) risky: bool,
    pub(super) lists: usize,
}

impl<'s> Compiler<'s, '_> {
    /// The node of values that satisfy all of `schemas`; `chosen` are alternatives already taken.
    pub(super) fn node(
        &mut self,
        schemas: &[&'s Value],
        chosen: &BTreeSet<usize>,
        at: &At<'_>,
    ) -> Result<NodeId, String> {
        if self.nodes.len() >= NODES_MAX || at.depth > DEPTH_MAX {
            return Err("the schema is too large".to_owned());
        }
        let parts = self.flatten(schemas)?;
        let addresses = parts.iter().map(|part| address(part)).collect();
        let key = (addresses, chosen.iter().copied().collect(), at.name.to_owned());
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let id = self.nodes.len();
        self.known.insert(key, id);
        self.nodes.push(Node {
            kind: Kind::Null,
            nullable: false,
            name: at.name.into(),
            path: at.path.into(),
            key: key_of(at.path) ^ u64::from(at.is_item),
            pin: None,
            is_item: at.is_item,
        });
        let refused = parts.iter().any(|part| **part == Value::Bool(false));
        let (kind, nullable) =
            if refused { (Kind::Never, false) } else { self.kind(&parts, chosen, at)? };
        let pinned = !at.is_item && !at.path.is_empty();
        let pin = pinned.then(|| {
            let takes = |value: &PinValue| takes(&kind, value);
            self.input.assumptions.property(self.input.stage_name, at.path, takes)
        });
        if let Some(node) = self.nodes.get_mut(id) {
            node.pin = pin.flatten().cloned();
            node.kind = kind;
            node.nullable = nullable;
        }
        Ok(id)
    }

    pub(super) fn is_never(&self, id: NodeId) -> bool {
        self.nodes.get(id).is_none_or(|node| matches!(node.kind, Kind::Never))
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// Changes a list that is already compiled.
    pub(super) fn edit_list(&mut self, id: NodeId, edit: impl FnOnce(&mut ListForm)) {
        if let Some(Node { kind: Kind::List(list), .. }) = self.nodes.get_mut(id) {
            edit(list);
        }
    }

    /// All schemas that hold together: references and `allOf` unfolded.
    fn flatten(&mut self, schemas: &[&'s Value]) -> Result<Vec<&'s Value>, String> {
        let mut open: Vec<&'s Value> = schemas.iter().rev().copied().collect();
        let mut parts: Vec<&'s Value> = Vec::new();
        while let Some(schema) = open.pop() {
            if parts.iter().any(|part| std::ptr::eq(*part, schema)) {
                continue;
            }
            parts.push(schema);
            let Some(map) = schema.as_object() else { continue };
            if let Some(Value::Array(all)) = map.get("allOf") {
                open.extend(all.iter().rev());
            }
            if let Some(Value::String(reference)) = map.get("$ref") {
                open.push(self.resolve(reference)?);
            }
        }
        Ok(parts)
    }

    fn resolve(&self, reference: &str) -> Result<&'s Value, String> {
        let pointer =
            reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let unescaped = pointer.map(|pointer| pointer.replace("%24", "$").replace("%20", " "));
        unescaped
            .and_then(|pointer| self.document.pointer(&pointer))
            .ok_or_else(|| format!("can't resolve reference {reference}"))
    }

    /// The cap that the script's prose or a description sets for a list.
    pub(super) fn cap(&self, name: &str, description: Option<&str>) -> Option<Cap> {
        let described =
            description.and_then(|text| crate::plan::widths::cap_in_prompt(text, name, true));
        let named = |cap: &&ProseCap| {
            cap.property.as_deref().is_some_and(|property| property.eq_ignore_ascii_case(name))
        };
        described.or_else(|| {
            self.input.caps.iter().filter(named).map(|cap| cap.cap).min_by_key(|cap| cap.high)
        })
    }
}

/// Whether a property can take a pin's value; else what it wants.
fn takes(kind: &Kind, value: &PinValue) -> Result<(), &'static str> {
    let share = |number: f64| (0.0..=1.0).contains(&number);
    match (kind, value) {
        (Kind::List(_) | Kind::Integer(_) | Kind::Number(_), PinValue::Number(_))
        | (Kind::Text(_), PinValue::Word(_))
        | (Kind::Either(_), _) => Ok(()),
        (Kind::List(_), _) => Err("the property is a list: give its length"),
        (Kind::Boolean(_), PinValue::Number(number)) if share(*number) => Ok(()),
        (Kind::Boolean(_), PinValue::Word(word))
            if ["true", "false"].iter().any(|known| word.eq_ignore_ascii_case(known)) =>
        {
            Ok(())
        }
        (Kind::Boolean(_), _) => Err("the property is a boolean: give a share from 0 to 1"),
        (Kind::Enum(words), PinValue::Number(number)) if words.ranked && share(*number) => Ok(()),
        (Kind::Enum(words), PinValue::Word(pin))
            if words.values.iter().any(|value| value.word.eq_ignore_ascii_case(pin)) =>
        {
            Ok(())
        }
        (Kind::Enum(_), _) => Err("the property is an enum: give one of its words"),
        (Kind::Integer(_) | Kind::Number(_), _) => Err("the property is a number: give one"),
        (Kind::Text(_), _) => Err(
            "the property is a text: only lists, booleans, enums and numbers can be pinned to a number",
        ),
        (Kind::Null | Kind::Const(_) | Kind::Object(_) | Kind::Never, _) => {
            Err("the property has no value to pin: name one inside it")
        }
    }
}

pub(super) fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

/// A shared name.
pub(super) fn shared(text: &str) -> Arc<str> {
    text.into()
}
