//! Whether a request fits: the judgement over the scopes of its path, without touching them.

use std::sync::Arc;

use crate::budget::bound::{Bound, OutputCap};
use crate::budget::charge::Charge;
use crate::budget::denial::{Denial, Shortage};
use crate::budget::scope::{Scope, ScopeId};
use crate::budget::unit::Unit;
use crate::id::{AttemptId, PriceId};

/// A request that wants to be admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its attempt, unique in the account.
    pub attempt: AttemptId,
    /// The innermost scope of its path; it is charged to that one and all above it.
    pub scope: ScopeId,
    /// The calendar windows that are open now; it is charged to these too, and stays charged to
    /// them when the next ones open.
    pub windows: Vec<ScopeId>,
    /// Whose request it is, where agents are counted.
    pub agent: Option<Arc<str>>,
    /// Its place in the queue: lower is served first, equals in order of arrival. The position of
    /// the agent's call, so that money that runs short finishes the work that began first.
    pub order: u64,
    /// The row of the price table that its bound and cost are from.
    pub price: Option<PriceId>,
    /// What it can cost.
    pub bound: Bound,
    /// How long its answer may be.
    pub cap: OutputCap,
}

/// What became of an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may be sent.
    Admitted(Grant),
    /// It waits; a later call's effects decide it. The value says what it waits for.
    Waiting(Shortage),
    /// It may not be sent.
    Refused(Denial),
}

/// The terms on which a request may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The `max_tokens` to send.
    pub output_cap_tokens: u64,
    /// What was reserved.
    pub reserved: Charge,
    /// Whether the cap was lowered below the standing one, because the budget ends.
    pub clamped: bool,
}

impl Grant {
    /// The terms on which `ask` was admitted, from what was `reserved` for it.
    pub(crate) fn found(ask: &Ask, reserved: Charge) -> Self {
        let output_cap_tokens =
            reserved.output_tokens.saturating_sub(ask.bound.fixed.output_tokens);
        let clamped = output_cap_tokens < ask.cap.standing_tokens;
        Self { output_cap_tokens, reserved, clamped }
    }
}

/// What the balances say to an ask.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// It fits with this output cap.
    Fits(u64),
    /// Something in flight has to end first; the scopes whose balance it waits for.
    Wait { blocking: Vec<ScopeId>, shortage: Shortage },
    /// It can never fit.
    Exhausted(Shortage),
}

/// Judges `ask` against the scopes of its path, innermost first.
///
/// The standing cap applies while any scope could ever pay for it, however busy it is now: load
/// makes requests wait, it never shortens answers. Only where a scope could not pay for it even if
/// nothing in flight cost anything, the cap is what that scope has left now, not below the floor; and
/// where somebody knows that it never will, in the scopes `short_in`.
pub(crate) fn judge(ask: &Ask, path: &[(ScopeId, &Scope)], short_in: &[ScopeId]) -> Judgement {
    let least = ask.bound.charge(ask.cap.floor_tokens);
    if let Some(shortage) = exhausted(ask, path, &least) {
        return Judgement::Exhausted(shortage);
    }
    let standing = ask.bound.charge(ask.cap.standing_tokens);
    // A longer answer than any scope can ever pay for is not asked for of the others either.
    let mut cap = ask.cap.standing_tokens;
    let is_short =
        |id: &ScopeId, scope: &Scope| short_in.contains(id) || in_last_mile(scope, &standing);
    for (_, scope) in path.iter().filter(|(id, scope)| is_short(id, scope)) {
        // Where not even the prompt fits now, the floor is asked for, and waited for.
        let longest_now = ask.bound.longest_within(|unit| scope.left(unit));
        cap = cap.min(longest_now.unwrap_or(ask.cap.floor_tokens));
    }
    let cap = cap.max(ask.cap.floor_tokens);
    let wanted = ask.bound.charge(cap);
    let mut blocking = Vec::new();
    let mut shortage = None;
    for (id, scope) in path.iter().rev() {
        let short = match first_short(scope, &wanted, ask, false) {
            None if scope.paused => Some((Unit::Requests, i128::MAX)),
            short => short,
        };
        if let Some(short) = short {
            blocking.push(*id);
            shortage = shortage.or_else(|| Some(describe(scope, short, &least, ask)));
        }
    }
    match shortage {
        None => Judgement::Fits(cap),
        Some(shortage) => Judgement::Wait { blocking, shortage },
    }
}

/// The outermost scope that can never pay for `least`.
fn exhausted(ask: &Ask, path: &[(ScopeId, &Scope)], least: &Charge) -> Option<Shortage> {
    path.iter().rev().find_map(|(_, scope)| {
        first_short(scope, least, ask, true).map(|short| describe(scope, short, least, ask))
    })
}

/// The first unit in which `charge` does not fit, and the scope's limit in it: now, or (`ever`) even if nothing in flight cost
/// anything. A scope above its limit admits nothing, not even what needs nothing of that unit.
fn first_short(scope: &Scope, charge: &Charge, ask: &Ask, ever: bool) -> Option<(Unit, i128)> {
    Unit::ALL.into_iter().find_map(|unit| {
        let limit = scope.limits.get(unit)?;
        let held = if ever { 0 } else { scope.held(unit) };
        let taken = scope.settled(unit).saturating_add(held);
        let needed = needed(scope, unit, charge, ask);
        (taken > limit || needed > limit.saturating_sub(taken)).then_some((unit, limit))
    })
}

fn needed(scope: &Scope, unit: Unit, charge: &Charge, ask: &Ask) -> i128 {
    match unit {
        Unit::Agents => scope.agents_needed(ask.agent.as_ref()),
        _ => charge.get(unit),
    }
}

/// Whether the scope can never pay for the standing cap, though it can for the floor.
fn in_last_mile(scope: &Scope, standing: &Charge) -> bool {
    Unit::ALL.into_iter().any(|unit| {
        let left = scope.limits.get(unit).map(|limit| limit.saturating_sub(scope.settled(unit)));
        left.is_some_and(|left| standing.get(unit) > left)
    })
}

/// `scope`'s balance in the unit that is short, with what `least` needs of it.
fn describe(scope: &Scope, (unit, limit): (Unit, i128), least: &Charge, ask: &Ask) -> Shortage {
    Shortage {
        scope: scope.path.to_string(),
        unit,
        limit: unit.quantity(limit),
        settled: unit.quantity(scope.settled(unit)),
        reserved: unit.quantity(scope.held(unit)),
        leased: unit.leased(scope.leased.get(unit)),
        needed: unit.quantity(needed(scope, unit, least, ask)),
        paused: scope.paused,
    }
}
