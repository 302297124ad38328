//! Windows beside the tree, paused scopes, what was spent elsewhere.

use flyball::budget::{Account, Admission, Ask, Limits, Quantity, ScopeId};

use super::{ask, id, one_scope, pico, used};

/// A request that costs at most `usd`.
fn asks(attempt: &str, scope: ScopeId, usd: i128) -> Ask {
    ask(attempt, scope, usd - 10, 10, 10)
}

#[test]
fn a_window_keeps_what_was_reserved_in_it_when_the_next_one_opens() {
    let mut account = Account::new();
    let run = account.open(None, "run r", Limits::NONE).unwrap();
    let monday = account.open(None, "day 1", Limits::usd(pico(100))).unwrap();
    let tuesday = account.open(None, "day 2", Limits::usd(pico(100))).unwrap();
    let on = |day, name: &str| Ask { windows: vec![day], ..asks(name, run, 60) };
    assert!(matches!(account.reserve(on(monday, "a")).unwrap(), Admission::Admitted(_)));
    assert!(matches!(account.reserve(on(monday, "b")).unwrap(), Admission::Waiting(_)));
    assert!(matches!(account.reserve(on(tuesday, "c")).unwrap(), Admission::Admitted(_)));
    // Ended after midnight, it still counts on the day it was reserved.
    let effects = account.settle(&id("a"), used(30)).unwrap();
    assert_eq!(effects.decisions.len(), 1, "b is admitted: monday has 70 left");
    let spent = |day| account.balance(day).unwrap().settled.usd;
    assert_eq!((spent(monday), spent(tuesday), spent(run)), (pico(30), pico(0), pico(30)));
    account.verify().unwrap();
}

#[test]
fn who_waits_behind_another_is_told_of_a_scope_of_its_own() {
    let mut account = Account::new();
    let run = account.open(None, "run r", Limits::usd(pico(200))).unwrap();
    let monday = account.open(None, "day 1", Limits::usd(pico(150))).unwrap();
    let tuesday = account.open(None, "day 2", Limits::usd(pico(150))).unwrap();
    let on = |day, name: &str, usd| Ask { windows: vec![day], ..asks(name, run, usd) };
    assert!(matches!(account.reserve(on(monday, "a", 100)).unwrap(), Admission::Admitted(_)));
    let waiting = |admission| match admission {
        Admission::Waiting(shortage) => shortage.scope,
        other => panic!("does not wait: {other:?}"),
    };
    // It lacks something of both, and the day is told.
    assert_eq!(waiting(account.reserve(on(monday, "b", 120)).unwrap()), "day 1");
    // It fits, and lets the other go first; that day is none of its own.
    assert_eq!(waiting(account.reserve(on(tuesday, "c", 20)).unwrap()), "run r");
}

/// What a dead process holds will not come back, as somebody has found out.
#[test]
fn who_takes_what_is_left_keeps_its_place() {
    let (mut account, run) = one_scope(120);
    assert!(matches!(account.reserve(asks("dead", run, 40)).unwrap(), Admission::Admitted(_)));
    let long = ask("long", run, 10, 100, 20);
    assert!(matches!(account.reserve(long).unwrap(), Admission::Waiting(_)));
    assert!(matches!(account.reserve(asks("behind", run, 20)).unwrap(), Admission::Waiting(_)));
    let effects = account.shorten(&id("long"), run).unwrap();
    let [decided] = &effects.decisions[..] else { panic!("{effects:?}") };
    let Admission::Admitted(grant) = &decided.admission else { panic!("{decided:?}") };
    assert_eq!((&decided.attempt, grant.output_cap_tokens, grant.clamped), (&id("long"), 70, true));
    assert_eq!(account.waiting(), 1);
    // Nobody waits under that name any more.
    assert!(account.shorten(&id("long"), run).unwrap().decisions.is_empty());
    account.verify().unwrap();
}

#[test]
fn a_paused_scope_lets_wait_what_is_new_and_go_on_what_is_under_way() {
    let (mut account, run) = one_scope(1_000);
    assert!(matches!(account.reserve(asks("a", run, 100)).unwrap(), Admission::Admitted(_)));
    account.pause(run).unwrap();
    let Admission::Waiting(shortage) = account.reserve(asks("b", run, 100)).unwrap() else {
        panic!("admitted by a paused scope");
    };
    assert!(shortage.paused && shortage.to_string().contains("is paused"), "{shortage}");
    assert!(account.extend(&id("a"), used(50)).unwrap().is_none());
    assert!(account.settle(&id("a"), used(150)).unwrap().decisions.is_empty());
    // What can never fit is still told so at once.
    assert!(matches!(account.reserve(asks("c", run, 9_000)).unwrap(), Admission::Refused(_)));
    let effects = account.resume(run).unwrap();
    assert_eq!(effects.decisions.iter().map(|d| &d.attempt).collect::<Vec<_>>(), [&id("b")]);
    account.verify().unwrap();
}

#[test]
fn what_was_spent_elsewhere_counts_and_adds_up() {
    let mut account = Account::new();
    let run = account.open(None, "run r", Limits::NONE).unwrap();
    let day = account.open_carrying(None, "day", Limits::usd(pico(100)), used(80)).unwrap();
    let asked = Ask { windows: vec![day], ..asks("a", run, 30) };
    let Admission::Refused(denial) = account.reserve(asked).unwrap() else { panic!("admitted") };
    assert_eq!(denial.shortage.settled, Quantity::Usd(pico(80)));
    account.verify().unwrap();
}
