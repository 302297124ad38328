//! Guessing the kind of work from words. Owns the matching; the words are the model's.

use serde::de::IgnoredAny;

use crate::usage::{StageKind, UsageError, WordsPrior};

/// The words of a model, ready to match.
#[derive(Clone, Debug)]
pub(crate) struct KindWords {
    whole: Vec<(String, StageKind)>,
    stems: Vec<(String, StageKind)>,
    prompt_characters: usize,
}

/// The longest word that is looked at, in characters: no word list has longer ones.
const WORD_CHARACTERS_MAX: usize = 40;
/// The most that is read of a label or a phase, in characters.
const NAME_CHARACTERS_MAX: usize = 400;
/// JSON is looked for this often in the beginning of a prompt, and no further than this many bytes.
const JSON_TRIES_MAX: usize = 32;
const JSON_BYTES_MAX: usize = 64 << 10;

impl KindWords {
    pub(crate) fn new(words: &WordsPrior) -> Result<Self, UsageError> {
        let lists = [
            (StageKind::Synthesis, &words.synthesis),
            (StageKind::Verify, &words.verify),
            (StageKind::Research, &words.research),
            (StageKind::General, &words.general),
            (StageKind::Trivial, &words.trivial),
        ];
        let (mut whole, mut stems) = (Vec::new(), Vec::new());
        for (kind, list) in lists {
            for word in list {
                let bare = word.strip_suffix('*').unwrap_or(word);
                let refuse = |problem| {
                    Err(UsageError::Word { kind: kind.name(), word: word.clone(), problem })
                };
                if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_lowercase()) {
                    return refuse("use lower-case letters a-z, and one * at the end for a stem");
                }
                if whole.iter().chain(&stems).any(|(known, _)| known == bare) {
                    return refuse("it stands in two lists, or twice in one; keep one");
                }
                let entry = (bare.to_owned(), kind);
                if bare.len() == word.len() { whole.push(entry) } else { stems.push(entry) }
            }
        }
        Ok(Self { whole, stems, prompt_characters: words.prompt_characters })
    }

    /// The kind that the earliest known word tells: of the label, else the phase, else the
    /// beginning of the prompt. Who gets a working tree has work to do there.
    pub(crate) fn kind_of(
        &self,
        label: &str,
        phase: &str,
        prompt: &str,
        worktree: bool,
    ) -> StageKind {
        let fits = |kind: StageKind| !worktree || kind != StageKind::Trivial;
        let known = |text: &str, characters| self.first_known(text, characters, fits);
        known(label, NAME_CHARACTERS_MAX)
            .or_else(|| known(phase, NAME_CHARACTERS_MAX))
            .or_else(|| known(&prose(prompt, self.prompt_characters), self.prompt_characters))
            .unwrap_or(StageKind::General)
    }

    fn first_known(
        &self,
        text: &str,
        characters: usize,
        fits: impl Fn(StageKind) -> bool,
    ) -> Option<StageKind> {
        let mut word = String::new();
        let mut after_lower = false;
        for character in text.chars().take(characters).chain(std::iter::once(' ')) {
            let starts_word = after_lower && character.is_uppercase();
            if (starts_word || !character.is_alphabetic()) && !word.is_empty() {
                if let Some(kind) = self.of_word(&word).filter(|kind| fits(*kind)) {
                    return Some(kind);
                }
                word.clear();
            }
            after_lower = character.is_lowercase();
            if character.is_alphabetic() && word.len() < WORD_CHARACTERS_MAX {
                word.extend(character.to_lowercase());
            }
        }
        None
    }

    fn of_word(&self, word: &str) -> Option<StageKind> {
        let whole = self.whole.iter().find(|(known, _)| known == word);
        let stem = || self.stems.iter().find(|(known, _)| word.starts_with(known.as_str()));
        whole.or_else(stem).map(|(_, kind)| *kind)
    }
}

/// The first characters of a text that are not JSON: what a prompt quotes is the material, and the
/// keys of that say nothing about the work.
fn prose(text: &str, characters: usize) -> String {
    let mut prose = String::new();
    let (mut rest, mut left, mut tries) = (text, characters, JSON_TRIES_MAX);
    while left > 0
        && let Some(next) = rest.chars().next()
    {
        let mut json = None;
        if tries > 0 && matches!(next, '{' | '[' | '"') {
            tries -= 1;
            json = quoted_json(rest);
        }
        prose.push(if json.is_some() { ' ' } else { next });
        left -= usize::from(json.is_none());
        rest = rest.get(json.unwrap_or(next.len_utf8())..).unwrap_or("");
    }
    prose
}

/// The length of the JSON at the beginning of a text: a whole value or, where that was cut short, a
/// key with its value.
fn quoted_json(text: &str) -> Option<usize> {
    let text = text.get(..text.floor_char_boundary(JSON_BYTES_MAX)).unwrap_or(text);
    let first = json_length(text)?;
    if !text.starts_with('"') {
        return Some(first);
    }
    let rest = text.get(first..)?;
    let value = rest.trim_start().strip_prefix(':')?;
    let key = text.len() - value.len();
    Some(json_length(value).map_or(key, |length| key + length))
}

fn json_length(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}
