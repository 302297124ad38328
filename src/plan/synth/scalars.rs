//! Numbers and texts of a result.

use std::fmt::Write as _;

use serde_json::Value;

use super::call::FactorKind;
use super::filler::write_words;
use super::form::{Format, Node, NumberForm, NumberRole, TextShape};
use super::hosts::write_host;
use super::token::Marker;
use super::word_tables::{TextForm, words_of};
use super::writer::Writer;
use crate::plan::assume::PinValue;
use crate::seed::Seed;

const DRAW: u64 = 0x6e74;
/// Words of a text where every list is as long as it can be.
const PROBE_WORDS: f64 = 2.0;
/// Last words of the names of folders.
const FOLDERS: [&str; 6] = ["root", "dir", "directory", "folder", "package", "worktree"];
/// Names of how many agents an entry of a plan gets.
const HEADS: [&str; 5] = ["count", "headcount", "instances", "workers", "agents"];
/// A text pinned or padded is never longer than this.
const TEXT_MAX: usize = 1 << 20;

impl Writer<'_> {
    pub(super) fn number(&mut self, node: &Node, form: &NumberForm, seed: Seed, whole: bool) {
        let drawn = match (self.forced_number(node, form), self.pin(node), form.role) {
            (Some(forced), _, _) => forced,
            (_, Some(PinValue::Number(pin)), _) => *pin,
            (_, _, NumberRole::Index(base)) => self.index(base, seed),
            (_, _, NumberRole::Id) => self.number_id(node),
            (_, _, NumberRole::Plain) => self.plain_number(node, form, seed),
        };
        let value = fit(drawn, form, whole);
        if form.role == NumberRole::Plain {
            self.note(node, FactorKind::Number, value);
        }
        if whole {
            let _ = write!(self.out, "{value:.0}");
        } else {
            let digits = form.step.map_or(2, decimals);
            let text = format!("{value:.digits$}");
            let inside = text.parse::<f64>().is_ok_and(|n| n >= form.low && n <= form.high);
            // Rounding must not leave the bounds.
            let _ = if inside { self.out.write_str(&text) } else { write!(self.out, "{value}") };
        }
    }

    fn plain_number(&mut self, node: &Node, form: &NumberForm, seed: Seed) -> f64 {
        let rule = form.rule;
        if self.in_item && HEADS.contains(&node.name.as_ref()) {
            // "reviewer: 2": few, and none where it is not needed.
            return (1.2 + 0.9 * seed.normal(DRAW)).clamp(0.0, 6.0);
        }
        if rule.gate {
            if self.goes_well(node.key, seed, 0.7) {
                return 0.0;
            }
            return 1.0 + (seed.normal(DRAW).abs() * rule.spread).floor();
        }
        let z = if rule.unit && !self.in_item {
            // A score of the whole work rises with repairs, as checks do.
            let gate = self.gate(node.key, seed);
            gate.drawn + gate.shift
        } else {
            seed.normal(DRAW)
        };
        (rule.mean + rule.spread * z).clamp(rule.low, rule.high.max(rule.low))
    }

    /// A position in the list that the prompt shows.
    fn index(&mut self, base: u32, seed: Seed) -> f64 {
        let count = self.scene.shown.count().max(1) as u64;
        let place = if self.in_item && self.echo.is_some() {
            self.position as u64
        } else {
            seed.stream(DRAW).below(count)
        };
        (place + u64::from(base)) as f64
    }

    fn number_id(&self, node: &Node) -> f64 {
        let echoed = self.echoed(&node.name).and_then(|value| value.as_f64());
        echoed.unwrap_or((self.position + 1) as f64)
    }

    /// The value that the item at hand, or the one the prompt is about, has for a name.
    pub(super) fn echoed(&self, name: &str) -> Option<Value> {
        let source = match (&self.echo, self.in_item) {
            (Some(echo), _) => echo,
            (None, false) => self.scene.shown.focus()?,
            (None, true) => return None,
        };
        let object = source.as_object()?;
        let plain = object.get(name).or_else(|| {
            let id = name.ends_with("Id") || name.ends_with("_id");
            if id { object.get("id") } else { None }
        });
        plain.cloned()
    }

    pub(super) fn text(&mut self, node: &Node, shape: &TextShape, seed: Seed) {
        let start = self.out.len();
        if let Some(PinValue::Word(word)) = self.pin(node) {
            let text = Value::String(word.to_string()).to_string();
            self.out.push_str(&text);
            return;
        }
        if shape.names
            && let Some(Value::String(text)) = self.echoed(&node.name)
            && fits_text(&text, shape)
        {
            let text = Value::String(text).to_string();
            self.out.push_str(&text);
            return;
        }
        if shape.listed && self.listed_word(node, seed) {
            return;
        }
        if let Some(pattern) = &shape.pattern {
            let text = pattern.draw(&mut seed.stream(DRAW + u64::from(self.scene.attempt)));
            let text = Value::String(text).to_string();
            self.out.push_str(&text);
            return;
        }
        if self.forced_text(node, shape) {
            return;
        }
        self.out.push('"');
        let body = self.out.len();
        match shape.format {
            Some(format) => self.formatted(format, seed),
            None => self.form_text(node, shape, seed),
        }
        self.bound(body, shape, seed);
        self.out.push('"');
        if shape.form == TextForm::Path
            && let Some(path) = self.out.get(start + 1..self.out.len() - 1)
        {
            self.paths.push(path.to_owned());
        }
    }

    /// Cuts or pads what was written since `body`; all of it is ASCII without escapes.
    fn bound(&mut self, body: usize, shape: &TextShape, seed: Seed) {
        if self.out.len() - body > shape.max {
            self.out.truncate(body + shape.max);
        }
        let missing = shape.min.min(TEXT_MAX).saturating_sub(self.out.len() - body);
        if missing > 0 {
            let from = self.out.len();
            self.out.push(' ');
            write_words(&mut self.out, missing, seed.child(DRAW).stream(1).below(400));
            self.out.truncate(from + missing);
            while self.out.len() < from + missing {
                self.out.push('.');
            }
        }
    }

    fn form_text(&mut self, node: &Node, shape: &TextShape, seed: Seed) {
        let marker = self.marker;
        let pick = seed.child(DRAW);
        // Half to one and a half times the usual length.
        let words = f64::from(shape.words) * (0.5 + pick.uniform(2));
        // A probe asks how many there are, not what they say.
        let most = if self.scene.extremes.is_some() { PROBE_WORDS } else { f64::INFINITY };
        let words = words.max(1.0).min(most) as usize;
        let offset = pick.stream(3).below(400);
        match shape.form {
            TextForm::Id => self.lead_with("", marker, ""),
            TextForm::Name => self.lead_with("part-", marker, ""),
            TextForm::Branch => self.lead_with("work/", marker, ""),
            TextForm::Code => {
                self.lead_with("call_", marker, "(input); ");
                write_words(&mut self.out, words, offset);
            }
            TextForm::Path => self.path(marker, pick, &node.name),
            TextForm::Location => {
                self.path(marker, pick, "");
                let _ = write!(self.out, ":{}", 1 + pick.stream(4).below(400));
            }
            TextForm::Url => self.address("/page"),
            TextForm::Date => {
                let _ = write!(self.out, "2026-{:02}-{:02}", 1 + offset % 9, 1 + offset % 28);
            }
            TextForm::Title | TextForm::Sentence | TextForm::Paragraph => {
                // Two texts of one item differ by their offset, two items by their marker.
                let _ = node;
                self.lead_with("", marker, ": ");
                write_words(&mut self.out, words, offset);
            }
        }
    }

    fn lead_with(&mut self, before: &str, marker: Marker, after: &str) {
        self.out.push_str(before);
        marker.write(&mut self.out);
        self.out.push_str(after);
    }

    fn address(&mut self, after: &str) {
        self.out.push_str("https://");
        write_host(&mut self.out, self.marker);
        self.lead_with("/", self.marker, after);
    }

    /// A file: one that the prompt names, for findings now and then one that was named before,
    /// else a new one.
    fn path(&mut self, marker: Marker, seed: Seed, name: &str) {
        let folders = self.scene.shown.folders();
        // Under the folder that the run is about, as an agent would find them.
        let folder = folders.get(self.position % folders.len().max(1)).copied();
        if words_of(name).last().is_some_and(|word| FOLDERS.contains(&word.as_str())) {
            match folder {
                Some(folder) if !self.in_item => self.out.push_str(folder),
                _ => self.lead_with(&format!("{}/part-", folder.unwrap_or("src")), marker, ""),
            }
            return;
        }
        let shown = self.scene.shown.paths();
        let known = if self.in_item && !shown.is_empty() {
            seed.stream(5).pick(shown).map(|path| (*path).to_owned())
        } else if self.in_item && seed.uniform(6) < self.scene.tables.novelty.same_file {
            let here = seed.stream(7).pick(&self.paths).cloned();
            here.or_else(|| seed.stream(7).pick(&self.scene.memory.paths).cloned())
        } else {
            None
        };
        let known = known.filter(|_| !self.path_is_item).filter(|path| plain(path));
        if let Some(path) = known {
            self.out.push_str(&path);
        } else {
            self.lead_with(&format!("{}/part/", folder.unwrap_or("src")), marker, ".rs");
        }
    }

    fn formatted(&mut self, format: Format, seed: Seed) {
        let mut stream = seed.stream(DRAW);
        let (day, number) = (1 + stream.below(28), stream.below(1 << 48));
        let marker = self.marker;
        let _ = match format {
            Format::Date => write!(self.out, "2026-03-{day:02}"),
            Format::DateTime => write!(self.out, "2026-03-{day:02}T12:00:00Z"),
            Format::Time => write!(self.out, "12:{day:02}:00Z"),
            Format::Email => {
                self.lead_with("", marker, "@example.com");
                Ok(())
            }
            Format::Uri => {
                self.address("");
                Ok(())
            }
            Format::Uuid => {
                let tail = number & 0xffff_ffff_ffff;
                write!(self.out, "{:08x}-0000-4000-8000-{tail:012x}", marker.number() >> 8)
            }
            Format::Ipv4 => write!(self.out, "192.0.2.{day}"),
            Format::Hostname => {
                self.lead_with("", marker, ".example.com");
                Ok(())
            }
        };
    }
}

/// Whether a text stands in JSON as it is.
fn plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\')
}

/// Whether a text from elsewhere satisfies a shape.
pub(super) fn fits_text(text: &str, shape: &TextShape) -> bool {
    let length = text.chars().count();
    shape.pattern.is_none() && shape.format.is_none() && (shape.min..=shape.max).contains(&length)
}

/// The nearest valid number.
fn fit(value: f64, form: &NumberForm, whole: bool) -> f64 {
    let (low, high) =
        if whole { (form.low.ceil(), form.high.floor()) } else { (form.low, form.high) };
    let value = if whole { value.round() } else { value };
    let value = value.max(low).min(high);
    let Some(step) = form.step else { return value };
    let steps = (value / step).round();
    let snapped = [steps, steps + 1.0, steps - 1.0].map(|steps| steps * step);
    let inside = snapped.into_iter().find(|snapped| *snapped >= low && *snapped <= high);
    inside.unwrap_or(value)
}

/// Digits after the point that multiples of `step` need.
fn decimals(step: f64) -> usize {
    let text = format!("{step}");
    text.split_once('.').map_or(0, |(_, digits)| digits.len())
}
