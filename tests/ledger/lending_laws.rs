//! Random lives of two borrowers and one plain process on one ledger, against a reference of sums.

use proptest::prelude::*;

use super::lending_reference::{Op, World};
use super::stand::{InMemory, OnDisk, Stand};

fn op() -> impl Strategy<Value = Op> {
    let hand = 0_usize..2;
    let pick = 0_usize..16;
    let of_requests = prop_oneof![
        5 => (pick.clone(), 0_u16..1_000).prop_map(|(pick, m)| Op::Settle { pick, per_mille: m }),
        1 => (pick.clone(), 1_000_u16..1_800)
            .prop_map(|(pick, m)| Op::Settle { pick, per_mille: m }),
        4 => (pick.clone(), 0_u16..1_000).prop_map(|(pick, m)| Op::Shrink { pick, per_mille: m }),
        3 => (pick.clone(), 1_u16..200).prop_map(|(pick, by)| Op::Extend { pick, by }),
        2 => (pick.clone(), 1_u16..200).prop_map(|(pick, by)| Op::ExtendInLedger { pick, by }),
        1 => pick.clone().prop_map(|pick| Op::Release { pick }),
        1 => pick.clone().prop_map(|pick| Op::Expire { pick }),
    ];
    let of_plain = prop_oneof![
        3 => (1_u16..1_500).prop_map(|usd| Op::Reserve { usd }),
        3 => (pick, 0_u16..1_300).prop_map(|(pick, m)| Op::SettlePlain { pick, per_mille: m }),
        1 => (0_usize..4, 500_u16..9_000).prop_map(|(scope, usd)| Op::Limit { scope, usd }),
        1 => Just(Op::Poll),
    ];
    let of_slices = prop_oneof![
        4 => (hand.clone(), 1_u16..5).prop_map(|(hand, bound)| Op::Lend { hand, bound }),
        8 => hand.clone().prop_map(|hand| Op::Write { hand }),
        2 => hand.clone().prop_map(|hand| Op::WriteOut { hand }),
        8 => (hand.clone(), any::<bool>()).prop_map(|(hand, twice)| Op::Send { hand, twice }),
        1 => hand.clone().prop_map(|hand| Op::GiveBack { hand }),
        1 => (hand.clone(), 0_usize..3).prop_map(|(hand, steps)| Op::Crash { hand, steps }),
        1 => hand.clone().prop_map(|hand| Op::Fence { hand }),
    ];
    prop_oneof![
        12 => (hand, 0_u16..400).prop_map(|(hand, usd)| Op::Draw { hand, usd }),
        14 => of_requests,
        5 => of_plain,
        14 => of_slices,
    ]
}

fn run<S: Stand>(limits: [u16; 4], ops: Vec<Op>) {
    let mut world = World::<S>::new(limits);
    for hand in 0..2 {
        world.step(Op::Lend { hand, bound: 2 });
    }
    for op in ops {
        world.step(op);
    }
    world.drain();
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 1..120)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn borrowers_in_memory_pass_no_limit_and_hide_no_picodollar(
        limits in [2_000_u16..9_000, 2_000_u16..9_000, 2_000_u16..9_000, 2_000_u16..9_000],
        ops in ops(),
    ) {
        run::<InMemory>(limits, ops);
    }
}

proptest! {
    #![proptest_config(cases(15))]

    #[test]
    fn borrowers_on_a_file_pass_no_limit_and_hide_no_picodollar(
        limits in [2_000_u16..9_000, 2_000_u16..9_000, 2_000_u16..9_000, 2_000_u16..9_000],
        ops in ops(),
    ) {
        run::<OnDisk>(limits, ops);
    }
}
