//! What a change does to a text, line by line, in the unified form that `patch` reads.

use std::fmt::Write as _;

use super::page::{Page, clean};

/// Lines around a change.
const CONTEXT: usize = 3;
/// Pairs of lines that are compared at most; larger changes are shown as one.
const PAIRS_MAX: usize = 1 << 22;

/// A line of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The change from `old` to `new` of the file `name`; nothing where there is none. `None` is a file
/// that does not exist.
pub fn unified(name: &str, old: Option<&str>, new: Option<&str>, page: Page) -> String {
    if old == new {
        return String::new();
    }
    let named = |text: Option<&str>| text.map_or("/dev/null".to_owned(), |_| clean(name));
    let mut shown = format!("--- {}\n+++ {}\n", named(old), named(new));
    let lines = compared(old.unwrap_or(""), new.unwrap_or(""));
    let mut next = 0;
    while let Some((start, end)) = hunk(&lines, next) {
        let _ = writeln!(shown, "{}", heading(&lines, start, end));
        for line in lines.get(start..end).unwrap_or(&[]) {
            shown += &match line {
                Line::Same(text) => with_end(' ', text, |line| line),
                Line::Gone(text) => with_end('-', text, |line| page.red(&line)),
                Line::New(text) => with_end('+', text, |line| page.green(&line)),
            };
        }
        next = end;
    }
    shown
}

fn with_end(sign: char, line: &str, paint: impl Fn(String) -> String) -> String {
    let whole = line.strip_suffix('\n');
    let text = clean(whole.unwrap_or(line).trim_end_matches('\r'));
    let painted = paint(format!("{sign}{text}"));
    let end = if whole.is_none() { "\n\\ No newline at end of file\n" } else { "\n" };
    format!("{painted}{end}")
}

/// The next changes at or after `from` that are close enough to be shown together.
fn hunk(lines: &[Line<'_>], from: usize) -> Option<(usize, usize)> {
    let changes: Vec<usize> = lines
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, line)| !matches!(line, Line::Same(_)))
        .map(|(position, _)| position)
        .collect();
    let first = *changes.first()?;
    let mut last = first;
    for change in changes {
        if change - last > 2 * CONTEXT + 1 {
            break;
        }
        last = change;
    }
    Some((first.saturating_sub(CONTEXT).max(from), (last + 1 + CONTEXT).min(lines.len())))
}

fn heading(lines: &[Line<'_>], start: usize, end: usize) -> String {
    let count = |range: &[Line<'_>], but: fn(&Line<'_>) -> bool| {
        range.iter().filter(|line| !but(line)).count()
    };
    let is_new = |line: &Line<'_>| matches!(line, Line::New(_));
    let is_gone = |line: &Line<'_>| matches!(line, Line::Gone(_));
    let before = lines.get(..start).unwrap_or(&[]);
    let within = lines.get(start..end).unwrap_or(&[]);
    let side = |but: fn(&Line<'_>) -> bool| {
        let lines = count(within, but);
        // A side without lines is said to begin at the line before.
        format!("{},{lines}", count(before, but) + usize::from(lines > 0))
    };
    format!("@@ -{} +{} @@", side(is_new), side(is_gone))
}

fn compared<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let tail = tail.min(old.len().min(new.len()) - head);
    let middle = |all: &[&'a str]| all.get(head..all.len() - tail).unwrap_or(&[]).to_vec();
    let mut lines: Vec<Line<'a>> = old.iter().take(head).map(|line| Line::Same(line)).collect();
    lines.extend(middle_lines(&middle(&old), &middle(&new)));
    lines.extend(old.iter().skip(old.len() - tail).map(|line| Line::Same(line)));
    lines
}

/// The longest common lines stay, the others go and come.
fn middle_lines<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let gone = |line: &&'a str| Line::Gone(line);
    let came = |line: &&'a str| Line::New(line);
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return old.iter().map(gone).chain(new.iter().map(came)).collect();
    }
    // For every pair of tails, how many lines they share.
    let width = new.len() + 1;
    let mut shared = vec![0_usize; (old.len() + 1) * width];
    let at = |shared: &[usize], o: usize, n: usize| shared.get(o * width + n).copied().unwrap_or(0);
    for (o, old_line) in old.iter().enumerate().rev() {
        for (n, new_line) in new.iter().enumerate().rev() {
            let best = if old_line == new_line {
                at(&shared, o + 1, n + 1) + 1
            } else {
                at(&shared, o + 1, n).max(at(&shared, o, n + 1))
            };
            if let Some(cell) = shared.get_mut(o * width + n) {
                *cell = best;
            }
        }
    }
    let (mut o, mut n) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(o), new.get(n)) {
            (Some(line), Some(other)) if line == other => {
                lines.push(Line::Same(line));
                (o, n) = (o + 1, n + 1);
            }
            (Some(line), other)
                if other.is_none() || at(&shared, o + 1, n) >= at(&shared, o, n + 1) =>
            {
                lines.push(Line::Gone(line));
                o += 1;
            }
            (_, Some(line)) => {
                lines.push(Line::New(line));
                n += 1;
            }
            (_, None) => return lines,
        }
    }
}
