//! How long a list is. Owns the order of what is believed: a pin, what the prompt shows, a check
//! beside it, the working tree, caps in prose, the schema, and last the prior of its name.

use super::choices::{blend, quantile};
use super::compile_objects::LIST_MAX;
use super::form::{Kind, ListForm, Node};
use super::word_tables::{ListKind, TreeCount};
use super::writer::Writer;
use crate::plan::assume::PinValue;
use crate::plan::widths::{Cap, cap_in_prompt};
use crate::seed::Seed;

const LENGTH: u64 = 0x6c65;
const EMPTY: u64 = 0x656d;
/// How much of a cap is used, typically: "up to 6" yields four or five.
const CAP_USED: f64 = 0.75;
/// In a tree of this many files at most, agents are taken to list them all.
const SMALL_TREE: u64 = 40;

impl Writer<'_> {
    /// The length of a list, within its schema's bounds; `sources` is how many items the prompt
    /// offers for it, 0 where it offers none.
    pub(super) fn length(
        &mut self,
        node: &Node,
        list: &ListForm,
        seed: Seed,
        sources: usize,
    ) -> usize {
        let most = list.max.unwrap_or(LIST_MAX).min(LIST_MAX);
        let drawn = match self.scene.extremes {
            Some(extremes) => self.forced_length(node, list, extremes),
            None => match &node.pin {
                Some(PinValue::Number(pin)) => {
                    let whole = pin.floor();
                    let more = seed.uniform(LENGTH) < pin - whole;
                    whole as usize + usize::from(more)
                }
                _ => self.drawn_length(node, list, seed, sources),
            },
        };
        drawn.max(list.min).min(most)
    }

    fn drawn_length(&mut self, node: &Node, list: &ListForm, seed: Seed, sources: usize) -> usize {
        let cap = self.cap(node, list);
        let high = cap.map_or(usize::MAX, |cap| cap.high as usize);
        if sources > 0 {
            return sources.min(high);
        }
        if let Some(id) = list.id.as_deref().filter(|_| cap.is_none() && list.max.is_none()) {
            let entries = self.scene.shown.roster(id).len();
            if entries > 1 && self.entered_by(list, id) {
                return entries;
            }
        }
        match list.rule.kind {
            ListKind::Gate => {
                if self.goes_well(node.key, seed, list.rule.empty) {
                    return 0;
                }
                return self.prior(list.rule.median, cap, seed).max(1);
            }
            ListKind::Problem => {
                let clean = blend(self.scene.state.quality, seed.normal(EMPTY), 0.6);
                if clean > quantile(1.0 - list.rule.empty) && cap.is_none_or(|cap| cap.low == 0) {
                    return 0;
                }
            }
            _ if seed.uniform(EMPTY) < list.rule.empty && cap.is_none() => return 0,
            _ => {}
        }
        if let Some(count) = self.tree_count(list, seed) {
            return count.min(high);
        }
        let bound = cap.or_else(|| schema_cap(list));
        self.prior(list.rule.median, bound, seed)
    }

    /// Whether the items of a list are objects with a text of this name that the prompt may list.
    fn entered_by(&self, list: &ListForm, id: &str) -> bool {
        let nodes = &self.scene.form.nodes;
        let Some(Kind::Object(object)) = nodes.get(list.item).map(|item| &item.kind) else {
            return false;
        };
        let field = object.fields.iter().find(|field| *field.name == *id);
        let node = field.and_then(|field| nodes.get(field.node));
        node.is_some_and(|node| matches!(&node.kind, Kind::Text(shape) if shape.listed))
    }

    /// The cap in prose: this call's own prompt before the script and the description.
    pub(super) fn cap(&self, node: &Node, list: &ListForm) -> Option<Cap> {
        let only = list.only && !self.in_item;
        let own =
            if self.in_item { None } else { cap_in_prompt(self.scene.prompt, &node.name, only) };
        own.or(list.cap)
    }

    /// A draw around a median, within a cap.
    fn prior(&self, median: f64, cap: Option<Cap>, seed: Seed) -> usize {
        let spread = self.scene.tables.spread;
        let own = spread.call * seed.normal(LENGTH);
        let z = spread.run * self.scene.state.size + spread.stage * self.scene.memory.effect + own;
        let Some(cap) = cap else {
            return (median * z.exp()).round().max(1.0) as usize;
        };
        let (low, high) = (f64::from(cap.low), f64::from(cap.high));
        if cap.exact {
            return cap.high as usize;
        }
        if cap.low > 0 {
            // A range is kept to: the same effects move within it.
            let total = (spread.run.powi(2) + spread.stage.powi(2) + spread.call.powi(2)).sqrt();
            let place = logistic(1.7 * z / total.max(1e-9));
            return (low - 0.5 + place * (high - low + 1.0)).round().clamp(low, high) as usize;
        }
        let centre = (median.max(0.5) * CAP_USED * high).sqrt().min(high);
        (centre * z.exp()).round().clamp(1.0, high) as usize
    }

    /// A length from the working tree. Agents list what is in a scope that was named, and in a
    /// small tree; else the tree is the most there can be.
    fn tree_count(&self, list: &ListForm, seed: Seed) -> Option<usize> {
        let tree = self.scene.tree;
        let count = match list.rule.tree? {
            TreeCount::Files if self.about_changes() => tree.diff_files.or(tree.files),
            TreeCount::Files => tree.files,
            TreeCount::DiffFiles => tree.diff_files,
            TreeCount::Modules => tree.modules,
            TreeCount::Packages => tree.packages,
            TreeCount::Tests => tree.tests,
        }?;
        let whole = tree.scoped
            || count <= SMALL_TREE
            || list.rule.tree == Some(TreeCount::DiffFiles)
            || (list.rule.tree == Some(TreeCount::Files) && self.about_changes());
        let most = count as f64;
        let drawn = if whole {
            let share = 0.9 * (0.12 * seed.normal(LENGTH)).exp();
            most * share.min(1.0)
        } else {
            self.prior(list.rule.median, None, seed) as f64
        };
        let least = if count > 0 { 1.0 } else { 0.0 };
        Some(drawn.round().clamp(least, most.max(least)) as usize)
    }

    /// Whether the call is about what changed, not about all there is.
    fn about_changes(&self) -> bool {
        let prompt = self.scene.prompt;
        let end = prompt.char_indices().nth(600).map_or(prompt.len(), |(at, _)| at);
        let head = prompt.get(..end).unwrap_or("").to_lowercase();
        ["diff", "changed", "pull request", "merge-base"].iter().any(|word| head.contains(word))
    }
}

/// A schema's bounds, as far as they tell a length.
fn schema_cap(list: &ListForm) -> Option<Cap> {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let max = list.max?;
    let low = narrow(list.min);
    // [1, 50] says little; [3, 5] says it all.
    let told = low > 0 && max <= list.min.saturating_mul(3);
    Some(Cap { low: if told { low } else { 0 }, high: narrow(max), exact: list.min == max })
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
