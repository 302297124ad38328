//! What `policy apply` did to a script: what changed, what was left and why, as lines that differ,
//! and for programs. Decides nothing.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::page::{FIXED_SPACE, Page};
use super::policy::POLICY_REPORT_VERSION;
use super::sheet::Sheet;
use crate::effort::Effort;
use crate::plan::rewrite::{Changed, Left, Rewrite};

/// `policy apply` for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyApplyReport {
    /// [`POLICY_REPORT_VERSION`].
    pub version: u32,
    /// The policy's own name.
    pub policy: String,
    /// `meta.name`.
    pub workflow: String,
    /// The script, what changed in it and what did not.
    #[serde(flatten)]
    pub rewrite: Rewrite,
}

impl PolicyApplyReport {
    /// What `policy` did to `workflow`.
    pub const fn of(policy: String, workflow: String, rewrite: Rewrite) -> Self {
        Self { version: POLICY_REPORT_VERSION, policy, workflow, rewrite }
    }
}

/// Columns by which later lines of an entry are further in.
const HANG: usize = 2;
/// Unchanged lines that a difference shows around changed ones.
const CONTEXT_LINES: usize = 3;

/// What changed and what did not, for people.
pub fn summary(report: &PolicyApplyReport, page: Page) -> String {
    let PolicyApplyReport { policy, workflow, rewrite, .. } = report;
    let mut sheet = Sheet::new(page);
    let moved = |left: &&Left| left.stage.is_some();
    let calls = number(rewrite.changed.len(), "change");
    let left = rewrite.left.iter().filter(moved).count();
    let kept = if left == 0 { String::new() } else { format!(", {left} not made") };
    sheet.line(&format!("{workflow}  {calls}{kept}, by policy {policy}"));
    sheet.section("changed");
    for changed in &rewrite.changed {
        sheet.text(&changed_words(changed), HANG);
    }
    sheet.section("left");
    for left in &rewrite.left {
        sheet.text(&left_words(left), HANG);
    }
    sheet.finish()
}

fn number(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}

fn changed_words(changed: &Changed) -> String {
    let Changed { stage, line, from, to, effort, rule, .. } = changed;
    let model = if from == to { to.clone() } else { format!("{from} -> {to}") };
    let effort = effort.map_or_else(String::new, |effort| format!(" at effort {}", effort.name()));
    fixed_line(*line) + &format!(": {stage}: {model}{effort} [{rule}]")
}

fn left_words(left: &Left) -> String {
    let Left { stage, line, to, effort, why } = left;
    let line = line.map(|line| fixed_line(line) + ": ").unwrap_or_default();
    let Some(stage) = stage else { return format!("{line}{why}") };
    let effort = effort.map(Effort::name).map(|name| format!("effort {name}"));
    let missed: Vec<String> = to.clone().into_iter().chain(effort).collect();
    format!("{line}{stage}: not {}: {why}", missed.join(" at "))
}

fn fixed_line(line: u32) -> String {
    format!("line{FIXED_SPACE}{line}")
}

/// The lines that differ, as `diff -u` shows them; empty where none do. Edits add no lines and take
/// none away.
pub fn difference(name: &str, was: &str, now: &str) -> String {
    let pairs: Vec<(&str, &str)> =
        was.split_inclusive('\n').zip(now.split_inclusive('\n')).collect();
    let differs: Vec<usize> =
        (0..pairs.len()).filter(|at| pairs.get(*at).is_some_and(|(a, b)| a != b)).collect();
    if differs.is_empty() {
        return String::new();
    }
    let mut text = format!("--- {name}\n+++ {name}\n");
    let mut rest = differs.as_slice();
    while let Some(first) = rest.first() {
        let near = |two: &[usize]| matches!(two, [a, b] if b - a <= 2 * CONTEXT_LINES);
        let length = 1 + rest.windows(2).take_while(|two| near(two)).count();
        let (hunk, others) = rest.split_at(length);
        let from = first.saturating_sub(CONTEXT_LINES);
        let last = hunk.last().unwrap_or(first);
        let to = (last + 1 + CONTEXT_LINES).min(pairs.len());
        write_hunk(&mut text, from, pairs.get(from..to).unwrap_or_default());
        rest = others;
    }
    text
}

/// One hunk that begins at the line `from`, from 0.
fn write_hunk(text: &mut String, from: usize, pairs: &[(&str, &str)]) {
    let (first, count) = (from + 1, pairs.len());
    let _ = writeln!(text, "@@ -{first},{count} +{first},{count} @@");
    for run in pairs.chunk_by(|(a, b), (c, d)| (a == b) == (c == d)) {
        if run.iter().all(|(was, now)| was == now) {
            for (line, _) in run {
                push(text, ' ', line);
            }
        } else {
            for (was, _) in run {
                push(text, '-', was);
            }
            for (_, now) in run {
                push(text, '+', now);
            }
        }
    }
}

fn push(text: &mut String, sign: char, line: &str) {
    text.push(sign);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}
