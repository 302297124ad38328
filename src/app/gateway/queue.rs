//! Waiting for balance in the ledger's queue, for as long as somebody who lives can set some free.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::dead_holders::{DeadHolders, Prospect};
use super::till::unavailable;
use crate::budget::{Ask, DenialKind, Operation};
use crate::gateway::Refused;
use crate::id::AttemptId;
use crate::ledger::{BooksError, Decided, GroupCommit, Ticket};

/// How often whoever waits looks whether those it waits for are alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reserves for `ask` within `hold`. Where it has to ask once more, it does so as `again` names it: no
/// attempt is decided twice.
pub(super) async fn reserve(
    commit: &GroupCommit,
    dead: &DeadHolders,
    mut ask: Ask,
    hold: Duration,
    again: impl Fn() -> AttemptId,
) -> Result<Ticket, Refused> {
    let least = ask.bound.charge(ask.cap.floor_tokens);
    let until = Instant::now() + hold;
    let mut waits = hold;
    loop {
        match ask_once(commit, dead, &ask, waits).await? {
            Asked::Decided(Ok(grant)) => return Ok(Ticket::of_ledger(ask.attempt, grant)),
            Asked::Decided(Err(denial)) => {
                let denial = dead.judge(denial, least).await;
                let left = until.saturating_duration_since(Instant::now());
                // It seemed to wait for the dead and does so no longer.
                let may_wait = waits.is_zero() && !left.is_zero();
                if denial.kind == DenialKind::Exhausted || !may_wait {
                    return Err(Refused::Denied(denial));
                }
                waits = left;
            }
            Asked::Hopeless => waits = Duration::ZERO,
        }
        ask.attempt = again();
    }
}

/// What came of asking once.
enum Asked {
    Decided(Decided),
    /// It left the queue: what it needs at least will not come free.
    Hopeless,
}

async fn ask_once(
    commit: &GroupCommit,
    dead: &DeadHolders,
    ask: &Ask,
    hold: Duration,
) -> Result<Asked, Refused> {
    let mut short_in = Vec::new();
    let (tell, mut told) = oneshot::channel();
    let mut place = Place { commit, attempt: Some(ask.attempt.clone()) };
    commit.reserve_then(ask.clone(), Some(hold), move |decided| drop(tell.send(decided)));
    let decided = loop {
        if let Ok(decided) = tokio::time::timeout(LOOK_EVERY, &mut told).await {
            break decided.unwrap_or(Err(BooksError::Closed));
        }
        let (tell, lacks) = oneshot::channel();
        commit.lacks_then(ask.attempt.clone(), move |lacks| drop(tell.send(lacks)));
        let Ok(Some(shortage)) = lacks.await else { continue };
        match dead.prospect(&shortage, ask).await {
            Prospect::All => {}
            Prospect::Nothing => return Ok(Asked::Hopeless),
            Prospect::Shorter(scope) => {
                if !short_in.contains(&scope) {
                    short_in.push(scope);
                    commit.do_then(Operation::Shorten(ask.attempt.clone(), scope), |_| {});
                }
            }
        }
    };
    // A commit of which nobody knows whether it was kept may hold it.
    let decided = decided.map_err(unavailable)?;
    place.attempt = None;
    Ok(Asked::Decided(decided))
}

/// A place in the queue, which whoever goes away gives back.
struct Place<'a> {
    commit: &'a GroupCommit,
    attempt: Option<AttemptId>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.commit.do_then(Operation::Release(attempt), |_| {});
        }
    }
}
