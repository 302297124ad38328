//! Prompts that ask for everything there is: `every file in the repository`, `the whole desktop`.
//! Whoever reads all of a folder is bounded by the folder alone.

/// Words for everything.
const ALL: &[&str] = &["all", "entire", "every", "everything", "whole"];
/// What is read.
const READ: &[&str] = &[
    "codebase",
    "desktop",
    "directories",
    "directory",
    "file",
    "files",
    "folder",
    "folders",
    "project",
    "repo",
    "repository",
    "sources",
    "tree",
    "workspace",
];
/// So many words may stand between the two: `every single source file`.
const BETWEEN_MAX: usize = 3;
/// Words that make it a part: `all files in the diff`, `every changed file`.
const PART: &[&str] = &[
    "affected",
    "above",
    "changed",
    "cited",
    "diff",
    "following",
    "given",
    "listed",
    "modified",
    "named",
    "new",
    "relevant",
    "related",
    "staged",
    "these",
    "this",
    "those",
    "touched",
];

/// Whether `text` asks for everything anywhere, be it in a comment: a quick look before a script is
/// read.
pub fn asks_for_everything(text: &str) -> bool {
    first(text).is_some()
}

/// The first place in `text` that asks for everything: its byte offset and its words.
pub(super) fn first(text: &str) -> Option<(usize, &str)> {
    let words = words(text);
    words.iter().enumerate().find_map(|(position, (offset, word))| {
        is_one_of(word, ALL).then_some(())?;
        let near = words.get(position + 1..)?.iter().take(BETWEEN_MAX + 1);
        let mut between = Vec::new();
        for (start, next) in near {
            if is_one_of(next, PART) {
                return None;
            }
            between.push(*start);
            if is_one_of(next, READ) {
                let end = start + next.len();
                let after = words.get(position + 1 + between.len()..).unwrap_or(&[]);
                let is_part =
                    after.iter().take(BETWEEN_MAX + 1).any(|(_, word)| is_one_of(word, PART));
                return (!is_part).then(|| (*offset, text.get(*offset..end).unwrap_or(word)));
            }
        }
        None
    })
}

fn words(text: &str) -> Vec<(usize, &str)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '-';
    let mut words = Vec::new();
    let mut start = None;
    for (offset, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (is_word(character), start) {
            (true, None) => start = Some(offset),
            (false, Some(from)) => {
                words.extend(text.get(from..offset).map(|word| (from, word)));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn is_one_of(word: &str, of: &[&str]) -> bool {
    of.iter().any(|one| word.eq_ignore_ascii_case(one))
}
