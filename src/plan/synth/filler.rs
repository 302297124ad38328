//! Plain words of a given amount: what texts consist of beside their marker. Nearly every word is
//! one token, so that a text's length in tokens is known without counting.

use std::borrow::Cow;

/// Common short words; each is one token with the space before it. None of them, nor a part of one,
/// says how something went: scripts look for "error" or "not" in texts, and would find them here.
/// No list of kinds of work has one either.
const SENTENCE: &str = "the river runs along the valley and a little boat goes under the stone bridge \
while the warm wind moves over the water and the light of the sun falls on the trees near the road \
that leads up to the garden where two people sit by a fire and talk about the color of the sky and \
the song of the birds and then they walk home along the same way with some bread and a cup of tea \
and watch the stars that shine above the hills and the sea until the morning comes and the children \
play in the park ";

/// Appends about `words` words, beginning somewhere that depends on `offset`.
pub(super) fn write_words(out: &mut String, words: usize, offset: u64) {
    let length = SENTENCE.len() as u64;
    let start = usize::try_from(offset % length).unwrap_or(0);
    // Word boundaries only: from the start of the next word.
    let bytes = SENTENCE.as_bytes();
    let skip = bytes.iter().skip(start).position(|byte| *byte == b' ').unwrap_or(0);
    let mut at = (start + skip + 1) % SENTENCE.len();
    let mut left = words;
    while left > 0 {
        let rest = SENTENCE.get(at..).unwrap_or("");
        let in_rest = WORDS_FROM_START.min(left);
        if at == 0 && left >= WORDS_FROM_START {
            out.push_str(SENTENCE);
            left -= WORDS_FROM_START;
            continue;
        }
        let end = nth_space(rest, in_rest).unwrap_or(rest.len());
        let taken = rest.get(..end).unwrap_or("");
        out.push_str(taken);
        left -= taken.bytes().filter(|byte| *byte == b' ').count().max(1);
        at = 0;
    }
    if out.ends_with(' ') {
        out.pop();
    }
}

/// What a text has beside whole [`SENTENCE`]s, and how many tokens those are: texts that we invented
/// need no vocabulary to be counted.
pub fn without_filler(text: &str) -> (Cow<'_, str>, u64) {
    let mut parts = text.split(SENTENCE);
    let first = parts.next().unwrap_or("");
    if first.len() == text.len() {
        return (Cow::Borrowed(text), 0);
    }
    let mut rest = first.to_owned();
    let mut sentences = 0;
    for part in parts {
        sentences += 1;
        rest.push_str(part);
    }
    (Cow::Owned(rest), sentences * WORDS_FROM_START as u64)
}

/// Whether words with one space between stand in this order in our texts, which go round.
pub(super) fn is_filler(words: &str) -> bool {
    let words = format!("{words} ");
    let length = words.len();
    let after_space = |text: &str, at: usize| at == 0 || text.as_bytes().get(at - 1) == Some(&b' ');
    let stands_in = |text: &str| text.match_indices(&words).any(|(at, _)| after_space(text, at));
    let end = SENTENCE.get(SENTENCE.len().saturating_sub(length)..).unwrap_or("");
    let start = SENTENCE.get(..length).unwrap_or("");
    stands_in(SENTENCE) || stands_in(&format!("{end}{start}"))
}

/// Words of [`SENTENCE`].
const WORDS_FROM_START: usize = words_in(SENTENCE);

const fn words_in(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut words) = (0, 0);
    while at < bytes.len() {
        #[allow(clippy::indexing_slicing)] // evaluated when compiled
        if bytes[at] == b' ' {
            words += 1;
        }
        at += 1;
    }
    words
}

/// Where the `n`-th space ends.
fn nth_space(text: &str, n: usize) -> Option<usize> {
    let mut spaces = text.bytes().enumerate().filter(|(_, byte)| *byte == b' ');
    spaces.nth(n.checked_sub(1)?).map(|(at, _)| at + 1)
}
