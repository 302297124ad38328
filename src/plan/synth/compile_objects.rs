//! Objects and lists of a form.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::compile::{At, Compiler, shared};
use super::compile_kinds::Keywords;
use super::form::{Field, Judging, Kind, ListForm, NodeId, NumberRole, ObjectForm};
use super::word_tables::{BooleanKind, ListKind, ListRule, words_of};

/// Lists longer than this are never drawn or probed, whatever a schema asks for.
pub(super) const LIST_MAX: usize = 4_096;

impl<'s> Compiler<'s, '_> {
    pub(super) fn object(&mut self, keywords: &Keywords<'s>, at: &At<'_>) -> Result<Kind, String> {
        let required: BTreeSet<&str> = keywords
            .all("required")
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        // Who names no required property has not thought about it, and reads them all.
        let usual = keywords.all("required").next().is_none();
        let mut names: Vec<&'s str> = Vec::new();
        for properties in keywords.all("properties").filter_map(Value::as_object) {
            let fresh = properties.keys().map(String::as_str).filter(|name| !names.contains(name));
            let fresh: Vec<&str> = fresh.collect();
            names.extend(fresh);
        }
        let declared = names.len();
        for list in keywords.all("required").filter_map(Value::as_array) {
            let fresh = list.iter().filter_map(Value::as_str).filter(|name| !names.contains(name));
            let fresh: Vec<&str> = fresh.collect();
            names.extend(fresh);
        }
        let mut fields = Vec::with_capacity(names.len());
        for (position, name) in names.iter().enumerate() {
            let schemas = property_schemas(keywords, name);
            let node = self.child(&schemas, name, at)?;
            let is_required = required.contains(name);
            if self.is_never(node) {
                if is_required {
                    let why =
                        if position >= declared { "not in properties" } else { "unsatisfiable" };
                    return if at.path.is_empty() {
                        Err(format!("required property '{name}' is {why}"))
                    } else {
                        Ok(Kind::Never)
                    };
                }
                continue;
            }
            let json = format!("{}:", Value::String((*name).to_owned()));
            fields.push(Field { name: shared(name), json, node, required: is_required, usual });
        }
        self.soften_checks(&mut fields);
        let min = keywords.most("minProperties").unwrap_or(0).min(LIST_MAX);
        let max = keywords.fewest("maxProperties");
        self.risky |= max.is_some_and(|max| max < fields.len()) || min > required.len();
        let extra = min.saturating_sub(fields.len());
        let free = keywords.all("additionalProperties").find(|value| value.is_object());
        // A map without named properties: a few entries.
        let open_map = free.is_some() && names.is_empty() && max.is_none_or(|max| max >= 3);
        let extra = if open_map { extra.max(3) } else { extra };
        let extra_node = if extra > 0 {
            let schemas: Vec<&Value> = keywords.all("additionalProperties").collect();
            Some(self.child(&schemas, "value", at)?)
        } else {
            None
        };
        let good_share = self.good_share(&fields);
        Ok(Kind::Object(ObjectForm { fields, good_share, extra, extra_node }))
    }

    fn child(&mut self, schemas: &[&'s Value], name: &str, at: &At<'_>) -> Result<NodeId, String> {
        let path = if at.path.is_empty() { name.to_owned() } else { format!("{}.{name}", at.path) };
        let inner = At { name, path: &path, depth: at.depth + 1, is_item: false };
        self.node(schemas, &BTreeSet::new(), &inner)
    }

    /// The share with which the check reported by these fields goes well.
    fn good_share(&self, fields: &[Field]) -> Option<f64> {
        fields.iter().find_map(|field| match &self.get(field.node)?.kind {
            Kind::Boolean(boolean) if boolean.rule.kind == BooleanKind::Gate => {
                let rule = boolean.rule;
                Some(if rule.good { rule.share } else { 1.0 - rule.share })
            }
            Kind::Enum(words) if words.gate => {
                let total: f64 = words.values.iter().map(|word| word.weight).sum();
                let good = words.values.iter().filter(|word| word.rank > 0.0);
                Some(good.map(|word| word.weight).sum::<f64>() / total)
            }
            _ => None,
        })
    }

    /// Beside "approved" or "status", lists of problems are what the check found.
    fn soften_checks(&mut self, fields: &mut [Field]) {
        let Some(good) = self.good_share(fields) else { return };
        for field in fields.iter() {
            self.edit_list(field.node, |list| {
                if matches!(list.rule.kind, ListKind::Problem | ListKind::Gate) {
                    list.rule.kind = ListKind::Gate;
                    list.rule.empty = good;
                }
            });
        }
    }

    pub(super) fn list(&mut self, keywords: &Keywords<'s>, at: &At<'_>) -> Result<Kind, String> {
        let inner = At { name: at.name, path: at.path, depth: at.depth + 1, is_item: true };
        let mut prefix = Vec::new();
        let mut tuples = keywords.all("prefixItems").chain(keywords.all("items"));
        if let Some(first) = tuples.find_map(Value::as_array) {
            for schema in first {
                prefix.push(self.node(&[schema], &BTreeSet::new(), &inner)?);
            }
        }
        let mut schemas: Vec<&Value> =
            keywords.all("items").filter(|items| !items.is_array()).collect();
        if !prefix.is_empty() && keywords.all("prefixItems").next().is_none() {
            schemas.extend(keywords.all("additionalItems"));
        }
        let item = self.node(&schemas, &BTreeSet::new(), &inner)?;
        let mut max = keywords.fewest("maxItems");
        if self.is_never(item) {
            max = Some(max.unwrap_or(prefix.len()).min(prefix.len()));
        }
        let min = keywords.most("minItems").unwrap_or(0);
        if max.is_some_and(|max| max < min) || min > LIST_MAX {
            return Ok(Kind::Never);
        }
        let id = self.id_field(item);
        let rule = self.list_rule(at.name, item, id.is_some());
        let unique = keywords.all("uniqueItems").any(|value| *value == Value::Bool(true));
        let cap = self.cap(at.name, keywords.text("description"));
        let only = self.lists == 1;
        let judging = self.judging(item);
        let found = self.found(at.name, item, judging);
        let form = ListForm { rule, item, prefix, min, max, cap, unique, only, judging, found, id };
        Ok(Kind::List(form))
    }

    fn list_rule(&self, name: &str, item: NodeId, of_objects: bool) -> ListRule {
        let plain = ListRule { kind: ListKind::Plain, median: 3.0, empty: 0.05, tree: None };
        let mut rule = self.input.tables.list(name).unwrap_or(plain);
        let counts = match self.get(item).map(|node| &node.kind) {
            Some(Kind::Integer(number)) => Some(number.role),
            _ => None,
        };
        // References are names or numbers: a list of objects is something else.
        rule.kind = match (rule.kind, counts) {
            (ListKind::Refs | ListKind::Indices, _) if of_objects => ListKind::Work,
            (ListKind::Indices, None) => ListKind::Refs,
            (ListKind::Refs, Some(_)) | (_, Some(NumberRole::Index(_))) => ListKind::Indices,
            (kind, _) => kind,
        };
        rule
    }

    fn fields(&self, item: NodeId) -> &[Field] {
        match self.get(item).map(|node| &node.kind) {
            Some(Kind::Object(object)) => &object.fields,
            _ => &[],
        }
    }

    /// What the items of a list say of what a prompt shows.
    fn judging(&self, item: NodeId) -> Judging {
        let verdict = |field: &Field| match self.get(field.node).map(|node| &node.kind) {
            Some(Kind::Boolean(_)) => true,
            Some(Kind::Enum(words)) => words.ranked,
            Some(Kind::Integer(number) | Kind::Number(number)) => number.rule.unit,
            Some(Kind::Text(_)) => words_of(&field.name).iter().any(|word| word == "verdict"),
            _ => false,
        };
        let names = |field: &Field| {
            let words = words_of(&field.name);
            words.last().is_some_and(|word| matches!(word.as_str(), "id" | "index" | "key"))
        };
        let fields = self.fields(item);
        if fields.iter().any(verdict) {
            Judging::Verdicts
        } else if fields.iter().any(names) {
            Judging::Names
        } else {
            Judging::No
        }
    }

    /// The property that says where an item was found, unless the items are verdicts. "results" is
    /// what both searches and judges return: there, a grade does not make it a judgement.
    fn found(&self, name: &str, item: NodeId, judging: Judging) -> Option<Arc<str>> {
        let fields = self.fields(item);
        let decides = |field: &Field| match self.get(field.node).map(|node| &node.kind) {
            Some(Kind::Boolean(boolean)) => boolean.rule.kind == BooleanKind::Verdict,
            _ => false,
        };
        let results = words_of(name).iter().any(|word| word == "results");
        if fields.iter().any(decides) || (judging == Judging::Verdicts && !results) {
            return None;
        }
        let is_place = |field: &&Field| {
            let place = ["url", "uri", "href", "link", "source", "permalink", "sourceUrl"];
            place.iter().any(|known| field.name.eq_ignore_ascii_case(known))
        };
        fields.iter().find(is_place).map(|field| Arc::clone(&field.name))
    }

    /// The property that tells the items of a list apart.
    fn id_field(&self, item: NodeId) -> Option<Arc<str>> {
        let Kind::Object(object) = &self.get(item)?.kind else { return None };
        let ids = ["id", "key", "slug", "name", "title", "file", "path"];
        let named = ids
            .iter()
            .find_map(|id| object.fields.iter().find(|field| field.name.eq_ignore_ascii_case(id)));
        let suffixed = || object.fields.iter().find(|field| field.name.ends_with("Id"));
        let text = || {
            let is_text = |id| self.get(id).is_some_and(|node| matches!(node.kind, Kind::Text(_)));
            object.fields.iter().find(|field| is_text(field.node))
        };
        let any = || text().or(object.fields.first());
        named.or_else(suffixed).or_else(any).map(|field| Arc::clone(&field.name))
    }
}

/// The schemas that a property must satisfy: those that name it, and the `additionalProperties` of
/// those that do not.
fn property_schemas<'s>(keywords: &Keywords<'s>, name: &str) -> Vec<&'s Value> {
    let mut schemas = Vec::new();
    for map in &keywords.0 {
        let named = map.get("properties").and_then(|properties| properties.get(name));
        // Matching by pattern is left to the check afterwards.
        let by_pattern = map.contains_key("patternProperties");
        let other = map.get("additionalProperties").filter(|_| !by_pattern);
        schemas.extend(named.or(other));
    }
    schemas
}
