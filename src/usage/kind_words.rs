//! Guessing the kind of work from words. Owns the matching; the words are the model's.

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
    /// beginning of the prompt.
    pub(crate) fn kind_of(&self, label: &str, phase: &str, prompt: &str) -> StageKind {
        self.first_known(label, NAME_CHARACTERS_MAX)
            .or_else(|| self.first_known(phase, NAME_CHARACTERS_MAX))
            .or_else(|| self.first_known(prompt, self.prompt_characters))
            .unwrap_or(StageKind::General)
    }

    fn first_known(&self, text: &str, characters: usize) -> Option<StageKind> {
        let mut word = String::new();
        let mut after_lower = false;
        for character in text.chars().take(characters).chain(std::iter::once(' ')) {
            let starts_word = after_lower && character.is_uppercase();
            if (starts_word || !character.is_alphabetic()) && !word.is_empty() {
                if let Some(kind) = self.of_word(&word) {
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
