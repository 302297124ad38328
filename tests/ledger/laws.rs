//! Random operations of two processes on one ledger, against a reference of integers.

use proptest::prelude::*;

use super::model::Model;
use super::operations::{AGENTS, HANDS, Op, SCOPES};
use super::postgres::server::is_wanted;
use super::stand::{InMemory, InPostgres, OnDisk, Stand};

fn op() -> impl Strategy<Value = Op> {
    let pick = 0_usize..64;
    let changes = prop_oneof![
        // Up to 1,000 keeps the promise; above is an overrun.
        8 => (pick.clone(), 0_u16..1_050).prop_map(|(pick, m)| Op::Settle { pick, per_mille: m }),
        3 => (pick.clone(), 0_u16..1_200).prop_map(|(pick, m)| Op::Shrink { pick, per_mille: m }),
        2 => (pick.clone(), 0_u16..100).prop_map(|(pick, by)| Op::Extend { pick, by }),
        2 => pick.clone().prop_map(|pick| Op::Expire { pick }),
        2 => pick.clone().prop_map(|pick| Op::Release { pick }),
        2 => pick.clone().prop_map(|pick| Op::Withdraw { pick }),
        1 => pick.clone().prop_map(|pick| Op::SettleAgain { pick }),
        2 => (pick.clone(), 0_u16..1_050)
            .prop_map(|(pick, m)| Op::SettleReleased { pick, per_mille: m }),
        1 => (pick, 0_u16..1_200).prop_map(|(pick, m)| Op::Correct { pick, per_mille: m }),
    ];
    prop_oneof![
        10 => (0..AGENTS, 0_u64..4, 0_u16..400, 0_u8..4, 1_u16..200, 1_u16..200).prop_map(
            |(agent, order, prompt, rate, standing, floor)| Op::Reserve {
                agent, order, prompt, rate, standing, floor
            }
        ),
        14 => changes,
        2 => (0..SCOPES, limits()).prop_map(|(scope, limits)| Op::Limit { scope, limits }),
        2 => (0..SCOPES, prop::bool::weighted(0.4))
            .prop_map(|(scope, paused)| Op::Pause { scope, paused }),
        1 => any::<bool>().prop_map(|nested| Op::Window { nested }),
        1 => Just(Op::Reopen),
        1 => Just(Op::Poll),
    ]
}

/// Dollars, billed tokens, output tokens, requests, agents.
fn limits() -> impl Strategy<Value = [Option<u16>; 5]> {
    let maybe = |range: std::ops::Range<u16>| proptest::option::weighted(0.2, range);
    (
        proptest::option::weighted(0.6, 0_u16..3_000),
        maybe(0..3_000),
        maybe(0..1_000),
        maybe(0..12),
        maybe(0..5),
    )
        .prop_map(|(usd, billed, output, requests, agents)| [usd, billed, output, requests, agents])
}

fn run<S: Stand>(limits: Vec<[Option<u16>; 5]>, ops: Vec<(usize, Op)>) {
    let mut model = Model::<S>::new(limits);
    for (hand, op) in ops {
        model.step(hand, op);
        model.check(hand);
    }
    model.verify();
    model.drain();
}

fn limits_of_all() -> impl Strategy<Value = Vec<[Option<u16>; 5]>> {
    proptest::collection::vec(limits(), SCOPES)
}

fn ops() -> impl Strategy<Value = Vec<(usize, Op)>> {
    proptest::collection::vec((0..HANDS, op()), 1..80)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn two_processes_in_memory_pass_no_limit_and_lose_no_picodollar(
        limits in limits_of_all(), ops in ops(),
    ) {
        run::<InMemory>(limits, ops);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn two_processes_on_a_file_pass_no_limit_and_lose_no_picodollar(
        limits in limits_of_all(), ops in ops(),
    ) {
        run::<OnDisk>(limits, ops);
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn two_processes_in_postgres_pass_no_limit_and_lose_no_picodollar(
        limits in limits_of_all(), ops in ops(),
    ) {
        if is_wanted() {
            run::<InPostgres>(limits, ops);
        }
    }
}
