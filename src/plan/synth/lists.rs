//! Lists of a result. Owns which items they hold: new ones, ones found in an earlier round, ones
//! that the prompt shows, or names of siblings.

use serde_json::Value;

use super::call::FactorKind;
use super::form::{Judging, Kind, ListForm, Node, NodeId, NumberRole};
use super::scalars::fits_text;
use super::word_tables::{ListKind, words_of};
use super::writer::{NewItem, Writer};
use crate::seed::{Seed, key_of};

const PICK: u64 = 0x7069;
const ITEM: u64 = 0x6974;
/// Tries to make an item differ from its siblings.
const DISTINCT_TRIES: u64 = 48;

/// Words of a list that holds what a reducing stage leaves out.
const LEFT_OUT: [&str; 8] =
    ["dropped", "removed", "rejected", "duplicates", "discarded", "excluded", "filtered", "merged"];

/// Words of a list of references that must not form a circle.
const BACKWARD: [&str; 12] = [
    "depends",
    "dependencies",
    "deps",
    "blocked",
    "prerequisites",
    "prereqs",
    "requires",
    "after",
    "dependency",
    "depend",
    "upstream",
    "needs",
];

/// What a writer puts aside while it writes a list's items.
struct Outer {
    marker: super::token::Marker,
    subject: Seed,
    position: usize,
    in_item: bool,
    echo: Option<Value>,
    siblings: Vec<Value>,
    path_is_item: bool,
    group: usize,
}

impl Writer<'_> {
    pub(super) fn list(&mut self, node: &Node, list: &ListForm, seed: Seed, least: bool) {
        let sources = if least { Vec::new() } else { self.sources(node, list, seed) };
        let references = if least { None } else { self.references(node, list) };
        let mut length =
            if least { list.min } else { self.length(node, list, seed, sources.len()) };
        if let Some(references) = &references {
            length = length.min(references.len()).max(list.min);
        }
        self.out.push('[');
        let written = match references {
            Some(references) => self.write_references(list, &references, length, seed),
            None => self.write_items(node, list, sources, length, seed),
        };
        self.out.push(']');
        if !least {
            self.note(node, FactorKind::Length, written as f64);
        }
    }

    fn write_items(
        &mut self,
        node: &Node,
        list: &ListForm,
        sources: Vec<Value>,
        length: usize,
        seed: Seed,
    ) -> usize {
        let outer = self.set_aside();
        // A word of an enum is nobody's item: lists of them are drawn afresh.
        let may_repeat = !outer.in_item
            && sources.is_empty()
            && self.scene.extremes.is_none()
            && !self.is_choice(list.item);
        let path_is_item = list.id.as_deref().is_none_or(|id| matches!(id, "file" | "path"));
        self.path_is_item = path_is_item && list.rule.kind != ListKind::Problem;
        self.group = length;
        let mut sources = sources.into_iter();
        let mut ranges: Vec<(usize, usize)> = Vec::with_capacity(length);
        for index in 0..length {
            let (before, items_before) = (self.out.len(), self.items.len());
            if !ranges.is_empty() {
                self.out.push(',');
            }
            let start = self.out.len();
            self.in_item = true;
            self.position = index;
            self.echo = sources.next();
            let required = ranges.len() + (length - index) <= list.min;
            let item_seed = seed.child(ITEM).child(index as u64);
            let repeated = may_repeat && self.repeat(node, list, item_seed, length);
            let taken = list.unique && self.has_twin(start, &ranges);
            let fine = match repeated {
                true if self.out.len() > start && !taken => true,
                true if !required => false,
                _ => self.distinct_item(node, list, item_seed, (index, start), &ranges, required),
            };
            if fine {
                ranges.push((start, self.out.len()));
                self.note_sibling(list, start);
            } else {
                self.out.truncate(before);
                // Others will stand where it stood.
                self.forget_items(items_before);
            }
        }
        self.bring_back(outer);
        ranges.len()
    }

    fn set_aside(&mut self) -> Outer {
        Outer {
            marker: self.marker,
            subject: self.subject,
            position: self.position,
            in_item: self.in_item,
            echo: self.echo.take(),
            siblings: std::mem::take(&mut self.siblings),
            path_is_item: self.path_is_item,
            group: self.group,
        }
    }

    fn bring_back(&mut self, outer: Outer) {
        let names = std::mem::replace(&mut self.siblings, outer.siblings);
        if !outer.in_item && !names.is_empty() {
            // Later lists of the same result may refer to these.
            self.siblings = names;
        }
        self.marker = outer.marker;
        self.subject = outer.subject;
        self.position = outer.position;
        self.in_item = outer.in_item;
        self.echo = outer.echo;
        self.path_is_item = outer.path_is_item;
        self.group = outer.group;
    }

    /// Writes a new item, again where it equals a sibling and must not.
    fn distinct_item(
        &mut self,
        node: &Node,
        list: &ListForm,
        seed: Seed,
        (index, start): (usize, usize),
        ranges: &[(usize, usize)],
        required: bool,
    ) -> bool {
        let id = list.prefix.get(index).copied().unwrap_or(list.item);
        let choice = self.is_choice(id);
        let tries = if list.unique || choice { DISTINCT_TRIES } else { 1 };
        let items_before = self.items.len();
        for attempt in 0..tries {
            self.out.truncate(start);
            self.forget_items(items_before);
            let seed = if attempt == 0 { seed } else { seed.child(attempt) };
            self.new_item(node, id, seed, index);
            if tries == 1 || !self.has_twin(start, ranges) {
                return true;
            }
        }
        required
    }

    /// Whether what stands since `start` equals one of the items at `ranges`.
    fn has_twin(&self, start: usize, ranges: &[(usize, usize)]) -> bool {
        let written = self.out.get(start..).unwrap_or("");
        ranges.iter().any(|range| self.out.get(range.0..range.1) == Some(written))
    }

    fn is_choice(&self, id: NodeId) -> bool {
        let node = self.scene.form.nodes.get(id);
        node.is_some_and(|node| matches!(node.kind, Kind::Enum(_) | Kind::Const(_)))
    }

    fn new_item(&mut self, node: &Node, id: NodeId, seed: Seed, index: usize) {
        let parent = self.marker.number();
        let marker = self.new_marker(&[parent, self.scene.identity, node.key, index as u64]);
        let start = self.out.len();
        let slot = self.items.len();
        self.open_item(NewItem { marker, range: (start, start), list: Some(node.key) });
        let outer = std::mem::replace(&mut self.marker, marker);
        let subject = self.subject;
        // An item that the prompt shows is judged as what it is, not as where it stands.
        self.subject = match &self.echo {
            Some(echo) => self.scene.state.seed.child(key_of(&echo.to_string())),
            None => self.scene.state.seed.child(marker.number()),
        };
        self.value(id, seed);
        self.marker = outer;
        self.subject = subject;
        let end = self.out.len();
        if let Some(item) = self.items.get_mut(slot) {
            item.range = (start, end);
        }
    }

    /// Whether this place is for an earlier item, which is then written if one is left.
    fn repeat(&mut self, node: &Node, list: &ListForm, seed: Seed, length: usize) -> bool {
        let scene = self.scene;
        let novelty = scene.tables.novelty;
        let Some(pool) = scene.memory.pools.get(&node.key).filter(|pool| !pool.is_empty()) else {
            return false;
        };
        let round = i32::try_from(scene.asked.round).unwrap_or(i32::MAX);
        let fresh = match (list.rule.kind, round) {
            (ListKind::Refs | ListKind::Indices, _) => return false,
            (ListKind::Judged, _) if list.found.is_none() => return false,
            (ListKind::Gate | ListKind::Plain, 0) => 1.0,
            (_, 0) => 1.0 - novelty.overlap,
            _ => {
                // The floor holds for the round as a whole, however many items it has.
                let items = f64::from(scene.asked.width) * length as f64;
                let floor = 1.0 - (1.0 - novelty.floor).powf(1.0 / items.max(1.0));
                novelty.decay.powi(round).max(floor)
            }
        };
        let mut stream = seed.stream(PICK);
        if stream.uniform() < fresh {
            return false;
        }
        for _ in 0..8 {
            let Some(item) = stream.pick(pool).copied() else { break };
            if !self.reused.contains(&item) {
                self.reused.push(item);
                self.out.push_str(scene.state.text(item));
                break;
            }
        }
        true
    }

    /// Keeps the name of the item just written, for siblings that refer to it.
    fn note_sibling(&mut self, list: &ListForm, start: usize) {
        if !self.scene.form.refers {
            return;
        }
        let text = self.out.get(start..).unwrap_or("null");
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        let name = match (&list.id, value) {
            (Some(id), Value::Object(mut object)) => object.remove(&**id),
            (_, Value::Object(_) | Value::Array(_)) => None,
            (_, scalar) => Some(scalar),
        };
        self.siblings.extend(name);
    }

    /// What the items of this list are taken from: all that the prompt shows where each is judged,
    /// a part where the stage reduces.
    fn sources(&self, node: &Node, list: &ListForm, seed: Seed) -> Vec<Value> {
        let scene = self.scene;
        let shape = scene.form.nodes.get(list.item).map(|item| &item.kind);
        if self.in_item || !matches!(shape, Some(Kind::Object(_) | Kind::Text(_))) {
            return Vec::new();
        }
        let keep = match (list.rule.kind, scene.form.keep) {
            (ListKind::Judged, None) if !self.judges_what_is_shown(node, list) => {
                return Vec::new();
            }
            (ListKind::Judged, None) => 1.0,
            (ListKind::Refs | ListKind::Indices | ListKind::Gate, _) | (_, None) => {
                return Vec::new();
            }
            (_, Some(keep)) => keep,
        };
        let shown = scene.shown.objects();
        if shown.is_empty() || (shown.len() < 2 && list.rule.kind != ListKind::Judged) {
            return Vec::new();
        }
        let left_out = words_of(&node.name).iter().any(|word| LEFT_OUT.contains(&word.as_str()));
        // The same order for every list of a result, so that what is kept is not also dropped.
        let order = scene.state.seed.child(scene.identity).child(PICK);
        let mut ranked: Vec<(f64, usize, &Value)> = shown
            .iter()
            .enumerate()
            .map(|(at, value)| (order.uniform(key_of(&value.to_string())), at, value))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        if left_out {
            ranked.reverse();
        }
        let usual = if left_out { 1.0 - keep } else { keep };
        let part = if scene.extremes.is_some() || keep >= 1.0 {
            1.0
        } else {
            (usual * (0.85 + 0.3 * seed.uniform(PICK))).min(1.0)
        };
        let least = usize::from(!left_out);
        let kept = ((ranked.len() as f64 * part).round() as usize).max(least);
        ranked.truncate(kept);
        ranked.sort_by_key(|(_, at, _)| *at);
        ranked.into_iter().map(|(_, _, value)| value.clone()).collect()
    }

    /// Whether a list that may be judgements has one for each item shown, rather than what the
    /// agent was sent to find.
    fn judges_what_is_shown(&self, node: &Node, list: &ListForm) -> bool {
        let shown = self.scene.shown.objects();
        if let Some(place) = &list.found {
            // Handed on with a grade, unless the prompt names no such places.
            return shown.len() > 1 && shown.iter().all(|item| item.get(&**place).is_some());
        }
        match list.judging {
            Judging::Verdicts => true,
            // Who asks for "the top 5" does not ask for one per item.
            _ if self.cap(node, list).is_some() => false,
            Judging::Names => true,
            Judging::No => shown.len() > 1,
        }
    }

    /// The values that a list of references may hold; `None` where it is not one, or nothing is
    /// there to refer to but new names.
    fn references(&self, node: &Node, list: &ListForm) -> Option<Vec<Value>> {
        if !matches!(list.rule.kind, ListKind::Refs | ListKind::Indices) {
            return None;
        }
        let words = words_of(&node.name);
        let backward = words.iter().any(|word| BACKWARD.contains(&word.as_str()));
        let item = self.scene.form.nodes.get(list.item)?;
        let candidates = match &item.kind {
            Kind::Integer(number) => {
                let base = if let NumberRole::Index(base) = number.role { base } else { 0 };
                let from_siblings = backward && self.in_item;
                let named = self.siblings.iter().all(Value::is_u64) && !self.siblings.is_empty();
                if from_siblings && named {
                    self.siblings.clone()
                } else {
                    let count =
                        if from_siblings { self.position } else { self.scene.shown.count() };
                    (0..count).map(|at| Value::from(at as u64 + u64::from(base))).collect()
                }
            }
            _ if backward && self.in_item => self.siblings.clone(),
            _ if self.in_item || self.siblings.is_empty() => self.shown_names(),
            _ => self.siblings.clone(),
        };
        let fits = |value: &Value| match &item.kind {
            Kind::Text(shape) => value.as_str().is_some_and(|text| fits_text(text, shape)),
            Kind::Integer(form) => value.as_f64().is_some_and(|number| {
                number >= form.low && number <= form.high && form.step.is_none()
            }),
            Kind::Enum(words) => {
                let json = value.to_string();
                words.values.iter().any(|word| word.json == json)
            }
            _ => false,
        };
        let candidates: Vec<Value> = candidates.into_iter().filter(fits).collect();
        // At the head of a graph there is nothing to depend on; elsewhere new names are made up.
        (backward && self.in_item || !candidates.is_empty()).then_some(candidates)
    }

    /// The names of the items that the prompt shows; inside a group, that group's part.
    fn shown_names(&self) -> Vec<Value> {
        let shown = self.scene.shown.objects();
        let name = |value: &Value| match value {
            Value::Object(object) => ["id", "key", "name", "title", "file", "path"]
                .iter()
                .find_map(|name| object.get(*name))
                .or_else(|| object.values().find(|value| value.is_string()))
                .cloned(),
            scalar => Some(scalar.clone()),
        };
        let groups = if self.in_item { self.group.max(1) } else { 1 };
        let mine = |at: &usize| groups == 1 || at % groups == self.position % groups;
        let names = shown.iter().enumerate().filter(|(at, _)| mine(at));
        names.filter_map(|(_, value)| name(value)).collect()
    }

    fn write_references(
        &mut self,
        list: &ListForm,
        references: &[Value],
        length: usize,
        seed: Seed,
    ) -> usize {
        let mut ranked: Vec<(f64, usize)> =
            (0..references.len()).map(|at| (seed.child(PICK).uniform(at as u64), at)).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        ranked.truncate(length);
        ranked.sort_by_key(|(_, at)| *at);
        let mut written = 0;
        for (_, at) in ranked {
            let Some(value) = references.get(at) else { continue };
            if written > 0 {
                self.out.push(',');
            }
            self.out.push_str(&value.to_string());
            written += 1;
        }
        // What a schema demands beyond what there is to name.
        for index in written..list.min {
            if index > 0 {
                self.out.push(',');
            }
            self.value(list.item, seed.child(ITEM).child(index as u64));
        }
        written.max(list.min)
    }
}
