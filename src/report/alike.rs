//! Messages that say the same of different things: agents that end alike fill no page.

use std::collections::{HashMap, HashSet};

/// What is left of `message` without its numbers.
pub(super) fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    for c in message.chars() {
        if !c.is_ascii_digit() {
            shape.push(c);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

/// So many of one shape are told whole: their numbers may be what they are about.
const WHOLE_MAX: u64 = 3;

/// `messages` in their order, each with how many more there are of its shape that are left out.
pub(super) fn firsts(messages: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let messages: Vec<(String, String)> =
        messages.map(|message| (shape(&message), message)).collect();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (shape, _) in &messages {
        *counts.entry(shape).or_default() += 1;
    }
    let mut told = HashSet::new();
    let mut firsts = Vec::new();
    for (shape, message) in &messages {
        let count = counts.get(shape.as_str()).map_or(1, |count| *count);
        if count <= WHOLE_MAX {
            firsts.push((message.clone(), 0));
        } else if told.insert(shape) {
            firsts.push((message.clone(), count - 1));
        }
    }
    firsts
}
