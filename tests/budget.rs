//! The account: what it admits, makes wait and refuses, and that its books balance.

mod calendar;
mod laws;
mod wider;

use flyball::budget::{
    Account, AccountError, Admission, Ask, Bound, Charge, DenialKind, Effects, Grant, Limits,
    OutputCap, Quantity, ScopeId, Unit, replay,
};
use flyball::id::AttemptId;
use flyball::money::{Picodollars, Rate};

pub(crate) const fn pico(amount: i128) -> Picodollars {
    Picodollars::from_pico(amount)
}

/// A request whose prompt costs at most `prompt` and whose output costs 1 pico a token.
pub(crate) fn ask(attempt: &str, scope: ScopeId, prompt: i128, standing: u64, floor: u64) -> Ask {
    let fixed = Charge { usd: pico(prompt), billed_tokens: 10, output_tokens: 0, requests: 1 };
    Ask {
        windows: Vec::new(),
        price: None,
        attempt: AttemptId::from(attempt),
        scope,
        agent: None,
        order: 0,
        bound: Bound { fixed, output_rate: Rate::from_pico_per_token(1) },
        cap: OutputCap { standing_tokens: standing, floor_tokens: floor },
    }
}

fn id(attempt: &str) -> AttemptId {
    AttemptId::from(attempt)
}

pub(crate) fn used(usd: i128) -> Charge {
    Charge { usd: pico(usd), billed_tokens: 5, output_tokens: 1, requests: 1 }
}

fn granted(admission: Admission) -> Grant {
    match admission {
        Admission::Admitted(grant) => grant,
        other => panic!("not admitted: {other:?}"),
    }
}

fn names(effects: &Effects) -> Vec<(&str, bool)> {
    let admitted = |a: &Admission| matches!(a, Admission::Admitted(_));
    effects.decisions.iter().map(|d| (&*d.attempt.0, admitted(&d.admission))).collect()
}

fn one_scope(limit: i128) -> (Account, ScopeId) {
    let mut account = Account::new();
    let scope = account.open(None, "run r", Limits::usd(pico(limit))).unwrap();
    (account, scope)
}

#[test]
fn a_reservation_takes_every_scope_of_its_path_or_none() {
    let mut account = Account::new();
    let run = account.open(None, "run r", Limits::usd(pico(1_000))).unwrap();
    let phase = account.open(Some(run), "phase p", Limits::usd(pico(150))).unwrap();
    let agent = account.open(Some(phase), "agent 1", Limits::NONE).unwrap();
    granted(account.reserve(ask("a", agent, 50, 50, 10)).unwrap());
    for scope in [run, phase, agent] {
        assert_eq!(account.balance(scope).unwrap().reserved.usd, pico(100));
    }
    assert_eq!(account.name(agent).unwrap(), "run r / phase p / agent 1");
    // The phase has 50 left: the run could pay, and is not touched.
    let waits = account.reserve(ask("b", agent, 50, 50, 10)).unwrap();
    let Admission::Waiting(shortage) = waits else { panic!("{waits:?}") };
    assert_eq!(shortage.scope, "run r / phase p");
    assert_eq!(account.balance(run).unwrap().reserved.usd, pico(100));
    account.verify().unwrap();
}

#[test]
fn settling_twice_changes_nothing() {
    let (mut account, run) = one_scope(1_000);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    assert!(!account.settle(&id("a"), used(30)).unwrap().already_closed);
    assert!(account.settle(&id("a"), used(90)).unwrap().already_closed);
    assert!(account.expire(&id("a")).unwrap().already_closed);
    assert!(account.release(&id("a")).unwrap().already_closed);
    let balance = account.balance(run).unwrap();
    assert_eq!((balance.settled.usd, balance.reserved.usd), (pico(30), pico(0)));
    let again = account.reserve(ask("a", run, 1, 1, 1));
    assert_eq!(again, Err(AccountError::AttemptUsed(id("a"))));
}

#[test]
fn an_overrun_is_recorded_above_the_limit_and_stops_the_scope() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    let effects = account.settle(&id("a"), used(130)).unwrap();
    assert_eq!(effects.overrun.unwrap().beyond.usd, pico(30));
    assert!(account.balance(run).unwrap().is_over_limit());
    // Not even what costs nothing is admitted, and the refusal is final.
    let refused = account.reserve(ask("b", run, 0, 0, 0)).unwrap();
    let Admission::Refused(denial) = refused else { panic!("{refused:?}") };
    assert_eq!(denial.kind, DenialKind::Exhausted);
    assert_eq!(
        denial.to_string(),
        "budget exhausted: run r has spent $0.00000000013 of $0.00000000010 and reserved $0.0000; \
         the next request needs at least $0.0000"
    );
    assert_eq!(denial.shortage.settled, Quantity::Usd(pico(130)));
    // Raising the limit opens it again.
    let _ = account.set_limits(run, Limits::usd(pico(200))).unwrap();
    granted(account.reserve(ask("c", run, 50, 20, 10)).unwrap());
    account.verify().unwrap();
}

#[test]
fn a_released_request_that_left_after_all_is_charged_in_full() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    let _ = account.release(&id("a")).unwrap();
    assert_eq!(account.balance(run).unwrap().reserved, Charge::ZERO);
    let effects = account.settle(&id("a"), used(20)).unwrap();
    assert_eq!(effects.overrun.unwrap().beyond, used(20));
    assert_eq!(account.balance(run).unwrap().settled.usd, pico(20));
    account.verify().unwrap();
}

#[test]
fn an_expired_request_takes_its_reservation_until_it_is_corrected() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    let _ = account.expire(&id("a")).unwrap();
    assert_eq!(account.balance(run).unwrap().settled.usd, pico(100));
    let _ = account.correct(&id("a"), used(40)).unwrap();
    assert_eq!(account.balance(run).unwrap().settled.usd, pico(40));
    account.verify().unwrap();
    granted(account.reserve(ask("b", run, 10, 50, 10)).unwrap());
    assert_eq!(account.correct(&id("b"), used(1)), Err(AccountError::AttemptOpen(id("b"))));
}

#[test]
fn load_makes_requests_wait_and_never_shortens_answers() {
    let (mut account, run) = one_scope(250);
    assert!(!granted(account.reserve(ask("a", run, 50, 100, 10)).unwrap()).clamped);
    // 100 are left now, 250 may be: it waits, though its floor would fit.
    assert!(matches!(account.reserve(ask("b", run, 50, 100, 10)), Ok(Admission::Waiting(_))));
    let effects = account.settle(&id("a"), used(60)).unwrap();
    assert_eq!(names(&effects), [("b", true)]);
    let Admission::Admitted(grant) = &effects.decisions[0].admission else { panic!() };
    assert_eq!((grant.output_cap_tokens, grant.clamped), (100, false));
}

#[test]
fn the_last_mile_lowers_the_cap_to_what_is_left_and_not_below_the_floor() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 10, 10, 10)).unwrap());
    let _ = account.settle(&id("a"), used(20)).unwrap();
    // 80 left: a cap of 100 can never be paid, 30 can.
    let grant = granted(account.reserve(ask("b", run, 50, 100, 10)).unwrap());
    assert_eq!((grant.output_cap_tokens, grant.clamped), (30, true));
    assert_eq!(account.balance(run).unwrap().reserved.usd, pico(80));
    let _ = account.settle(&id("b"), used(25)).unwrap();
    // 55 left: the floor does not fit by 5.
    let refused = account.reserve(ask("c", run, 50, 100, 10)).unwrap();
    let Admission::Refused(denial) = refused else { panic!("{refused:?}") };
    assert_eq!(denial.kind, DenialKind::Exhausted);
    assert_eq!(denial.shortage.needed, Quantity::Usd(pico(60)));
    // One that needs 55 fits to the picodollar.
    granted(account.reserve(ask("d", run, 45, 100, 10)).unwrap());
}

#[test]
fn refused_as_exhausted_only_when_nothing_in_flight_could_help() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 40, 10)).unwrap());
    // 10 left now, but 100 if `a` cost nothing: the least bound of 60 waits.
    assert!(matches!(account.reserve(ask("b", run, 50, 100, 10)), Ok(Admission::Waiting(_))));
    // A least bound of 110 can never fit.
    let never = account.reserve(ask("c", run, 100, 100, 10)).unwrap();
    assert!(matches!(never, Admission::Refused(d) if d.kind == DenialKind::Exhausted));
    let effects = account.settle(&id("a"), used(45)).unwrap();
    assert_eq!(names(&effects), [("b", false)]);
}

#[test]
fn a_small_late_request_does_not_starve_a_big_early_one_of_its_scope() {
    let (mut account, run) = one_scope(200);
    granted(account.reserve(ask("a", run, 100, 50, 50)).unwrap());
    assert!(matches!(account.reserve(ask("big", run, 100, 50, 50)), Ok(Admission::Waiting(_))));
    assert!(matches!(account.reserve(ask("small", run, 10, 10, 10)), Ok(Admission::Waiting(_))));
    let order: Vec<_> = account.queue().map(|(attempt, _)| attempt.0.to_string()).collect();
    assert_eq!(order, ["big", "small"]);
    let effects = account.settle(&id("a"), used(10)).unwrap();
    assert_eq!(names(&effects), [("big", true), ("small", true)]);
}

#[test]
fn a_waiter_of_one_scope_does_not_block_another() {
    let mut account = Account::new();
    let run = account.open(None, "run r", Limits::usd(pico(1_000))).unwrap();
    let full = account.open(Some(run), "phase full", Limits::usd(pico(100))).unwrap();
    let free = account.open(Some(run), "phase free", Limits::usd(pico(100))).unwrap();
    granted(account.reserve(ask("a", full, 50, 50, 10)).unwrap());
    assert!(matches!(account.reserve(ask("b", full, 50, 50, 10)), Ok(Admission::Waiting(_))));
    granted(account.reserve(ask("c", free, 50, 50, 10)).unwrap());
    assert!(matches!(account.reserve(ask("d", full, 1, 1, 1)), Ok(Admission::Waiting(_))));
}

#[test]
fn earlier_agents_are_served_first_whenever_they_ask() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    for (attempt, order) in [("late", 9), ("early", 2), ("middle", 5)] {
        let ask = Ask { order, ..ask(attempt, run, 40, 10, 10) };
        assert!(matches!(account.reserve(ask), Ok(Admission::Waiting(_))));
    }
    let effects = account.release(&id("a")).unwrap();
    assert_eq!(names(&effects), [("early", true), ("middle", true)]);
}

#[test]
fn an_agent_counts_once_and_is_given_back_if_nothing_left() {
    let mut account = Account::new();
    let limits = Limits { agents: Some(2), ..Limits::NONE };
    let run = account.open(None, "run r", limits).unwrap();
    let of = |attempt: &str, agent: &str| Ask {
        agent: Some(agent.into()),
        ..ask(attempt, run, 1, 1, 1)
    };
    granted(account.reserve(of("1", "x")).unwrap());
    granted(account.reserve(of("2", "x")).unwrap());
    granted(account.reserve(of("3", "y")).unwrap());
    assert_eq!(account.balance(run).unwrap().agents_reserved, 2);
    assert!(matches!(account.reserve(of("4", "z")), Ok(Admission::Waiting(_))));
    // `x` spends, so it counts for good; `y` never left, so `z` takes its place.
    let _ = account.settle(&id("1"), used(1)).unwrap();
    let effects = account.release(&id("3")).unwrap();
    assert_eq!(names(&effects), [("4", true)]);
    let _ = account.settle(&id("4"), used(1)).unwrap();
    let refused = account.reserve(of("5", "w")).unwrap();
    let Admission::Refused(denial) = refused else { panic!("{refused:?}") };
    assert_eq!((denial.shortage.unit, denial.shortage.needed), (Unit::Agents, Quantity::Count(1)));
    granted(account.reserve(of("6", "x")).unwrap());
    account.verify().unwrap();
}

#[test]
fn every_unit_is_a_limit_of_its_own() {
    let cases = [
        (Limits { billed_tokens: Some(30), ..Limits::NONE }, Unit::BilledTokens),
        (Limits { output_tokens: Some(19), ..Limits::NONE }, Unit::OutputTokens),
        (Limits { requests: Some(0), ..Limits::NONE }, Unit::Requests),
    ];
    for (limits, unit) in cases {
        let mut account = Account::new();
        let run = account.open(None, "run r", limits).unwrap();
        // 10 prompt tokens and at least 21 of output.
        let refused = account.reserve(ask("a", run, 1, 40, 21)).unwrap();
        let Admission::Refused(denial) = refused else { panic!("{refused:?}") };
        assert_eq!(denial.shortage.unit, unit);
    }
    let limits = Limits { billed_tokens: Some(35), ..Limits::NONE };
    let mut account = Account::new();
    let run = account.open(None, "run r", limits).unwrap();
    let grant = granted(account.reserve(ask("a", run, 1, 40, 21)).unwrap());
    assert_eq!(grant.output_cap_tokens, 25);
}

#[test]
fn shrinking_admits_who_waits_and_never_raises() {
    let (mut account, run) = one_scope(100);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    assert!(matches!(account.reserve(ask("b", run, 20, 10, 10)), Ok(Admission::Waiting(_))));
    let much = Charge { usd: pico(500), billed_tokens: 1, output_tokens: 50, requests: 1 };
    let _ = account.shrink(&id("a"), much).unwrap();
    assert_eq!(account.reservation(&id("a")).unwrap().usd, pico(100));
    let less = Charge { usd: pico(60), ..much };
    assert_eq!(names(&account.shrink(&id("a"), less).unwrap()), [("b", true)]);
    account.verify().unwrap();
}

#[test]
fn an_extension_is_granted_at_once_or_refused_at_once() {
    let (mut account, run) = one_scope(120);
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    let by = Charge { usd: pico(20), ..Charge::ZERO };
    assert_eq!(account.extend(&id("a"), by).unwrap(), None);
    let denial = account.extend(&id("a"), by).unwrap().unwrap();
    assert_eq!(denial.shortage.needed, Quantity::Usd(pico(20)));
    assert_eq!(account.reservation(&id("a")).unwrap().usd, pico(120));
    account.verify().unwrap();
}

#[test]
fn a_full_queue_refuses_as_busy() {
    let mut account = Account::new().with_waiting_max(1);
    let run = account.open(None, "run r", Limits::usd(pico(100))).unwrap();
    granted(account.reserve(ask("a", run, 50, 50, 10)).unwrap());
    assert!(matches!(account.reserve(ask("b", run, 50, 50, 10)), Ok(Admission::Waiting(_))));
    let busy = account.reserve(ask("c", run, 50, 50, 10)).unwrap();
    assert!(matches!(busy, Admission::Refused(d) if d.kind == DenialKind::Busy));
}

#[test]
fn thresholds_are_said_once_until_the_limit_moves() {
    let (mut account, run) = one_scope(100);
    let mut seen = Vec::new();
    for (number, cost) in [(1, 74), (2, 1), (3, 5), (4, 12), (5, 1)] {
        let attempt = format!("a{number}");
        granted(account.reserve(ask(&attempt, run, 1, 19, 1)).unwrap());
        let effects = account.settle(&id(&attempt), used(cost)).unwrap();
        seen.push(effects.warnings.iter().map(|w| w.threshold_per_mille).collect::<Vec<_>>());
    }
    assert_eq!(seen, [vec![], vec![750], vec![], vec![900], vec![]]);
}

#[test]
fn balances_follow_from_the_entries_even_after_a_trip_through_json() {
    let (mut account, run) = one_scope(1_000);
    let agent = account.open(Some(run), "agent 1", Limits::NONE).unwrap();
    for number in 0..6 {
        let attempt = format!("a{number}");
        let ask = Ask { agent: Some("x".into()), ..ask(&attempt, agent, 20, 30, 10) };
        granted(account.reserve(ask).unwrap());
    }
    let _ = account.settle(&id("a0"), used(90)).unwrap();
    let _ = account.expire(&id("a1")).unwrap();
    let _ = account.release(&id("a2")).unwrap();
    let _ = account.shrink(&id("a3"), used(7)).unwrap();
    let text = serde_json::to_string(account.entries()).unwrap();
    let entries: Vec<_> = serde_json::from_str(&text).unwrap();
    assert_eq!(entries, account.entries());
    let replayed = replay(&entries);
    assert_eq!(replayed[&agent], account.balance(agent).unwrap());
    assert_eq!(replayed[&agent].settled.usd, pico(90 + 50));
    // A lost line is noticed.
    assert_ne!(replay(&entries[..entries.len() - 1])[&agent], account.balance(agent).unwrap());
}

#[test]
fn nonsense_is_an_error_and_changes_nothing() {
    let (mut account, run) = one_scope(100);
    let unknown = id("never");
    assert_eq!(
        account.settle(&unknown, used(1)),
        Err(AccountError::UnknownAttempt(unknown.clone()))
    );
    let mut other = Account::new();
    assert!(matches!(other.reserve(ask("a", run, 1, 1, 1)), Err(AccountError::UnknownScope(0))));
    granted(account.reserve(ask("a", run, 1, 1, 1)).unwrap());
    let _ = account.settle(&id("a"), used(1)).unwrap();
    assert_eq!(account.shrink(&id("a"), used(1)), Err(AccountError::AttemptClosed(id("a"))));
    let mut scope = run;
    let deep = (0..20).find_map(|_| match account.open(Some(scope), "deeper", Limits::NONE) {
        Ok(inner) => {
            scope = inner;
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(deep, Some(AccountError::TooDeep(_))));
    account.verify().unwrap();
}

#[test]
fn caps_keep_to_the_stage_the_client_and_the_floor() {
    let caps = |asked, stage, thinking| {
        let cap = OutputCap::new(asked, stage, thinking);
        (cap.standing_tokens, cap.floor_tokens)
    };
    assert_eq!(caps(128_000, 8_000, 0), (8_000, 4_000));
    assert_eq!(caps(2_000, 8_000, 0), (2_000, 2_000));
    assert_eq!(caps(128_000, 8_000, 10_000), (11_000, 11_000));
    assert_eq!(caps(128_000, 16_000, 10_000), (16_000, 11_000));
    assert_eq!(caps(128_000, 1_000, 0), (4_000, 4_000));
}
