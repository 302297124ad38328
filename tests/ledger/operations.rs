//! What processes do to a ledger in the laws, and the scopes they do it in.

use flyball::budget::{Charge, Limits};
use flyball::money::Picodollars;

/// One thing that a process does. `pick` chooses among the attempts that it can be done to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Reserve {
        agent: usize,
        order: u64,
        prompt: u16,
        rate: u8,
        standing: u16,
        floor: u16,
    },
    Settle {
        pick: usize,
        per_mille: u16,
    },
    SettleAgain {
        pick: usize,
    },
    SettleReleased {
        pick: usize,
        per_mille: u16,
    },
    Shrink {
        pick: usize,
        per_mille: u16,
    },
    Extend {
        pick: usize,
        by: u16,
    },
    Expire {
        pick: usize,
    },
    Release {
        pick: usize,
    },
    Correct {
        pick: usize,
        per_mille: u16,
    },
    Withdraw {
        pick: usize,
    },
    Limit {
        scope: usize,
        limits: [Option<u16>; 5],
    },
    Pause {
        scope: usize,
        paused: bool,
    },
    /// The next calendar window of one kind opens.
    Window {
        nested: bool,
    },
    /// The process ends, and another takes its place.
    Reopen,
    /// It asks for nothing, and so learns what others did.
    Poll,
}

/// One run, two phases, six agents (agent i in phase i % 2); two windows that lie under nothing,
/// two that lie under the run.
pub(super) const AGENTS: usize = 6;
pub(super) const SCOPES: usize = 3 + AGENTS + 4;
/// Processes.
pub(super) const HANDS: usize = 2;
pub(super) const FIRST_WINDOW: usize = 3 + AGENTS;

pub(super) fn path_of(scope: usize) -> Vec<usize> {
    match scope {
        0 => vec![0],
        1 | 2 => vec![0, scope],
        scope if scope < FIRST_WINDOW => vec![0, 1 + (scope - 3) % 2, scope],
        scope if scope < FIRST_WINDOW + 2 => vec![scope],
        scope => vec![0, scope],
    }
}

pub(super) fn name(scope: usize) -> String {
    if scope == 0 { "run".to_owned() } else { format!("scope {scope}") }
}

pub(super) fn to_limits(limits: [Option<u16>; 5]) -> Limits {
    Limits {
        usd: limits[0].map(|n| Picodollars::from_pico(n.into())),
        billed_tokens: limits[1].map(u64::from),
        output_tokens: limits[2].map(u64::from),
        requests: limits[3].map(u64::from),
        agents: limits[4].map(u64::from),
    }
}

pub(super) fn numbers(charge: &Charge) -> [i128; 4] {
    [
        charge.usd.pico(),
        charge.billed_tokens.into(),
        charge.output_tokens.into(),
        charge.requests.into(),
    ]
}

pub(super) fn part(charge: Charge, per_mille: u16) -> Charge {
    let scale = |n: u64| n * u64::from(per_mille) / 1_000;
    Charge {
        usd: Picodollars::from_pico(charge.usd.pico() * i128::from(per_mille) / 1_000),
        billed_tokens: scale(charge.billed_tokens),
        output_tokens: scale(charge.output_tokens),
        requests: charge.requests,
    }
}
