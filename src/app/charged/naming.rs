//! How people name what a gateway charges: a run or session, or a workflow, a phase or an agent
//! below one.

use std::iter;

use super::super::books::OpenLedger;
use super::super::error::AppError;
use super::super::standing;
use super::{IN, LEVELS, is_run, name, project};
use crate::budget::{ScopeRow, names_in};

/// The shortest head of a name that stands for it.
const HEAD_MIN: usize = 4;
/// So many scopes that a name can mean are told.
const TOLD_MAX: usize = 8;
const BETWEEN_NAMES: &str = " / ";
/// What a name begins with that need not be written.
const KINDS: [&str; 5] = ["run ", "session ", "workflow ", "phase ", "agent "];

/// Whether a name has to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Whole,
    Head,
    /// However little of it.
    ShortHead,
}

/// The scope that `wanted` names: as lists have it (`run nightly in shop`), in whole (`run nightly`),
/// without its kind, by its id, or by the head of that; several names after another, as in
/// `nightly / Check`, where one is not enough. A run or session goes before what lies below it.
pub(in super::super) fn named(ledger: &OpenLedger, wanted: &str) -> Result<ScopeRow, AppError> {
    let mut rows = ledger.read(|ledger| ledger.scopes())?;
    rows.retain(standing::is_in_project);
    let (runs, mut deeper): (Vec<ScopeRow>, Vec<ScopeRow>) = rows.into_iter().partition(is_run);
    deeper.retain(|row| names_in(&row.path).count() > LEVELS);
    if let Some(row) = runs.iter().chain(&deeper).find(|row| name(row) == wanted) {
        return Ok(row.clone());
    }
    let all = [(&runs, By::Whole), (&deeper, By::Whole), (&runs, By::Head), (&deeper, By::Head)];
    let in_project = wanted.rsplit_once(IN).map(|(wanted, project)| (wanted, Some(project)));
    for (wanted, project) in iter::once((wanted, None)).chain(in_project) {
        let parts: Vec<&str> = wanted.split(BETWEEN_NAMES).map(str::trim).collect();
        for (rows, by) in all {
            if let Some(row) = one_of(rows, &parts, project, by)? {
                return Ok(row);
            }
        }
    }
    Err(unknown(wanted, &runs, &deeper))
}

/// That nothing has the name `wanted`; where it is only too short, what begins with it.
fn unknown(wanted: &str, runs: &[ScopeRow], deeper: &[ScopeRow]) -> AppError {
    let begin = |rows: &[ScopeRow]| -> Vec<String> {
        rows.iter().filter(|row| is_named(row, &[wanted], By::ShortHead)).map(name).collect()
    };
    let mut could_be = begin(runs);
    if could_be.is_empty() {
        could_be = begin(deeper);
    }
    if could_be.is_empty() {
        return AppError::usage(format!("no gateway has charged a run or session `{wanted}`"))
            .with_hint(
                "flyball runs charged has those there are; with one of them, what lies below",
            );
    }
    AppError::usage(format!("`{wanted}` is too short for a name: it can be {}", told(&could_be)))
        .with_hint(format!("write at least {HEAD_MIN} characters of it, or the whole name"))
}

/// The only one of `rows` that `parts` name; an error where they name several.
fn one_of(
    rows: &[ScopeRow],
    parts: &[&str],
    in_project: Option<&str>,
    by: By,
) -> Result<Option<ScopeRow>, AppError> {
    let is_there = |row: &&ScopeRow| in_project.is_none_or(|wanted| project(row) == wanted);
    let found = rows.iter().filter(|row| is_named(row, parts, by)).filter(is_there);
    let found: Vec<&ScopeRow> = found.collect();
    match found.as_slice() {
        [] => Ok(None),
        [row] => Ok(Some((*row).clone())),
        several => {
            let names: Vec<String> = several.iter().map(|row| name(row)).collect();
            let wanted = parts.join(BETWEEN_NAMES);
            let first = names.first().map_or("", String::as_str);
            Err(AppError::usage(format!("`{wanted}` can be {}", told(&names)))
                .with_hint(format!("write it as it stands here: '{first}'")))
        }
    }
}

/// Names in a sentence; of many, some.
fn told(names: &[String]) -> String {
    let more = names.len().saturating_sub(TOLD_MAX);
    let names: Vec<&str> = names.iter().take(TOLD_MAX).map(String::as_str).collect();
    let more = if more == 0 { String::new() } else { format!(" or {more} more") };
    format!("{}{more}", names.join(", "))
}

/// Whether the last of `parts` names `row` and the others, in order, scopes that it lies in.
fn is_named(row: &ScopeRow, parts: &[&str], by: By) -> bool {
    let mut names = names_in(&row.path).collect::<Vec<_>>().into_iter().rev();
    let mut parts = parts.iter().rev();
    let itself = parts.next().zip(names.next());
    itself.is_some_and(|(part, name)| matches(name, part, by))
        && parts.all(|part| names.any(|name| matches(name, part, by)))
}

fn matches(name: &str, part: &str, by: By) -> bool {
    let bare = KINDS.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name);
    // Of `workflow review wf_1` and `agent verify:1 a0b1` either part will do.
    let (head, id) = match bare.rsplit_once(' ') {
        Some((head, id)) if !name.starts_with("phase ") => (head, id),
        _ => (bare, bare),
    };
    let is_whole = [name, bare, head, id].contains(&part);
    let is_head = match by {
        By::Whole => false,
        By::Head => part.chars().count() >= HEAD_MIN,
        By::ShortHead => true,
    };
    is_whole || (is_head && (bare.starts_with(part) || id.starts_with(part)))
}
