//! What a probe answers: lists, numbers and texts at the ends of what their schemas allow. Owns how
//! far each is pushed, and the lines of a text that scripts may take apart.

use std::sync::Arc;

use serde_json::Value;

use super::call::{Booleans, Extremes, Numbers, Pushed};
use super::compile_scalars::WIDEST;
use super::form::{ListForm, Node, NumberForm, NumberRole, TextShape};
use super::pattern::Pattern;
use super::token::Marker;
use super::word_tables::ListKind;
use super::writer::Writer;
use crate::plan::assume::PinValue;
use crate::seed::Seed;
use crate::workflow::TextMark;

/// A `maximum` above this bounds no run: it is more agents than one may start.
const BOUND_MAX: f64 = 1_000.0;
/// Lists inside lists are as long as others up to here.
const EASY_LENGTH: usize = 16;
/// What lines begin with: plain, bullets, numbers, headings.
const HEADS: [&str; 5] = ["", "- ", "* ", "1. ", "## "];

impl Writer<'_> {
    /// What the user pinned. A probe asks what is possible, and a pin says only what is likely.
    pub(super) fn pin<'n>(&self, node: &'n Node) -> Option<&'n PinValue> {
        node.pin.as_ref().filter(|_| self.scene.extremes.is_none())
    }

    /// The length of a list.
    pub(super) fn forced_length(
        &mut self,
        node: &Node,
        list: &ListForm,
        extremes: &Extremes,
    ) -> usize {
        let calm = extremes.booleans == Booleans::LessWork;
        if calm && list.rule.kind == ListKind::Gate {
            return 0;
        }
        if let Some(max) = list.max {
            return max;
        }
        self.pushed.push(Pushed::List(Arc::clone(&node.path)));
        self.damped(extremes.reach.lists)
    }

    /// A number at an end of its range; `None` where it is drawn as ever.
    pub(super) fn forced_number(&mut self, node: &Node, form: &NumberForm) -> Option<f64> {
        let extremes = self.scene.extremes?;
        let (score, plain) = (form.rule.unit, form.role == NumberRole::Plain);
        let path = Arc::clone(&node.path);
        let high = match extremes.numbers {
            Numbers::AllHigh => true,
            Numbers::AllLow => false,
            Numbers::High if plain => true,
            Numbers::Low if plain => false,
            Numbers::MoreWork if plain => !score,
            _ => {
                self.pushed.push(Pushed::BoundedNumber(path));
                return None;
            }
        };
        if !high {
            self.pushed.push(Pushed::BoundedNumber(path));
            return Some(if form.low > -WIDEST { form.low } else { 0.0 });
        }
        let open = form.high > BOUND_MAX;
        self.pushed.push(if open { Pushed::Number(path) } else { Pushed::BoundedNumber(path) });
        let reach = extremes.reach.numbers;
        // A list as long as a maximum that bounds nothing would end the script, not show its size.
        Some(if reach > 1 && !open { form.high } else { self.damped(reach) as f64 })
    }

    /// Writes a text in lines, however long its schema lets it be: how many lines fit is nothing
    /// that a schema proves. `false` where it is drawn as ever.
    pub(super) fn forced_text(&mut self, node: &Node, shape: &TextShape) -> bool {
        let Some(extremes) = self.scene.extremes.filter(|to| to.in_lines()) else { return false };
        if shape.format.is_some() {
            return false;
        }
        self.pushed.push(Pushed::Text(Arc::clone(&node.path)));
        let mut text = self.marker.text();
        if self.in_item {
            // Few and short, for there are many such texts; but more where more are asked for.
            let count = extremes.reach.texts.ilog2() as usize + 1;
            write_kind(&mut text, self.marker, count, (0, ""));
        } else {
            write_lines(&mut text, self.marker, extremes, self.scene.marks);
        }
        self.out.push_str(&Value::String(text).to_string());
        true
    }

    /// How far inside a list: what is there still grows with the reach, but not as fast, for the
    /// whole has to stay small enough for a script to handle.
    fn damped(&self, reach: usize) -> usize {
        if !self.in_item || reach <= EASY_LENGTH {
            return reach;
        }
        EASY_LENGTH + (reach - EASY_LENGTH).div_ceil(16)
    }
}

impl Extremes {
    /// Whether texts are lines that may be taken apart, rather than drawn.
    pub(super) const fn in_lines(&self) -> bool {
        self.reach.texts > 1 || self.marked
    }
}

/// Appends lines that fall apart wherever a script may cut them: at breaks, blank lines, commas,
/// semicolons, bars, spaces. As many of each kind of line as texts reach; `marks` are the kinds
/// that the script itself knows.
pub(super) fn write_lines(out: &mut String, marker: Marker, to: &Extremes, marks: &[String]) {
    let marks = marks.iter().map(String::as_str).filter(|_| to.marked);
    for kind in HEADS.into_iter().chain(marks).enumerate() {
        write_kind(out, marker, to.reach.texts, kind);
    }
}

/// Lines with a head; what a script knows stands at their end as well, and alone.
fn write_kind(out: &mut String, marker: Marker, count: usize, (kind, head): (usize, &str)) {
    for number in 0..count {
        out.push_str("\n\n");
        out.push_str(head);
        let known = kind >= HEADS.len();
        if known {
            out.push('\n');
            out.push_str(head);
            out.push(' ');
        }
        Marker::of(&[marker.number(), number as u64, kind as u64]).write(out);
        out.push_str(", river; bridge | road");
        if known {
            out.push(' ');
            out.push_str(head);
        }
    }
}

/// What stands for each mark in a text; those that cannot be written are left out.
pub(super) fn written(marks: &[TextMark]) -> Vec<String> {
    let text = |mark: &TextMark| match mark {
        TextMark::Literal(text) => Some(text.clone()),
        TextMark::Pattern(pattern) => {
            // Where a word begins and ends is where it stands between others.
            let pattern = Pattern::parse(&pattern.replace("\\b", ""))?;
            Some(pattern.draw(&mut Seed::new(0).stream(0)))
        }
    };
    marks.iter().filter_map(text).collect()
}
