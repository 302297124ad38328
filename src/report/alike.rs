//! Messages that say the same of different things: agents that end alike fill no page.

use std::collections::HashMap;

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

/// The first message of each shape, in their order, and how many more there are of it.
pub(super) fn firsts(messages: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut firsts: Vec<(String, u64)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for message in messages {
        let shape = shape(&message);
        if let Some((_, more)) = known.get(&shape).and_then(|at| firsts.get_mut(*at)) {
            *more += 1;
        } else {
            known.insert(shape, firsts.len());
            firsts.push((message, 0));
        }
    }
    firsts
}
