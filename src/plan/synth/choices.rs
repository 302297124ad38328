//! Booleans, enums and checks. Owns how decisions hang together: checks follow the run and what
//! was repaired, verdicts follow the item they judge.

use super::call::{Booleans, FactorKind};
use super::form::{BooleanForm, EnumForm, EnumValue, Node};
use super::sample_state::Gate;
use super::word_tables::BooleanKind;
use super::writer::Writer;
use crate::plan::assume::PinValue;
use crate::seed::{Seed, normal_quantile};

/// Tags of draws.
const DRAW: u64 = 0x6472;
const SUBJECT: u64 = 0x7375_626a;

/// The quantile of a share, with certainty at both ends.
pub(super) fn quantile(share: f64) -> f64 {
    if share <= 0.0 {
        f64::NEG_INFINITY
    } else if share >= 1.0 {
        f64::INFINITY
    } else {
        normal_quantile(share)
    }
}

/// A standard normal of which `share` of the spread is `common`.
pub(super) fn blend(common: f64, own: f64, share: f64) -> f64 {
    share.sqrt() * common + (1.0 - share).sqrt() * own
}

impl Writer<'_> {
    /// The check that the current object, or else this value alone, reports.
    pub(super) fn gate(&mut self, key: u64, seed: Seed) -> Gate {
        match self.gate {
            Some(gate) => gate,
            None => self.gate_for(key, seed),
        }
    }

    /// How the check at `key` goes: as before if nothing was done since, else drawn again, the
    /// better for each repair.
    pub(super) fn gate_for(&mut self, key: u64, seed: Seed) -> Gate {
        let scene = self.scene;
        let (tables, state) = (scene.tables, scene.state);
        let others = state.calls.saturating_sub(scene.memory.calls);
        let slot = (scene.asked.question, scene.label ^ scene.about.unwrap_or(0), key);
        let known = scene.memory.gates.get(&slot).filter(|_| !self.in_item);
        let before = known.filter(|gate| scene.delivered > gate.delivered);
        let own = match (known, scene.about) {
            // First looks at one item agree; after a repair it is another item.
            (None, Some(_)) => self.verdict(seed),
            _ => seed.normal(DRAW),
        };
        let drawn = blend(state.quality, own, tables.spread.gate_run);
        let fresh = Gate {
            drawn,
            shift: 0.0,
            repairs: state.repairs,
            others,
            delivered: scene.delivered,
            kept: 0,
        };
        if self.in_item {
            return fresh;
        }
        let gate = match before {
            None => fresh,
            Some(before) if before.repairs < state.repairs => {
                Gate { shift: before.shift + tables.gate.repair, ..fresh }
            }
            Some(before) if before.others < others => {
                Gate { shift: before.shift + tables.gate.repair / 2.0, ..fresh }
            }
            Some(before) => {
                let kept = before.kept + 1;
                let tired = if kept > tables.gate.patience { tables.gate.repair } else { 0.0 };
                Gate { kept, shift: before.shift + tired, delivered: scene.delivered, ..*before }
            }
        };
        self.gates.push((slot, gate));
        gate
    }

    /// A standard normal that says how good the item at hand is, in the eyes of this call.
    fn verdict(&self, seed: Seed) -> f64 {
        let common = self.subject.normal(SUBJECT);
        blend(common, seed.normal(DRAW), self.scene.tables.spread.item)
    }

    /// Whether a check with this share of good answers goes well.
    pub(super) fn goes_well(&mut self, key: u64, seed: Seed, good_share: f64) -> bool {
        let gate = self.gate(key, seed);
        gate.drawn + gate.shift > -quantile(good_share)
    }

    pub(super) fn boolean(&mut self, node: &Node, boolean: &BooleanForm, seed: Seed) {
        let answer = match self.scene.extremes {
            Some(extremes) => self.forced(extremes.booleans, boolean),
            None => self.decide(node, boolean, seed),
        };
        self.note(node, FactorKind::Share, f64::from(u8::from(answer)));
        self.out.push_str(if answer { "true" } else { "false" });
    }

    fn decide(&mut self, node: &Node, boolean: &BooleanForm, seed: Seed) -> bool {
        let rule = boolean.rule;
        let pinned = match &node.pin {
            Some(PinValue::Number(share)) => Some(share.clamp(0.0, 1.0)),
            Some(PinValue::Word(word)) => {
                Some(f64::from(u8::from(word.eq_ignore_ascii_case("true"))))
            }
            None => None,
        };
        let share = pinned.unwrap_or(rule.share);
        let good_share = if rule.good { share } else { 1.0 - share };
        match rule.kind {
            BooleanKind::Gate => {
                let gate = self.gate(node.key, seed);
                // A pinned share holds for every repeat.
                let shift = if pinned.is_some() { 0.0 } else { gate.shift };
                (gate.drawn + shift > -quantile(good_share)) == rule.good
            }
            BooleanKind::Verdict => (self.verdict(seed) > -quantile(good_share)) == rule.good,
            BooleanKind::More => {
                let rounds = i32::try_from(self.scene.asked.round).unwrap_or(i32::MAX);
                let decay = self.scene.tables.novelty.decay.powi(rounds);
                seed.uniform(DRAW) < if pinned.is_some() { share } else { share * decay }
            }
            BooleanKind::Plain => seed.uniform(DRAW) < share,
        }
    }

    fn forced(&self, booleans: Booleans, boolean: &BooleanForm) -> bool {
        let good = boolean.rule.good;
        match (booleans, boolean.rule.kind) {
            (Booleans::ByStage(bits), _) => (bits >> (self.scene.stage.0 % 64)) & 1 == 1,
            (Booleans::True, _) | (Booleans::MoreWork, BooleanKind::More | BooleanKind::Plain) => {
                true
            }
            (Booleans::False, _) | (Booleans::LessWork, BooleanKind::More | BooleanKind::Plain) => {
                false
            }
            (Booleans::MoreWork, BooleanKind::Verdict)
            | (Booleans::LessWork, BooleanKind::Gate) => good,
            (Booleans::MoreWork, BooleanKind::Gate)
            | (Booleans::LessWork, BooleanKind::Verdict) => !good,
        }
    }

    pub(super) fn word(&mut self, node: &Node, words: &EnumForm, seed: Seed) {
        let values = &words.values;
        let pinned = match &node.pin {
            Some(PinValue::Word(pin)) => {
                values.iter().position(|value| value.word.eq_ignore_ascii_case(pin))
            }
            Some(PinValue::Number(share)) => self.pick_by_share(words, *share, seed),
            None => None,
        };
        let forced = self.scene.extremes.and_then(|extremes| {
            let place = extremes.enum_index.checked_rem(values.len())?;
            values.iter().position(|value| value.place == place)
        });
        let picked = forced.or(pinned).unwrap_or_else(|| self.pick(node, words, seed));
        let Some(value) = values.get(picked) else {
            self.out.push_str("null");
            return;
        };
        let top = values.len().saturating_sub(1).max(1);
        self.note(node, FactorKind::Share, picked as f64 / top as f64);
        self.out.push_str(&value.json);
    }

    /// A word of an enum whose good words have this share together.
    fn pick_by_share(&self, words: &EnumForm, share: f64, seed: Seed) -> Option<usize> {
        let good = self.verdict(seed) > -quantile(share.clamp(0.0, 1.0));
        let side = |value: &EnumValue| (value.rank > 0.0) == good && value.weight > 0.0;
        let total: f64 = words.values.iter().filter(|value| side(value)).map(|v| v.weight).sum();
        let mut left = total * seed.child(SUBJECT).uniform(DRAW);
        words.values.iter().position(|value| {
            left -= if side(value) { value.weight } else { 0.0 };
            side(value) && left <= 0.0
        })
    }

    pub(super) fn pick(&mut self, node: &Node, words: &EnumForm, seed: Seed) -> usize {
        let total: f64 = words.values.iter().map(|value| value.weight).sum();
        let good = if words.gate && !self.in_item {
            let gate = self.gate(node.key, seed);
            gate.drawn + gate.shift
        } else if words.ranked {
            self.verdict(seed)
        } else {
            seed.normal(DRAW)
        };
        let mut below = 0.0;
        for (position, value) in words.values.iter().enumerate() {
            below += value.weight / total;
            if value.weight > 0.0 && good < quantile(below.min(1.0)) {
                return position;
            }
        }
        words.values.iter().rposition(|value| value.weight > 0.0).unwrap_or(0)
    }
}
