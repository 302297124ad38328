//! What one sample remembers: run-level effects, the items that results brought up, which
//! questions were asked before and how checks went. Owns no draws of single values.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::form::Form;
use super::shown::ShownMarker;
use super::token::Marker;
use crate::id::StageKey;
use crate::seed::{Seed, key_of, key_of_parts};

/// One sample's memory: run-level effects, items, gates. Make one per sample and give it to every
/// call of that sample in call order.
#[derive(Debug)]
pub struct SampleState {
    pub(super) seed: Seed,
    /// How much there is to find and do, and how good the work is: standard normals.
    pub(super) size: f64,
    pub(super) quality: f64,
    pub(super) results: Vec<StoredResult>,
    pub(super) calls: u32,
    pub(super) repairs: u32,
    pub(super) stages: BTreeMap<StageKey, StageMemory>,
    pub(super) labels: BTreeMap<String, u32>,
    items: HashMap<u64, ItemRef, BuildHasherDefault<MarkerHasher>>,
    forms: Vec<CachedForm>,
}

#[derive(Debug)]
struct CachedForm {
    stage: StageKey,
    /// Kept alive, so that its address stays its own.
    schema: Arc<str>,
    form: Arc<Form>,
}

/// A result that was given.
#[derive(Debug)]
pub(super) struct StoredResult {
    pub(super) stage: StageKey,
    pub(super) text: String,
}

/// Where an item's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ItemRef {
    pub(super) result: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    /// How many items there were before it.
    pub(super) order: u32,
    /// Whether it is an item of a list, not a whole result.
    pub(super) listed: bool,
}

/// What is remembered of a stage.
#[derive(Debug)]
pub(super) struct StageMemory {
    /// A standard normal: how much this stage finds.
    pub(super) effect: f64,
    /// Items that existed when the stage was first called: what its calls are about.
    first_order: u32,
    pub(super) calls: u32,
    questions: BTreeMap<(u64, u64), Vec<u32>>,
    asked: Vec<Question>,
    /// Items by list.
    pub(super) pools: BTreeMap<u64, Vec<ItemRef>>,
    pub(super) gates: BTreeMap<(u32, u64, u64), Gate>,
    pub(super) paths: Vec<String>,
}

#[derive(Debug)]
struct Question {
    head: String,
    round: u32,
    /// Results that had been delivered when the round began, and calls in it.
    since: u32,
    calls: u32,
    /// Calls in the round before.
    width: u32,
}

/// How a check went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// A standard normal; high is good.
    pub(super) drawn: f64,
    /// What repairs added.
    pub(super) shift: f64,
    pub(super) repairs: u32,
    pub(super) others: u32,
    pub(super) delivered: u32,
    pub(super) kept: u32,
}

/// Which question a call asks, and for which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) question: u32,
    pub(super) round: u32,
    /// Calls that the stage makes in one round, as far as seen.
    pub(super) width: u32,
}

impl SampleState {
    /// The memory of the sample whose draws come from `seed`.
    pub fn new(seed: Seed) -> Self {
        let run = seed.child(key_of("run effects"));
        Self {
            seed,
            size: run.normal(1),
            quality: run.normal(2),
            results: Vec::new(),
            calls: 0,
            repairs: 0,
            stages: BTreeMap::new(),
            labels: BTreeMap::new(),
            items: HashMap::default(),
            forms: Vec::new(),
        }
    }

    /// The texts of the list items that results brought up, in that order; each is JSON.
    pub fn items(&self) -> Vec<&str> {
        let mut listed: Vec<ItemRef> =
            self.items.values().copied().filter(|item| item.listed).collect();
        listed.sort_by_key(|item| item.order);
        listed.into_iter().map(|item| self.text(item)).collect()
    }

    pub(super) fn cached_form(&self, stage: StageKey, schema: &Arc<str>) -> Option<Arc<Form>> {
        let known = self
            .forms
            .iter()
            .find(|known| known.stage == stage && Arc::ptr_eq(&known.schema, schema))?;
        Some(Arc::clone(&known.form))
    }

    pub(super) fn cache_form(&mut self, stage: StageKey, schema: &Arc<str>, form: &Arc<Form>) {
        let (schema, form) = (Arc::clone(schema), Arc::clone(form));
        self.forms.push(CachedForm { stage, schema, form });
    }

    pub(super) fn item(&self, marker: Marker) -> Option<ItemRef> {
        self.items.get(&marker.number()).copied()
    }

    pub(super) fn text(&self, item: ItemRef) -> &str {
        let range = item.start as usize..item.end as usize;
        let text = self.results.get(item.result as usize).map(|result| result.text.as_str());
        text.and_then(|text| text.get(range)).unwrap_or("null")
    }

    /// Remembers an item of the result that is stored next.
    pub(super) fn remember(
        &mut self,
        marker: Marker,
        range: (usize, usize),
        listed: bool,
    ) -> ItemRef {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let item = ItemRef {
            result: narrow(self.results.len()),
            start: narrow(range.0),
            end: narrow(range.1),
            order: narrow(self.items.len()),
            listed,
        };
        self.items.insert(marker.number(), item);
        item
    }

    /// The memory of a stage, made at its first call.
    pub(super) fn stage_mut(&mut self, stage: StageKey) -> &mut StageMemory {
        let first_order = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        let seed = self.seed;
        self.stages.entry(stage).or_insert_with(|| StageMemory {
            effect: seed.child(key_of_parts(&[key_of("stage effect"), stage.0])).normal(0),
            first_order,
            calls: 0,
            questions: BTreeMap::new(),
            asked: Vec::new(),
            pools: BTreeMap::new(),
            gates: BTreeMap::new(),
            paths: Vec::new(),
        })
    }
}

/// Letters of a prompt that tell questions apart.
const HEAD_LETTERS: usize = 120;
/// Fewer letters than this are too few to call two questions equal by a common beginning.
const HEAD_LETTERS_MIN: usize = 16;

impl StageMemory {
    /// Which question this is: same label but for numbers, about the same items that existed
    /// before the stage began, and the same beginning of the prompt up to the first newer item.
    /// A repeat belongs to a new round once all calls of the round before were answered.
    pub(super) fn ask(
        &mut self,
        label: Option<&str>,
        prompt: &str,
        delivered: u32,
        shown: &[ShownMarker],
    ) -> Asked {
        let about: Vec<u64> = shown
            .iter()
            .filter(|(_, _, item)| item.order < self.first_order)
            .map(|(_, marker, _)| marker.number())
            .collect();
        let newer = shown.iter().find(|(_, _, item)| item.order >= self.first_order);
        let head = newer.map_or(prompt, |(at, _, _)| word_start(prompt, *at));
        let head: String = head.chars().filter(|c| c.is_alphabetic()).take(HEAD_LETTERS).collect();
        let label_key = label.map_or(0, |label| key_of(&without_digits(label)));
        let slot = self.questions.entry((label_key, key_of_parts(&about))).or_default();
        let known = slot.iter().copied().find(|index| {
            self.asked.get(*index as usize).is_some_and(|known| same_head(&known.head, &head))
        });
        if let Some(index) = known
            && let Some(question) = self.asked.get_mut(index as usize)
        {
            if delivered.saturating_sub(question.since) >= question.calls {
                question.round += 1;
                question.since = delivered;
                question.width = question.calls;
                question.calls = 0;
            }
            question.calls += 1;
            let (round, width) = (question.round, question.width);
            let questions = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
            let width = width.saturating_mul(questions);
            return Asked { question: index, round, width };
        }
        let index = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
        slot.push(index);
        self.asked.push(Question { head, round: 0, since: delivered, calls: 1, width: 1 });
        Asked { question: index, round: 0, width: 1 }
    }
}

fn same_head(a: &str, b: &str) -> bool {
    a == b || (a.len().min(b.len()) >= HEAD_LETTERS_MIN && (a.starts_with(b) || b.starts_with(a)))
}

/// The text before the word in which a marker stands.
fn word_start(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or("");
    let cut = before.rfind(|c: char| c.is_whitespace() || "\"'`([{,".contains(c));
    before.get(..cut.unwrap_or(0)).unwrap_or("")
}

fn without_digits(label: &str) -> String {
    label.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A label without the number of its round: "review r2", "check-round-3", "fix#1".
pub(super) fn without_round(label: &str) -> u64 {
    const ROUNDS: [&str; 13] = [
        "r",
        "round",
        "iter",
        "iteration",
        "attempt",
        "pass",
        "try",
        "cycle",
        "loop",
        "wave",
        "v",
        "turn",
        "take",
    ];
    let mut out = String::with_capacity(label.len());
    let mut word = String::new();
    let mut hash = false;
    let mut chars = label.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            let mut number = String::from(c);
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number.push(digit);
            }
            if !hash && !ROUNDS.contains(&word.to_lowercase().as_str()) {
                out.push_str(&number);
            }
            continue;
        }
        if c.is_alphabetic() {
            if out.chars().next_back().is_none_or(|last| !last.is_alphabetic()) {
                word.clear();
            }
            word.push(c);
        }
        hash = c == '#' || (hash && c == ' ');
        out.push(c);
    }
    key_of(&out)
}

/// Markers are hashes already.
#[derive(Debug, Default)]
struct MarkerHasher(u64);

impl Hasher for MarkerHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The table takes the upper bits for its tags.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
