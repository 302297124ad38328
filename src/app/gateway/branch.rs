//! The scopes below a run or a session that the requests of an agent are charged to:
//! `workflow NAME wf_… / phase T / agent LABEL id`, as far as its origin is known.

use super::opening::OpeningLimits;
use crate::budget::Limits;
use crate::gateway::{Caller, Origin};

/// The longest name that is taken over, characters; a longer one is cut, and stays one of its own.
const NAME_CHARS_MAX: usize = 64;
/// A label has at most so many characters and words. Where a script gives none, the client takes the
/// first words of the prompt, up to 60 characters of them; prompts are not kept.
const LABEL_CHARS_MAX: usize = 40;
const LABEL_WORDS_MAX: usize = 3;
/// Where agents are charged of which nobody knows whether a workflow started them.
const UNKNOWN: &str = "phase unknown";

/// What is known of where an agent is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whence {
    /// Its origin, or that it is no agent of a workflow.
    Known,
    /// Nothing: it may be of any phase.
    Unknown,
}

/// The names of the scopes that `caller` is charged to, outermost first, with the limits that each is
/// opened with.
pub(super) fn of(caller: &Caller, whence: Whence, limits: &OpeningLimits) -> Vec<(String, Limits)> {
    let Some(agent) = &caller.agent else { return Vec::new() };
    let agent = name(agent);
    if let Some(origin) = &caller.origin {
        let mut names = vec![(workflow(origin), Limits::NONE)];
        if let Some(phase) = &origin.phase {
            let spelled = limits.phase_spelled(phase);
            names.push((format!("phase {}", name(spelled)), limits.phase(phase)));
        }
        let label = origin.label.as_deref().and_then(label);
        let agent = label.map_or_else(|| agent.clone(), |label| format!("{label} {agent}"));
        names.push((format!("agent {agent}"), limits.agent));
        return names;
    }
    let mut names = Vec::new();
    let strictest = limits.strictest_phase();
    if whence == Whence::Unknown && strictest != Limits::NONE {
        names.push((UNKNOWN.to_owned(), strictest));
    }
    if limits.agent != Limits::NONE {
        names.push((format!("agent {agent}"), limits.agent));
    }
    names
}

/// `workflow review wf_…`.
fn workflow(origin: &Origin) -> String {
    let run = name(&origin.run);
    match &origin.workflow {
        Some(workflow) => format!("workflow {} {run}", name(workflow)),
        None => format!("workflow {run}"),
    }
}

/// The name of a run whose workflow has no name: `workflow wf_…` of `workflow review wf_…`.
pub(super) fn without_workflow_name(name: &str) -> String {
    name.rsplit(' ').next().map_or_else(|| name.to_owned(), |run| format!("workflow {run}"))
}

/// A label as it is kept; none where it may be the head of a prompt.
fn label(text: &str) -> Option<String> {
    let is_short = text.chars().count() <= LABEL_CHARS_MAX;
    (is_short && text.split_whitespace().count() <= LABEL_WORDS_MAX).then(|| name(text))
}

/// `text` as one name of a path: on one line, with what acts on a terminal or hides as its code, and
/// never so that it could be taken for two names.
fn name(text: &str) -> String {
    let mut name = String::new();
    for word in text.split_whitespace() {
        if !name.is_empty() {
            name.push(' ');
        }
        for character in word.chars() {
            if is_plain(character) {
                name.push(character);
            } else {
                name.extend(character.escape_unicode());
            }
        }
    }
    let name = name.replace(" / ", "/");
    if name.chars().count() <= NAME_CHARS_MAX {
        return name;
    }
    // What is cut off still tells two names apart.
    let tail = format!("…{:08x}", hash(text));
    let head: String = name.chars().take(NAME_CHARS_MAX - tail.chars().count()).collect();
    head + &tail
}

fn is_plain(character: char) -> bool {
    let hides = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    !character.is_control() && !hides
}

/// FNV-1a: the same in every version of flyball, since paths outlive it.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}
