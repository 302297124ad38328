//! Fills a form in: writes one result as JSON text. Owns objects, alternatives and presence, and
//! what is noted on the way; lists, choices and scalars follow in their own files.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::call::{Extremes, Factor, FactorKind, Pushed};
use super::form::{Field, Form, Kind, Node, NodeId, ObjectForm};
use super::sample_state::{Asked, Gate, ItemRef, SampleState, StageMemory};
use super::shown::Shown;
use super::token::Marker;
use super::word_tables::WordTables;
use crate::id::StageKey;
use crate::plan::widths::TreeCounts;
use crate::seed::Seed;

/// The circumstances of one call.
pub(super) struct Scene<'a> {
    pub(super) tables: &'a WordTables,
    pub(super) tree: TreeCounts,
    pub(super) form: &'a Form,
    pub(super) state: &'a SampleState,
    pub(super) memory: &'a StageMemory,
    pub(super) stage: StageKey,
    pub(super) prompt: &'a str,
    pub(super) shown: &'a Shown<'a>,
    pub(super) asked: Asked,
    pub(super) delivered: u32,
    /// The key of the label without its round.
    pub(super) label: u64,
    /// The key of the items of other stages that the prompt shows; `None` where it shows none.
    pub(super) about: Option<u64>,
    pub(super) identity: u64,
    /// Where draws about the subject of the prompt come from, shared by all who judge it.
    pub(super) subject: Seed,
    pub(super) extremes: Option<&'a Extremes>,
    /// What the script looks for in texts, as a text may hold it.
    pub(super) marks: &'a [String],
    /// Later attempts vary what is optional: 0 as drawn, odd everything, even the least.
    pub(super) attempt: u32,
}

/// An item of the result being written.
pub(super) struct NewItem {
    pub(super) marker: Marker,
    pub(super) range: (usize, usize),
    /// The list it belongs to; `None` for the whole result.
    pub(super) list: Option<u64>,
}

/// Writes one result.
pub(super) struct Writer<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) out: String,
    pub(super) items: Vec<NewItem>,
    pub(super) gates: Vec<((u32, u64, u64), Gate)>,
    pub(super) paths: Vec<String>,
    pub(super) pushed: Vec<Pushed>,
    /// Sums and counts by path.
    factors: BTreeMap<Arc<str>, (FactorKind, f64, u32)>,
    /// The marker of the innermost item.
    pub(super) marker: Marker,
    /// What verdicts follow: the prompt's subject, or the item they stand in.
    pub(super) subject: Seed,
    /// What gates of the current object follow.
    pub(super) gate: Option<Gate>,
    /// The position of the innermost item, from 0, and the object it echoes.
    pub(super) position: usize,
    pub(super) in_item: bool,
    /// Whether a path is what the item is, so that it has to be its own.
    pub(super) path_is_item: bool,
    /// Length of the innermost list.
    pub(super) group: usize,
    pub(super) echo: Option<Value>,
    /// Names of items written so far by list, for references among siblings.
    pub(super) siblings: Vec<Value>,
    /// Nodes being written, to stop recursion.
    active: Vec<NodeId>,
    /// Later repeats already used in this result.
    pub(super) reused: Vec<ItemRef>,
    /// Numbers of the markers in this result.
    markers: HashSet<u64>,
}

/// How often a node may stand inside itself before only the least is written.
const RECURSION_MAX: usize = 2;
/// Beyond this nesting a value is `null`, valid or not: no schema that can be satisfied needs it.
const NESTING_MAX: usize = 96;
/// Beyond this length a result is finished with the least that is valid.
const BYTES_MAX: usize = 4 << 20;
/// The same where every list is as long as it can be: a script is told many such results.
const PROBE_BYTES_MAX: usize = 256 << 10;

impl<'a> Writer<'a> {
    pub(super) fn new(scene: &'a Scene<'a>) -> Self {
        let mut writer = Self {
            scene,
            out: String::with_capacity(256),
            items: Vec::new(),
            gates: Vec::new(),
            paths: Vec::new(),
            pushed: Vec::new(),
            factors: BTreeMap::new(),
            marker: Marker::of(&[0]),
            subject: scene.subject,
            gate: None,
            position: 0,
            in_item: false,
            path_is_item: false,
            group: 1,
            echo: None,
            siblings: Vec::new(),
            active: Vec::new(),
            reused: Vec::new(),
            markers: HashSet::new(),
        };
        writer.marker = writer.new_marker(&[scene.identity]);
        writer
    }

    /// A marker that no item of the sample has.
    pub(super) fn new_marker(&mut self, parts: &[u64]) -> Marker {
        let mut marker = Marker::of(parts);
        let mut salt = 0;
        while salt < 64
            && (self.scene.state.item(marker).is_some() || self.markers.contains(&marker.number()))
        {
            salt += 1;
            marker = Marker::of(&[marker.number(), salt]);
        }
        marker
    }

    /// Takes down an item, to be filled in.
    pub(super) fn open_item(&mut self, item: NewItem) {
        self.markers.insert(item.marker.number());
        self.items.push(item);
    }

    /// Forgets items written since there were `count`.
    pub(super) fn forget_items(&mut self, count: usize) {
        for item in self.items.drain(count..) {
            self.markers.remove(&item.marker.number());
        }
    }

    /// Whether only the least that is valid should be written from here on.
    pub(super) fn least(&self, id: NodeId) -> bool {
        let inside = self.active.iter().filter(|active| **active == id).count();
        inside > RECURSION_MAX || self.full()
    }

    /// Whether the result is as long as it may get.
    pub(super) fn full(&self) -> bool {
        let most = if self.scene.extremes.is_some() { PROBE_BYTES_MAX } else { BYTES_MAX };
        self.out.len() > most
    }

    /// Takes down what was decided. An item has the path of its list, whose length is what counts.
    pub(super) fn note(&mut self, node: &Node, kind: FactorKind, value: f64) {
        if self.scene.extremes.is_some() || node.is_item {
            return;
        }
        let entry = self.factors.entry(Arc::clone(&node.path)).or_insert((kind, 0.0, 0));
        entry.1 += value;
        entry.2 += 1;
    }

    pub(super) fn into_factors(self) -> (String, Vec<Factor>) {
        let stage = self.scene.stage;
        let factors = self.factors.into_iter();
        let mean = |(path, (kind, sum, count))| Factor {
            key: (stage, path),
            kind,
            value: sum / f64::from(count),
        };
        (self.out, factors.map(mean).collect())
    }

    /// Writes the value of a node; `seed` is where its draws come from.
    pub(super) fn value(&mut self, id: NodeId, seed: Seed) {
        let form = self.scene.form;
        let Some(node) = form.nodes.get(id).filter(|_| self.active.len() < NESTING_MAX) else {
            self.out.push_str("null");
            return;
        };
        let seed = seed.child(node.key);
        if node.nullable && self.is_null(id, seed) {
            self.out.push_str("null");
            return;
        }
        let least = self.least(id);
        self.active.push(id);
        match &node.kind {
            Kind::Null | Kind::Never => self.out.push_str("null"),
            Kind::Const(json) => self.out.push_str(json),
            Kind::Enum(words) => self.word(node, words, seed),
            Kind::Boolean(boolean) => self.boolean(node, boolean, seed),
            Kind::Integer(number) => self.number(node, number, seed, true),
            Kind::Number(number) => self.number(node, number, seed, false),
            Kind::Text(text) => self.text(node, text, seed),
            Kind::List(list) => self.list(node, list, seed, least),
            Kind::Object(object) => self.object(node.key, object, seed, least),
            Kind::Either(variants) => {
                let variant = self.variant(variants, seed, least);
                self.value(variant, seed);
            }
        }
        self.active.pop();
    }

    fn is_null(&self, id: NodeId, seed: Seed) -> bool {
        if self.scene.extremes.is_some() {
            return false;
        }
        if self.least(id) {
            return true;
        }
        let presence = self.scene.tables.presence;
        let node = self.scene.form.nodes.get(id);
        if node.is_some_and(|node| node.pin.is_some()) {
            return false;
        }
        let text = node.is_some_and(|node| matches!(node.kind, Kind::Text(_)));
        let share = if text { presence.text_null } else { presence.null };
        seed.uniform(0x6e75) < share
    }

    fn variant(&self, variants: &[NodeId], seed: Seed, least: bool) -> NodeId {
        let flat = |id: &&NodeId| {
            let node = self.scene.form.nodes.get(**id);
            node.is_some_and(|node| !matches!(node.kind, Kind::List(_) | Kind::Object(_)))
        };
        if least && let Some(id) = variants.iter().find(flat) {
            return *id;
        }
        let drawn =
            seed.child(0x6f72).stream(u64::from(self.scene.attempt)).pick(variants).copied();
        drawn.unwrap_or(0)
    }

    fn object(&mut self, key: u64, object: &ObjectForm, seed: Seed, least: bool) {
        let outer = self.gate;
        if object.good_share.is_some() {
            self.gate = Some(self.gate_for(key, seed));
        }
        self.out.push('{');
        let mut first = true;
        for (position, field) in object.fields.iter().enumerate() {
            if !field.required && !self.present(field, position, seed, least) {
                continue;
            }
            if !first {
                self.out.push(',');
            }
            first = false;
            self.out.push_str(&field.json);
            self.value(field.node, seed);
        }
        for extra in 0..if least { 0 } else { object.extra } {
            let Some(node) = object.extra_node else { break };
            if !first {
                self.out.push(',');
            }
            first = false;
            self.out.push_str("\"entry-");
            let marker = Marker::of(&[self.marker.number(), key, extra as u64]);
            marker.write(&mut self.out);
            self.out.push_str("\":");
            self.value(node, seed.child(extra as u64));
        }
        self.out.push('}');
        self.gate = outer;
    }

    fn present(&self, field: &Field, position: usize, seed: Seed, least: bool) -> bool {
        if self.scene.extremes.is_some() && !least {
            return true;
        }
        if self.scene.attempt > 0 || least {
            return self.scene.attempt % 2 == 1 && !least;
        }
        field.usual
            || seed.child(0x6f70).uniform(position as u64) < self.scene.tables.presence.optional
    }
}
