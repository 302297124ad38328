//! How people name what a gateway charges: a run or session, or a workflow, a phase or an agent
//! below one.

use super::super::books::OpenLedger;
use super::super::error::AppError;
use super::{LEVELS, all, name};
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
}

/// The scope that `wanted` names: in whole (`run nightly`), without its kind, by its id, or by the
/// head of that; several names after another, as in `nightly / Check`, where one is not enough. A
/// run or session goes before what lies below it.
pub(super) fn named(ledger: &OpenLedger, wanted: &str) -> Result<ScopeRow, AppError> {
    let parts: Vec<&str> = wanted.split(BETWEEN_NAMES).map(str::trim).collect();
    let runs = all(ledger)?;
    if let Some(row) = one_of(&runs, &parts, By::Whole)? {
        return Ok(row);
    }
    let mut deeper = ledger.read(|ledger| ledger.scopes())?;
    deeper.retain(|row| names_in(&row.path).count() > LEVELS);
    for (rows, by) in [(&deeper, By::Whole), (&runs, By::Head), (&deeper, By::Head)] {
        if let Some(row) = one_of(rows, &parts, by)? {
            return Ok(row);
        }
    }
    Err(AppError::usage(format!("no gateway has charged a run or session `{wanted}`"))
        .with_hint("flyball runs charged shows those there are; with one of them, what lies below"))
}

/// The only one of `rows` that `parts` name; an error where they name several.
fn one_of(rows: &[ScopeRow], parts: &[&str], by: By) -> Result<Option<ScopeRow>, AppError> {
    let found: Vec<&ScopeRow> = rows.iter().filter(|row| is_named(row, parts, by)).collect();
    match found.as_slice() {
        [] => Ok(None),
        [row] => Ok(Some((*row).clone())),
        several => {
            let names: Vec<String> = several.iter().take(TOLD_MAX).map(|row| name(row)).collect();
            let more = several.len().saturating_sub(TOLD_MAX);
            let more = if more == 0 { String::new() } else { format!(" or {more} more") };
            let wanted = parts.join(BETWEEN_NAMES);
            Err(AppError::usage(format!("`{wanted}` can be {}{more}", names.join(", ")))
                .with_hint("write more of its name, or what it lies in: 'nightly / Check'"))
        }
    }
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
    let is_head = by == By::Head && part.len() >= HEAD_MIN;
    is_whole || (is_head && (bare.starts_with(part) || id.starts_with(part)))
}
