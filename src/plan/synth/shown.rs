//! What a prompt shows: earlier items, JSON written into it, paths. Owns how these are found in
//! text; most of it only when a value asks for it.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::roster::roster_in;
use super::sample_state::{ItemRef, SampleState};
use super::token::{Marker, markers_in};
use crate::id::StageKey;
use crate::seed::key_of_parts;

/// JSON in a prompt is looked for this often at most, and no further than this many bytes in.
const JSON_TRIES_MAX: usize = 64;
const JSON_BYTES_MAX: usize = 1 << 20;
/// Markers beyond this many are not told apart.
const MARKERS_MAX: usize = 20_000;

/// A known marker and where it stands in the prompt.
pub(super) type ShownMarker = (usize, Marker, ItemRef);

/// What one call's prompt shows.
pub(super) struct Shown<'a> {
    prompt: &'a str,
    state: &'a SampleState,
    /// Known markers in order of first appearance.
    markers: &'a [ShownMarker],
    args: &'a [String],
    objects: OnceCell<Vec<Value>>,
    focus: OnceCell<Option<Value>>,
    paths: OnceCell<Vec<&'a str>>,
    folders: OnceCell<Vec<&'a str>>,
    rosters: RefCell<BTreeMap<String, Vec<&'a str>>>,
}

/// The known markers of a prompt, each once, in order.
pub(super) fn known_markers(prompt: &str, state: &SampleState) -> Vec<ShownMarker> {
    let mut found: Vec<ShownMarker> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (at, marker) in markers_in(prompt) {
        if seen.len() >= MARKERS_MAX {
            break;
        }
        if let Some(item) = state.item(marker)
            && seen.insert(marker.number())
        {
            found.push((at, marker, item));
        }
    }
    found
}

/// How many results these markers come from.
pub(super) fn results_quoted(markers: &[ShownMarker]) -> u32 {
    let results: std::collections::BTreeSet<u32> =
        markers.iter().map(|(_, _, item)| item.result).collect();
    u32::try_from(results.len()).unwrap_or(u32::MAX)
}

/// The key of what a prompt is about: the items it shows, whatever else it says.
pub(super) fn subject(markers: &[ShownMarker], prompt: &str) -> u64 {
    let mut numbers: Vec<u64> = markers.iter().map(|(_, marker, _)| marker.number()).collect();
    if numbers.is_empty() {
        return crate::seed::key_of(prompt);
    }
    numbers.sort_unstable();
    key_of_parts(&numbers)
}

/// The key of the list items of other stages that a prompt shows; `None` where it shows none.
pub(super) fn about(markers: &[ShownMarker], state: &SampleState, own: StageKey) -> Option<u64> {
    let foreign = |item: &ItemRef| {
        let result = state.results.get(item.result as usize);
        item.listed && result.is_some_and(|result| result.stage != own)
    };
    let mut numbers: Vec<u64> = markers
        .iter()
        .filter(|(_, _, item)| foreign(item))
        .map(|(_, marker, _)| marker.number())
        .collect();
    numbers.sort_unstable();
    (!numbers.is_empty()).then(|| key_of_parts(&numbers))
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        prompt: &'a str,
        state: &'a SampleState,
        markers: &'a [ShownMarker],
        args: &'a [String],
    ) -> Self {
        Self {
            prompt,
            state,
            markers,
            args,
            objects: OnceCell::new(),
            focus: OnceCell::new(),
            paths: OnceCell::new(),
            folders: OnceCell::new(),
            rosters: RefCell::default(),
        }
    }

    /// The list that the prompt shows: the longest JSON array in it, else the items whose markers
    /// it holds.
    pub(super) fn objects(&self) -> &[Value] {
        self.objects.get_or_init(|| {
            let written = longest_array(self.prompt);
            let listed = || self.markers.iter().filter(|(_, _, item)| item.listed);
            if written.len() > 1 || (written.len() == 1 && listed().count() <= 1) {
                return written;
            }
            listed().filter_map(|(_, _, item)| self.value(*item)).collect()
        })
    }

    /// The one item that the prompt is about, if there is one.
    pub(super) fn focus(&self) -> Option<&Value> {
        let found = self.focus.get_or_init(|| {
            let mut listed = self.markers.iter().filter(|(_, _, item)| item.listed);
            if let (Some((_, _, item)), None) = (listed.next(), listed.next()) {
                return self.value(*item);
            }
            match self.objects() {
                [only] => Some(only.clone()),
                _ => None,
            }
        });
        found.as_ref()
    }

    fn value(&self, item: ItemRef) -> Option<Value> {
        serde_json::from_str(self.state.text(item)).ok()
    }

    /// How many things the prompt lists, for positions in it.
    pub(super) fn count(&self) -> usize {
        let objects = self.objects().len();
        if objects > 0 {
            objects
        } else {
            results_quoted(self.markers).max(numbered_lines(self.prompt)) as usize
        }
    }

    /// Folders of the args that the prompt names, without a slash at the end.
    pub(super) fn folders(&self) -> &[&'a str] {
        self.folders.get_or_init(|| {
            let folders = self.args.iter().map(|arg| arg.trim_end_matches('/'));
            folders.filter(|arg| is_folder(arg) && self.prompt.contains(arg)).collect()
        })
    }

    /// The words that the prompt lists for a property.
    pub(super) fn roster(&self, name: &str) -> Vec<&'a str> {
        let known = self.rosters.borrow().get(name).cloned();
        known.unwrap_or_else(|| {
            let words = roster_in(self.prompt, name);
            self.rosters.borrow_mut().insert(name.to_owned(), words.clone());
            words
        })
    }

    /// Paths of files that the prompt names: from earlier results and from the args.
    pub(super) fn paths(&self) -> &[&'a str] {
        self.paths.get_or_init(|| {
            let marked = self.markers.iter().map(|(at, _, _)| path_around(self.prompt, *at));
            let mut paths: Vec<&'a str> = marked.filter(|word| is_path(word)).collect();
            let named = self.args.iter().map(String::as_str).filter(|arg| is_path(arg));
            paths.extend(named.filter(|arg| self.prompt.contains(arg)));
            paths.dedup();
            paths
        })
    }
}

/// Whether a text names a folder: has slashes, no spaces and no extension.
pub(super) fn is_folder(text: &str) -> bool {
    text.trim_end_matches('/').contains('/')
        && !is_path(text)
        && text.len() < 300
        && !text.contains("://")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-@+".contains(c))
}

/// The longest JSON array of objects or strings written in a text.
fn longest_array(text: &str) -> Vec<Value> {
    let mut best: Vec<Value> = Vec::new();
    let mut at = 0;
    for _ in 0..JSON_TRIES_MAX {
        let Some(rest) = text.get(at..) else { break };
        let Some(start) = rest.find(['[', '{']).map(|offset| at + offset) else { break };
        at = start + 1;
        if start > JSON_BYTES_MAX || !opens_json(text.as_bytes(), start) {
            continue;
        }
        let Some(rest) = text.get(start..) else { break };
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        if let Some(Ok(value)) = values.next() {
            at = start + values.byte_offset();
            longest_inside(value, &mut best, 0);
        }
    }
    best
}

/// Whether a bracket can begin JSON worth reading: the next character decides.
fn opens_json(bytes: &[u8], start: usize) -> bool {
    let mut after = bytes.get(start + 1..).unwrap_or(&[]).iter();
    let next = after.find(|byte| !byte.is_ascii_whitespace());
    match (bytes.get(start), next) {
        (Some(b'['), Some(next)) => matches!(next, b'{' | b'"' | b'['),
        (Some(b'{'), Some(next)) => *next == b'"',
        _ => false,
    }
}

fn longest_inside(value: Value, best: &mut Vec<Value>, depth: u32) {
    match value {
        Value::Array(values) => {
            let flat = values.iter().all(|value| !value.is_array());
            if flat && values.len() > best.len() {
                *best = values;
            } else if depth < 3 {
                for value in values {
                    longest_inside(value, best, depth + 1);
                }
            }
        }
        Value::Object(map) if depth < 3 => {
            for (_, value) in map {
                longest_inside(value, best, depth + 1);
            }
        }
        _ => {}
    }
}

/// Lines that begin with a number and a mark: "3. …", "[3] …", "3) …".
fn numbered_lines(text: &str) -> u32 {
    let numbered = |line: &str| {
        let line = line.trim_start().trim_start_matches(['[', '(', '#']);
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() < line.len() && rest.starts_with(['.', ')', ']', ':'])
    };
    let lines = text.lines().filter(|line| numbered(line)).count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// The word around a position, as far as a path goes.
fn path_around(text: &str, at: usize) -> &str {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let before = text.get(..at).unwrap_or("");
    let start = before.trim_end_matches(inside).len();
    let after = text.get(at..).unwrap_or("");
    let end = at + after.len() - after.trim_start_matches(inside).len();
    text.get(start..end).unwrap_or("").trim_end_matches('.')
}

pub(super) fn is_path(text: &str) -> bool {
    let name = text.rsplit('/').next().unwrap_or(text);
    let extension = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    extension && text.len() < 300 && !text.contains([' ', '\n']) && !text.contains("://")
}
