//! Finds the word somebody meant.

/// The option nearest to `word`, if one is near enough to be a slip of the hand: at most a third
/// of its letters (at least one) changed, dropped, added or swapped. Case does not count.
pub(super) fn nearest<'o>(word: &str, options: &[&'o str]) -> Option<&'o str> {
    let word: Vec<char> = word.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    options
        .iter()
        .map(|option| {
            let letters: Vec<char> = option.chars().map(|c| c.to_ascii_lowercase()).collect();
            (edits(&word, &letters), letters.len(), *option)
        })
        .filter(|(edits, letters, _)| *edits <= (letters / 3).max(1))
        .min_by_key(|(edits, _, _)| *edits)
        .map(|(_, _, option)| option)
}

/// The least number of changed, dropped, added or swapped neighbouring letters between two words.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let at =
                |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut fewest = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = row > 0
                && column > 0
                && from.get(row - 1) == Some(b)
                && to.get(column - 1) == Some(a);
            if swapped {
                fewest = fewest.min(at(&before_last, column - 1) + 1);
            }
            current.push(fewest);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}
