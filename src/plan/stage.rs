//! Which stage an agent call belongs to, and which draws are its own.
//! Owns the identity of calls; knows nothing of results or costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::StageKey;
use crate::plan::synth::{invented_start, without_invented};
use crate::ports::script::AgentCall;
use crate::seed::{key_of, key_of_parts};

/// What a stage is called that nothing names.
const UNNAMED: &str = "agent";

/// What a stage is made of: everything its calls have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct StageIdentity {
    /// Stable over samples and edits elsewhere in the script.
    pub key: StageKey,
    /// The same for all stages that do one work at several efforts or in other places: they share
    /// their role and their luck. Equal to `key` where calls ask for neither.
    pub work: u64,
    /// What people type in `--assume`: the fixed part of the label, else the phase, else `agent`.
    pub name: Arc<str>,
    /// The phase; empty for none. Invented text in it is `*`, as in the agent type.
    pub phase: Arc<str>,
    /// The label with its varying part as `*`; empty where agents have no label.
    pub skeleton: Arc<str>,
    /// `opts.agentType`.
    pub agent_type: Option<Arc<str>>,
    /// `opts.schema` as JSON text.
    pub schema: Option<Arc<str>>,
    /// `opts.model` as written.
    pub model: Option<Arc<str>>,
    /// `opts.effort` as written; invented text in it is `*`.
    pub effort: Option<Arc<str>>,
    /// Whether each agent has a working tree of its own.
    pub worktree: bool,
    /// Line of the first call.
    pub line: Option<u32>,
}

impl StageIdentity {
    /// The model it asks for by name; `None` where it runs on the session's.
    pub fn asked_model(&self) -> Option<&str> {
        self.model.as_deref().filter(|name| crate::plan::setup::asks_for_model(name))
    }
}

/// Finds the stage of each call of one execution, and the call's own key.
#[derive(Debug, Default)]
pub struct StageIndex {
    templates: Arc<BTreeMap<u32, String>>,
    stages: Vec<StageIdentity>,
    by_key: BTreeMap<u64, usize>,
    labels_seen: BTreeMap<[u64; 2], u32>,
    /// Calls so far, by work.
    ordinals: BTreeMap<u64, u32>,
}

/// Where one call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Index into [`StageIndex::stages`].
    pub stage: usize,
    /// The key of the call's own draws: its work, its label and how often that label came before.
    pub identity: u64,
    /// How many calls of the work came before it.
    pub ordinal: u32,
}

impl StageIndex {
    /// An index for one execution. `templates` are labels as the script writes them, with
    /// interpolations as `*`, by the line of their call.
    pub fn new(templates: Arc<BTreeMap<u32, String>>) -> Self {
        Self { templates, ..Self::default() }
    }

    /// The stages met so far, in first-call order.
    pub fn stages(&self) -> &[StageIdentity] {
        &self.stages
    }

    /// The stages met, in first-call order.
    pub fn into_stages(self) -> Vec<StageIdentity> {
        self.stages
    }

    /// Places the next call.
    pub fn place(&mut self, call: &AgentCall) -> Placement {
        let template = call.line.and_then(|line| self.templates.get(&line));
        let skeleton = match (template, call.label.as_deref()) {
            (_, None) => String::new(),
            (Some(template), Some(label)) if fits(template, label) => label_skeleton(template),
            (_, Some(label)) => label_skeleton(label),
        };
        let text = |part: &Option<Arc<str>>| part.as_deref().map_or(0, key_of);
        let (phase, agent_type) = (fixed(call.phase.as_ref()), fixed(call.agent_type.as_ref()));
        let work = key_of_parts(&[
            text(&phase),
            text(&agent_type),
            text(&call.schema),
            text(&call.model),
            key_of(&skeleton),
        ]);
        let effort = fixed(call.effort.as_ref());
        let key = match (&effort, call.worktree) {
            (None, false) => work,
            (_, worktree) => key_of_parts(&[work, text(&effort), u64::from(worktree)]),
        };
        let stage = *self.by_key.entry(key).or_insert_with(|| {
            let phase = phase.unwrap_or_else(|| "".into());
            self.stages.push(StageIdentity {
                key: StageKey(key),
                work,
                name: stage_name(&skeleton, &phase).into(),
                phase,
                skeleton: skeleton.into(),
                agent_type,
                schema: call.schema.clone(),
                model: call.model.clone(),
                effort,
                worktree: call.worktree,
                line: call.line,
            });
            self.stages.len() - 1
        });
        let label = text(&call.label);
        let seen = self.labels_seen.entry([work, label]).or_insert(0);
        let identity = key_of_parts(&[work, label, u64::from(*seen)]);
        *seen += 1;
        let count = self.ordinals.entry(work).or_insert(0);
        let ordinal = *count;
        *count += 1;
        Placement { stage, identity, ordinal }
    }
}

/// A name without what was invented: results differ from sample to sample, stages must not.
fn fixed(name: Option<&Arc<str>>) -> Option<Arc<str>> {
    name.map(|name| without_invented(name).map_or_else(|| Arc::clone(name), Into::into))
}

/// Whether `label` can come from `template`, which says more than that anything may stand there.
fn fits(template: &str, label: &str) -> bool {
    let fixed = template.split('*').next().unwrap_or("");
    let letters = template.chars().filter(|letter| letter.is_alphabetic()).count();
    letters >= 2 && label.starts_with(fixed)
}

/// A label with its varying part as `*`: what follows the first separator or is invented, and digits
/// elsewhere.
/// `verify:src/a.rs` and `verify:src/b.rs` share `verify:*`; `round 2` becomes `round *`.
pub fn label_skeleton(label: &str) -> String {
    let label = label.trim();
    let cut = [separator(label), invented_start(label)].into_iter().flatten().min();
    let (fixed, varies) = match cut {
        Some(end) => (label.get(..end).unwrap_or(label), true),
        None => (label, false),
    };
    let mut skeleton = String::with_capacity(fixed.len() + 1);
    let mut in_digits = false;
    for letter in fixed.chars() {
        if letter.is_ascii_digit() {
            if !in_digits {
                skeleton.push('*');
            }
            in_digits = true;
        } else {
            skeleton.push(letter);
            in_digits = false;
        }
    }
    if varies && !skeleton.ends_with('*') {
        skeleton.push('*');
    }
    skeleton
}

/// The byte just behind the first separator that has at least two letters before it, or one with a
/// number, and something behind it.
fn separator(label: &str) -> Option<usize> {
    let letters_before = |at: usize| label.get(..at).is_some_and(says_something);
    let candidates = label.char_indices().filter_map(|(at, letter)| {
        let end = at + letter.len_utf8();
        let splits = matches!(letter, ':' | '#' | '[' | '(' | '/' | '=' | '@' | '|' | '—' | '–')
            || (letter == '-' && label.get(..at).is_some_and(|head| head.ends_with(' ')));
        (splits && letters_before(at) && end < label.len()).then_some(end)
    });
    candidates.min()
}

/// Two letters, or one with a number: `verify`, `v0`.
fn says_something(head: &str) -> bool {
    let letters = head.chars().filter(|c| c.is_alphabetic()).count();
    let numbered = |head: &str| {
        let rest = head.trim_start_matches(char::is_alphabetic);
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')
    };
    letters >= 2 || (letters == 1 && numbered(head.trim()))
}

/// The fixed part of a skeleton as people would say it, else the phase, else `agent`. A letter that
/// stands before a number says less than the phase.
fn stage_name(skeleton: &str, phase: &str) -> String {
    let fixed: String = skeleton.replace('*', " ");
    let fixed = fixed
        .trim_matches(|c: char| !c.is_alphanumeric())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let letters = fixed.chars().filter(|c| c.is_alphabetic()).count();
    let bare = letters == 1 && skeleton.contains('*') && !phase.is_empty();
    if letters > 0 && !bare {
        fixed
    } else if phase.is_empty() {
        UNNAMED.to_owned()
    } else {
        phase.to_owned()
    }
}

/// `find agent`: what one of the stage's agents is called in messages.
pub fn agent_of(stage: &str) -> String {
    if stage == UNNAMED { UNNAMED.to_owned() } else { format!("{stage} agent") }
}
