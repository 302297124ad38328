//! The word tables: what a name in a schema says about its value. Owns their form and how names
//! are matched; draws nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::synthesizer::ResultsError;

/// The tables, ready for look-up.
#[derive(Debug)]
pub(super) struct WordTables {
    pub(super) spread: Spread,
    pub(super) novelty: Novelty,
    pub(super) presence: Presence,
    pub(super) gate: GateRule,
    lists: Vec<ListRule>,
    list_names: BTreeMap<String, usize>,
    booleans: Vec<BooleanRule>,
    boolean_names: BTreeMap<String, usize>,
    words: BTreeMap<String, WordRule>,
    numbers: Vec<NumberRule>,
    number_names: BTreeMap<String, usize>,
    texts: Vec<TextRule>,
    text_names: BTreeMap<String, usize>,
    repair: Vec<String>,
    reduce: Vec<(String, f64)>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spread {
    pub(super) run: f64,
    pub(super) stage: f64,
    pub(super) call: f64,
    pub(super) item: f64,
    pub(super) gate_run: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Novelty {
    pub(super) decay: f64,
    pub(super) floor: f64,
    pub(super) overlap: f64,
    pub(super) same_file: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Presence {
    pub(super) optional: f64,
    pub(super) null: f64,
    pub(super) text_null: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GateRule {
    pub(super) repair: f64,
    pub(super) patience: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListKind {
    Gate,
    Problem,
    Work,
    Judged,
    Refs,
    Indices,
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TreeCount {
    Files,
    DiffFiles,
    Modules,
    Packages,
    Tests,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ListRule {
    pub(super) kind: ListKind,
    pub(super) median: f64,
    pub(super) empty: f64,
    pub(super) tree: Option<TreeCount>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BooleanKind {
    Gate,
    Verdict,
    More,
    Plain,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct BooleanRule {
    pub(super) kind: BooleanKind,
    pub(super) share: f64,
    pub(super) good: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct WordRule {
    pub(super) weight: f64,
    pub(super) rank: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct NumberRule {
    pub(super) mean: f64,
    pub(super) spread: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) unit: bool,
    pub(super) gate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TextForm {
    Id,
    Name,
    Title,
    Path,
    Url,
    Location,
    Code,
    Sentence,
    Paragraph,
    Date,
    Branch,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TextRule {
    pub(super) form: TextForm,
    pub(super) words: u32,
}

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    spread: Spread,
    novelty: Novelty,
    presence: Presence,
    gate: GateRule,
    list: Vec<ListEntry>,
    boolean: Vec<BooleanEntry>,
    word: Vec<WordEntry>,
    number: Vec<NumberEntry>,
    text: Vec<TextEntry>,
    stage: StageEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListEntry {
    names: Vec<String>,
    kind: ListKind,
    median: f64,
    empty: f64,
    tree: Option<TreeCount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BooleanEntry {
    names: Vec<String>,
    kind: BooleanKind,
    share: f64,
    good: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordEntry {
    words: Vec<String>,
    weight: f64,
    rank: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberEntry {
    names: Vec<String>,
    mean: f64,
    spread: f64,
    low: f64,
    high: f64,
    #[serde(default)]
    unit: bool,
    #[serde(default)]
    gate: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextEntry {
    names: Vec<String>,
    form: TextForm,
    #[serde(default = "default_words")]
    words: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageEntry {
    repair: Vec<String>,
    reduce: Vec<ReduceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReduceEntry {
    words: Vec<String>,
    keep: f64,
}

const fn default_words() -> u32 {
    8
}

/// Weight of an enum's word that no table lists.
const PLAIN_WEIGHT: f64 = 0.30;

impl WordTables {
    pub(super) fn parse(text: &str) -> Result<Self, ResultsError> {
        let tables: Tables = toml::from_str(text).map_err(|e| ResultsError(e.to_string()))?;
        check(&tables)?;
        let list_names = index(tables.list.iter().map(|entry| &entry.names));
        let boolean_names = index(tables.boolean.iter().map(|entry| &entry.names));
        let number_names = index(tables.number.iter().map(|entry| &entry.names));
        let text_names = index(tables.text.iter().map(|entry| &entry.names));
        let mut words = BTreeMap::new();
        for entry in &tables.word {
            for word in &entry.words {
                let rule = WordRule { weight: entry.weight, rank: entry.rank };
                words.entry(joined(word)).or_insert(rule);
            }
        }
        let reduce = tables.stage.reduce.iter();
        Ok(Self {
            spread: tables.spread,
            novelty: tables.novelty,
            presence: tables.presence,
            gate: tables.gate,
            lists: tables.list.into_iter().map(ListRule::from).collect(),
            list_names,
            booleans: tables.boolean.into_iter().map(BooleanRule::from).collect(),
            boolean_names,
            words,
            numbers: tables.number.into_iter().map(NumberRule::from).collect(),
            number_names,
            texts: tables.text.into_iter().map(TextRule::from).collect(),
            text_names,
            repair: tables.stage.repair,
            reduce: reduce
                .flat_map(|entry| entry.words.iter().map(|word| (word.clone(), entry.keep)))
                .collect(),
        })
    }

    pub(super) fn list(&self, name: &str) -> Option<ListRule> {
        self.lists.get(best(&self.list_names, name)?).copied()
    }

    pub(super) fn boolean(&self, name: &str) -> Option<BooleanRule> {
        self.booleans.get(best(&self.boolean_names, name)?).copied()
    }

    pub(super) fn number(&self, name: &str) -> Option<NumberRule> {
        self.numbers.get(best(&self.number_names, name)?).copied()
    }

    pub(super) fn text(&self, name: &str) -> Option<TextRule> {
        self.texts.get(best(&self.text_names, name)?).copied()
    }

    /// An enum's word; one that no table lists has no rank.
    pub(super) fn word(&self, word: &str) -> WordRule {
        let known = self.words.get(&joined(word));
        known.copied().unwrap_or(WordRule { weight: PLAIN_WEIGHT, rank: 0.0 })
    }

    /// Whether a stage of this name repairs what checks find.
    pub(super) fn repairs(&self, stage: &str) -> bool {
        words_of(stage).iter().any(|word| self.repair.iter().any(|known| same_stem(word, known)))
    }

    /// The share of its input that a stage of this name passes on; `None` if it does not reduce.
    pub(super) fn reduces(&self, stage: &str) -> Option<f64> {
        let words = words_of(stage);
        let known = |word: &String| {
            self.reduce.iter().find(|(known, _)| same_stem(word, known)).map(|(_, keep)| *keep)
        };
        words.iter().find_map(known)
    }
}

impl From<ListEntry> for ListRule {
    fn from(entry: ListEntry) -> Self {
        let ListEntry { kind, median, empty, tree, .. } = entry;
        Self { kind, median, empty, tree }
    }
}

impl From<BooleanEntry> for BooleanRule {
    fn from(entry: BooleanEntry) -> Self {
        Self { kind: entry.kind, share: entry.share, good: entry.good }
    }
}

impl From<NumberEntry> for NumberRule {
    fn from(entry: NumberEntry) -> Self {
        let NumberEntry { mean, spread, low, high, unit, gate, .. } = entry;
        Self { mean, spread, low, high, unit, gate }
    }
}

impl From<TextEntry> for TextRule {
    fn from(entry: TextEntry) -> Self {
        Self { form: entry.form, words: entry.words }
    }
}

/// Refuses figures that would make draws meaningless.
fn check(tables: &Tables) -> Result<(), ResultsError> {
    let share = |what: String, value: f64| {
        let fine = (0.0..=1.0).contains(&value);
        if fine {
            Ok(())
        } else {
            Err(ResultsError(format!("{what} = {value}: not a share, 0 to 1")))
        }
    };
    for (what, value) in [
        ("novelty.decay", tables.novelty.decay),
        ("novelty.floor", tables.novelty.floor),
        ("novelty.overlap", tables.novelty.overlap),
        ("novelty.same_file", tables.novelty.same_file),
        ("presence.optional", tables.presence.optional),
        ("presence.null", tables.presence.null),
        ("presence.text_null", tables.presence.text_null),
        ("spread.item", tables.spread.item),
        ("spread.gate_run", tables.spread.gate_run),
    ] {
        share(what.to_owned(), value)?;
    }
    for entry in &tables.list {
        share(format!("list {:?}: empty", entry.names), entry.empty)?;
        if !(entry.median >= 0.0 && entry.median <= 1_000.0) {
            let message =
                format!("list {:?}: median = {}: not 0 to 1000", entry.names, entry.median);
            return Err(ResultsError(message));
        }
    }
    for entry in &tables.boolean {
        share(format!("boolean {:?}: share", entry.names), entry.share)?;
    }
    for entry in &tables.word {
        share(format!("word {:?}: weight", entry.words), entry.weight)?;
    }
    tables
        .stage
        .reduce
        .iter()
        .try_for_each(|entry| share(format!("stage.reduce {:?}: keep", entry.words), entry.keep))
}

fn index<'a>(entries: impl Iterator<Item = &'a Vec<String>>) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (at, entry) in entries.enumerate() {
        for name in entry {
            names.entry(joined(name)).or_insert(at);
        }
    }
    names
}

/// The entry for a name: whole first, else the earliest entry that has one of its words.
fn best(names: &BTreeMap<String, usize>, name: &str) -> Option<usize> {
    let look = |word: &str| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        names.get(word).or_else(|| names.get(singular)).copied()
    };
    look(&joined(name)).or_else(|| words_of(name).iter().filter_map(|word| look(word)).min())
}

/// A name without case and separators.
fn joined(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The words of a name in camel, snake or kebab case, lower-cased.
pub(super) fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut lower_before = false;
    for c in name.chars() {
        let inside = c.is_alphanumeric();
        if inside && (!open || (c.is_uppercase() && lower_before)) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| inside) {
            word.extend(c.to_lowercase());
        }
        open = inside;
        lower_before = c.is_lowercase();
    }
    words
}

/// "fixing", "fixed", "fixes", "fixer" and "fix" are one stem.
fn same_stem(word: &str, stem: &str) -> bool {
    let bare = stem.strip_suffix('e').unwrap_or(stem);
    let Some(rest) = word.strip_prefix(bare) else { return false };
    let doubled = |rest: &str| {
        let mut chars = rest.chars();
        let first = chars.next();
        (first == bare.chars().next_back()).then(|| chars.as_str().to_owned())
    };
    let endings = ["", "e", "s", "es", "ed", "er", "ers", "ing", "or", "ion"];
    endings.contains(&rest) || doubled(rest).is_some_and(|rest| endings.contains(&rest.as_str()))
}
