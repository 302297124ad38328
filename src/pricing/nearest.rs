//! The names that a misspelt one most likely meant.

/// Longer names than this are not compared: the cost is quadratic.
const COMPARED_LENGTH_MAX: usize = 128;

/// Up to `count` of `names`, nearest first, that are near enough to `wanted` to be worth naming.
pub(super) fn nearest<'a>(
    wanted: &str,
    names: impl Iterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    if wanted.len() > COMPARED_LENGTH_MAX {
        return Vec::new();
    }
    let wanted = wanted.to_ascii_lowercase();
    let mut ranked: Vec<(usize, &str)> = names
        .filter(|name| name.len() <= COMPARED_LENGTH_MAX)
        .filter_map(|name| {
            let distance = distance(wanted.as_bytes(), name.to_ascii_lowercase().as_bytes());
            let contained = wanted.len() >= 3 && name.contains(wanted.as_str());
            let near = distance <= 1 + wanted.len().max(name.len()) / 4;
            (near || contained).then_some((distance, name))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(count).map(|(_, name)| name).collect()
}

/// Insertions, deletions and substitutions between two texts.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (row, left) in a.iter().enumerate() {
        let mut diagonal = row;
        let mut beside = row + 1;
        for (right, above) in b.iter().zip(previous.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *above;
            beside = replaced.min(*above + 1).min(beside + 1);
            *above = beside;
        }
        if let Some(first) = previous.first_mut() {
            *first = row + 1;
        }
    }
    previous.last().copied().unwrap_or(usize::MAX)
}
