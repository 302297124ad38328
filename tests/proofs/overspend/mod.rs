//! Random operations on real accounts, against the worst upstream that keeps its promises and one
//! that does not. Shared by the test, which does some hundred thousand of them, and by the
//! benchmark `overspend`, which does ten million.

mod checks;
mod desk;
mod draws;
mod found;
mod tally;
mod tree;
mod trial;
mod upstream;

use flyball::seed::Seed;

pub(crate) use self::found::Found;
use self::trial::Trial;
use self::upstream::Market;

/// A kind of trial, and its share of all operations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arm {
    pub(crate) name: &'static str,
    pub(crate) share_percent: u64,
    /// Books on one ledger; 0 is an account in memory.
    processes: usize,
    /// One limit of 50 least bounds, and nothing else; else random trees of random limits.
    fifty_least: bool,
    /// Some requests take more than they were bounded to.
    pub(crate) breaks_promises: bool,
}

const STRICT: Arm = Arm {
    name: "strict",
    share_percent: 55,
    processes: 0,
    fifty_least: false,
    breaks_promises: false,
};

/// Every arm, in the order of the table.
pub(crate) const ARMS: [Arm; 6] = [
    STRICT,
    Arm { name: "strict, 3 processes", share_percent: 5, processes: 3, ..STRICT },
    Arm { name: "50 least bounds", share_percent: 15, fifty_least: true, ..STRICT },
    Arm {
        name: "50 least, 3 processes",
        share_percent: 5,
        processes: 3,
        fifty_least: true,
        ..STRICT
    },
    Arm { name: "broken promises", share_percent: 18, breaks_promises: true, ..STRICT },
    Arm {
        name: "broken, 3 processes",
        share_percent: 2,
        processes: 3,
        breaks_promises: true,
        ..STRICT
    },
];

/// At least `operations` of `arm`, refused asks not counted, in trials of their own seeds.
///
/// # Panics
/// Where the account did what it must not; the message has the seed of the trial.
pub(crate) fn run(arm: &Arm, seed: Seed, operations: u64) -> Found {
    let market = Market::shipped();
    let mut found = Found::default();
    while found.operations - found.exhausted < operations {
        let luck = seed.child(found.trials).stream(0);
        found.add(&Trial::new(arm, &market, luck, found.trials).run());
    }
    found
}
