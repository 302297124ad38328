//! What every ledger does, whichever it is.

use std::sync::Barrier;

use flyball::amount::Amount;
use flyball::budget::{
    Admission, AttemptEnd, Books, Charge, EntryKind, Limits, Operation, ScopeId, ScopeRow,
    StoreError,
};
use flyball::id::RunId;
use flyball::ledger::{EntryFilter, Ledger, ReadLedger, RunRow, verify};
use serde_json::json;

use super::stand::{
    Stand, admitted, answer, apply, ask, by_agent, charge, id, noon, on_every_stand, open, pico,
    reserve, row, settle, usd,
};

on_every_stand!(
    scopes_are_opened_once_and_found_by_their_path,
    upper_scopes_are_those_with_short_paths,
    what_one_process_reserved_another_cannot,
    settling_is_idempotent_across_reopening,
    a_settle_after_a_release_is_charged_in_full,
    an_extension_and_a_shrinking_are_kept,
    a_pause_holds_for_every_process,
    raises_at_once_add_up,
    an_ask_stays_charged_to_the_windows_it_was_admitted_in,
    an_agent_counts_once_for_all_processes,
    an_expired_attempt_is_corrected_by_another_process,
    a_batch_is_one_transaction_and_an_empty_one_writes_nothing,
    amounts_of_any_size_come_back_as_they_were,
    entries_are_numbered_dated_filtered_and_noted,
    runs_are_recorded_and_listed,
    thresholds_are_warned_of_once_by_all_processes,
);

const RUN: [&str; 2] = ["project shop", "run 7"];

fn one_run<S: Stand>(stand: &S, limit: i128) -> (Books<S::Ledger>, ScopeId) {
    let mut books = stand.books();
    let run = open(&mut books, &RUN, Limits::usd(pico(limit)));
    (books, run)
}

fn scopes_are_opened_once_and_found_by_their_path<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    assert_eq!(open(&mut b, &RUN, Limits::usd(pico(900))), run);
    let other = open(&mut b, &["project shop", "run 8"], Limits::NONE);
    assert_ne!(other, run);
    let rows = a.store().scopes().unwrap();
    let paths: Vec<&str> = rows.iter().map(|row| &*row.path).collect();
    assert_eq!(paths, ["project shop", "project shop / run 7", "project shop / run 8"]);
    assert_eq!((rows[0].parent, rows[2].parent), (None, Some(rows[0].id)));
    assert_eq!(rows[1].limits, Limits::usd(pico(100)));
    let found = a.store().scope_by_path("project shop / run 8").unwrap().unwrap();
    assert_eq!(found, rows[2]);
    assert_eq!(a.store().scope_by_path("run 8").unwrap(), None);
}

fn upper_scopes_are_those_with_short_paths<S: Stand>() {
    let stand = S::new();
    let mut books = stand.books();
    // Names that sort before, between and after what lies below their neighbours.
    let names = ["a", "a - b", "a !", "a 0", "a/b", "ä", "", "!", "b"];
    for first in names {
        for second in names {
            for third in ["run 1", "!", "ä / deep"] {
                open(&mut books, &["org", first, second, third], Limits::NONE);
            }
        }
        open(&mut books, &[first, "x", "y"], Limits::NONE);
    }
    let every = books.store().scopes().unwrap();
    for levels in 0..=5 {
        let short = |row: &&ScopeRow| row.path.split(" / ").count() <= levels;
        let expected: Vec<ScopeRow> = every.iter().filter(short).cloned().collect();
        assert_eq!(books.store().upper_scopes(levels).unwrap(), expected, "{levels} levels");
    }
}

fn what_one_process_reserved_another_cannot<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    admitted(&mut a, ask("a", run, 60));
    assert!(matches!(reserve(&mut b, ask("b", run, 60)), Admission::Waiting(_)));
    assert!(!settle(&mut a, "a", 30));
    // `b` learns of it when it next asks for anything.
    let applied = b.apply(&[]).unwrap();
    let decided: Vec<_> = applied.effects.iter().flat_map(|effects| &effects.decisions).collect();
    assert_eq!(decided.len(), 1);
    assert!(matches!(decided[0].admission, Admission::Admitted(_)));
    assert_eq!(usd(&mut a, run), (30, 60));
    let refused = reserve(&mut a, ask("c", run, 71));
    assert!(matches!(refused, Admission::Refused(_)), "{refused:?}");
    verify(a.store()).unwrap();
}

fn settling_is_idempotent_across_reopening<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 100);
    admitted(&mut books, ask("a", run, 60));
    drop(books);
    let mut books = stand.books();
    assert!(!settle(&mut books, "a", 40));
    drop(books);
    let mut books = stand.books();
    assert!(settle(&mut books, "a", 50));
    assert_eq!(usd(&mut books, run), (40, 0));
    assert!(apply(&mut books, Operation::Reserve(ask("a", run, 1))).answers[0].is_err());
    let kept = books.store().attempt(&id("a")).unwrap().unwrap();
    assert_eq!((kept.end, kept.charge), (AttemptEnd::Closed, charge(40)));
    assert_eq!(kept.path.len(), 2);
    verify(books.store()).unwrap();
}

fn a_settle_after_a_release_is_charged_in_full<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    admitted(&mut a, by_agent("x", ask("a", run, 60)));
    answer(&mut a, Operation::Release(id("a")));
    assert_eq!((usd(&mut a, run), row(&mut a, run).agents_reserved), ((0, 0), 0));
    let applied = apply(&mut b, Operation::Settle(id("a"), charge(20)));
    assert_eq!(applied.effects[0].overrun.as_ref().unwrap().beyond, charge(20));
    assert_eq!(usd(&mut a, run), (20, 0));
    assert_eq!((row(&mut a, run).agents_settled, row(&mut a, run).agents_reserved), (1, 0));
    verify(a.store()).unwrap();
}

fn an_extension_and_a_shrinking_are_kept<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    admitted(&mut a, ask("a", run, 60));
    let by = Charge { usd: pico(30), ..Charge::ZERO };
    answer(&mut b, Operation::Extend(id("a"), by));
    assert_eq!(usd(&mut a, run), (0, 90));
    let refused = answer(&mut a, Operation::Extend(id("a"), by));
    assert!(matches!(refused, flyball::budget::Answer::Extended(Some(_))));
    answer(&mut b, Operation::Shrink(id("a"), Charge { usd: pico(35), ..charge(0) }));
    assert_eq!(usd(&mut a, run), (0, 35));
    answer(&mut a, Operation::Expire(id("a")));
    assert_eq!(usd(&mut b, run), (35, 0));
    verify(a.store()).unwrap();
}

fn a_pause_holds_for_every_process<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    answer(&mut a, Operation::SetPaused(run, true));
    let waits = reserve(&mut b, ask("b", run, 10));
    assert!(matches!(&waits, Admission::Waiting(shortage) if shortage.paused), "{waits:?}");
    verify(b.store()).unwrap();
    // A new process finds it paused; the one that waits is served once it is resumed.
    let mut c = stand.books();
    assert!(matches!(reserve(&mut c, ask("c", run, 10)), Admission::Waiting(_)));
    answer(&mut c, Operation::SetPaused(run, false));
    assert_eq!((c.waiting(), b.waiting()), (0, 1));
    assert_eq!(b.apply(&[]).unwrap().effects[0].decisions.len(), 1);
    assert_eq!(usd(&mut a, run), (0, 20));
    verify(b.store()).unwrap();
}

fn raises_at_once_add_up<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 10);
    let start = Barrier::new(4);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            let mut books = stand.books();
            let start = &start;
            threads.spawn(move || {
                start.wait();
                for _ in 0..5 {
                    answer(&mut books, Operation::RaiseLimits(run, Amount::Usd(pico(1))));
                }
            });
        }
    });
    let rows = a.store().scopes().unwrap();
    assert_eq!(rows.iter().find(|row| row.id == run).unwrap().limits, Limits::usd(pico(30)));
    // What is not limited stays so.
    let none = a.apply(&[Operation::RaiseLimits(run, Amount::Agents(3))]).unwrap();
    let said = none.answers[0].as_ref().unwrap_err().to_string();
    assert_eq!(said, "project shop / run 7 has no limit that 3agents could raise");
    verify(a.store()).unwrap();
}

fn an_ask_stays_charged_to_the_windows_it_was_admitted_in<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 1_000);
    let mut b = stand.books();
    let day = |books: &mut Books<_>, name| open(books, &[name], Limits::usd(pico(100)));
    let monday = day(&mut a, "day 2026-11-23");
    admitted(&mut a, flyball::budget::Ask { windows: vec![monday], ..ask("late", run, 80) });
    let tuesday = day(&mut b, "day 2026-11-24");
    admitted(&mut b, flyball::budget::Ask { windows: vec![tuesday], ..ask("early", run, 90) });
    assert!(!settle(&mut b, "late", 70));
    assert_eq!((usd(&mut a, monday), usd(&mut a, tuesday)), ((70, 0), (0, 90)));
    assert_eq!(usd(&mut a, run), (70, 90));
    // Monday has 30 left, whoever asks.
    let on_monday = |usd| flyball::budget::Ask { windows: vec![monday], ..ask("more", run, usd) };
    assert!(matches!(reserve(&mut b, on_monday(31)), Admission::Refused(_)));
    answer(&mut b, Operation::Correct(id("late"), charge(60)));
    assert_eq!(usd(&mut a, monday), (60, 0));
    let kept = a.store().attempt(&id("early")).unwrap().unwrap();
    assert_eq!((kept.windows, kept.path.len()), (vec![tuesday], 3));
    verify(a.store()).unwrap();
}

fn an_agent_counts_once_for_all_processes<S: Stand>() {
    let stand = S::new();
    let mut a = stand.books();
    let run = open(&mut a, &RUN, Limits { agents: Some(1), ..Limits::NONE });
    let mut b = stand.books();
    admitted(&mut a, by_agent("x", ask("1", run, 1)));
    admitted(&mut b, by_agent("x", ask("2", run, 1)));
    assert!(matches!(reserve(&mut b, by_agent("y", ask("3", run, 1))), Admission::Waiting(_)));
    answer(&mut a, Operation::Release(id("1")));
    // `2` is still in flight, so `x` still holds the place.
    assert!(b.apply(&[]).unwrap().effects.is_empty());
    assert!(!settle(&mut a, "2", 1));
    assert_eq!((row(&mut a, run).agents_settled, row(&mut a, run).agents_reserved), (1, 0));
    let effects = b.apply(&[]).unwrap().effects;
    assert!(matches!(effects[0].decisions[0].admission, Admission::Refused(_)));
    // Known for good, also to a process that never saw it.
    let mut c = stand.books();
    admitted(&mut c, by_agent("x", ask("4", run, 1)));
    verify(c.store()).unwrap();
}

fn an_expired_attempt_is_corrected_by_another_process<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    admitted(&mut a, ask("a", run, 60));
    assert_eq!(a.store().in_flight().unwrap().len(), 1);
    drop(a);
    let mut b = stand.books();
    let flying = b.store().in_flight().unwrap();
    assert_eq!((flying.len(), &flying[0].id), (1, &id("a")));
    answer(&mut b, Operation::Expire(id("a")));
    assert_eq!(usd(&mut b, run), (60, 0));
    answer(&mut b, Operation::Correct(id("a"), charge(10)));
    assert_eq!(usd(&mut b, run), (10, 0));
    verify(b.store()).unwrap();
}

fn a_batch_is_one_transaction_and_an_empty_one_writes_nothing<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 100);
    let batch = [
        Operation::Reserve(ask("a", run, 60)),
        Operation::Settle(id("a"), charge(50)),
        Operation::Settle(id("nobody"), charge(50)),
        Operation::Reserve(ask("b", run, 50)),
    ];
    let applied = books.apply(&batch).unwrap();
    let fine: Vec<bool> = applied.answers.iter().map(Result::is_ok).collect();
    assert_eq!(fine, [true, true, false, true]);
    assert_eq!(usd(&mut books, run), (50, 50));
    let before = books.store().entries(&EntryFilter::default(), 100).unwrap();
    books.apply(&[]).unwrap();
    assert!(matches!(reserve(&mut books, ask("c", run, 60)), Admission::Refused(_)));
    settle(&mut books, "a", 9);
    assert_eq!(books.store().entries(&EntryFilter::default(), 100).unwrap(), before);
    verify(books.store()).unwrap();
}

fn amounts_of_any_size_come_back_as_they_were<S: Stand>() {
    let stand = S::new();
    let mut books = stand.books();
    let limits = Limits {
        usd: Some(pico(i128::MAX)),
        billed_tokens: Some(u64::MAX),
        output_tokens: Some(0),
        requests: Some(u64::MAX),
        agents: None,
    };
    let run = open(&mut books, &["run 1"], limits);
    assert_eq!(row(&mut books, run).limits, limits);
    // More than 64 bits of picodollars, twice.
    let huge = 3 * i128::from(i64::MAX);
    let open_run = open(&mut books, &["run 2"], Limits::NONE);
    for attempt in ["a", "b"] {
        admitted(&mut books, ask(attempt, open_run, huge));
    }
    settle(&mut books, "a", huge + 1);
    assert_eq!(usd(&mut books, open_run), (huge + 1, huge));
    verify(books.store()).unwrap();
}

fn entries_are_numbered_dated_filtered_and_noted<S: Stand>() {
    let stand = S::new();
    let (mut books, run) = one_run(&stand, 1_000);
    let phase = open(&mut books, &[RUN[0], RUN[1], "phase Verify"], Limits::NONE);
    books.store().set_note(Some("by hand".to_owned()));
    admitted(&mut books, by_agent("x", ask("a", phase, 60)));
    books.store().set_note(None);
    admitted(&mut books, by_agent("y", ask("b", run, 60)));
    settle(&mut books, "a", 70);
    let ledger = books.store();
    let all = ledger.entries(&EntryFilter::default(), 100).unwrap();
    let sequences: Vec<u64> = all.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, (0..all.len() as u64).collect::<Vec<_>>());
    assert!(all.iter().all(|row| row.at == noon()));
    let names = |filter: &EntryFilter, limit| -> Vec<String> {
        let entries = ledger.entries(filter, limit).unwrap();
        entries.iter().map(|row| row.kind.name().to_owned()).collect()
    };
    assert_eq!(names(&EntryFilter::default(), 2), ["settle", "overrun"]);
    let below = EntryFilter { within: Some(phase), ..EntryFilter::default() };
    assert_eq!(names(&below, 100), ["open", "limit", "reserve", "settle", "overrun"]);
    let of_run = EntryFilter { within: Some(run), ..EntryFilter::default() };
    assert_eq!(names(&of_run, 100).len(), 8);
    let of_attempt = EntryFilter { attempt: Some(id("a")), ..EntryFilter::default() };
    assert_eq!(names(&of_attempt, 100), ["reserve", "settle", "overrun"]);
    let of_agent = EntryFilter { agent: Some("y".into()), ..EntryFilter::default() };
    assert_eq!(names(&of_agent, 100), ["reserve"]);
    let later = noon() + jiff::SignedDuration::from_millis(1);
    let since = |at| EntryFilter { since: Some(at), ..EntryFilter::default() };
    assert_eq!((names(&since(later), 100).len(), names(&since(noon()), 100).len()), (0, 10));
    let settled = all.iter().find(|row| row.kind.name() == "settle").unwrap();
    assert_eq!((settled.scope, settled.agent.as_deref()), (Some(phase), Some("x")));
    assert_eq!(settled.kind, EntryKind::Settle { attempt: id("a"), charge: charge(70) });
    let notes: Vec<_> = all.iter().filter_map(|row| row.note.as_deref()).collect();
    assert_eq!(notes, ["by hand"]);
}

fn runs_are_recorded_and_listed<S: Stand>() {
    let stand = S::new();
    let mut ledger = stand.open();
    let run = |name: &str, seconds| RunRow {
        id: RunId::from(name),
        workflow: "review".to_owned(),
        simulated: true,
        started_at: noon() + jiff::SignedDuration::from_secs(seconds),
        ended_at: None,
        status: "running".to_owned(),
        hashes: json!({"script": "ab12"}),
        plan: Some(json!({"agents": {"p50": 7}})),
        report: None,
    };
    for (name, seconds) in [("r1", 0), ("r2", 20), ("r3", 10)] {
        ledger.record_run(&run(name, seconds)).unwrap();
    }
    let ended = RunRow {
        ended_at: Some(noon()),
        status: "complete".to_owned(),
        report: Some(json!({"cost_usd": "0.5"})),
        ..run("r1", 0)
    };
    ledger.record_run(&ended).unwrap();
    let again = stand.open();
    assert_eq!(again.run(&ended.id).unwrap(), Some(ended));
    assert_eq!(again.run(&RunId::from("r9")).unwrap(), None);
    let names = |limit| -> Vec<String> {
        again.runs(limit).unwrap().into_iter().map(|run| run.id.0.to_string()).collect()
    };
    assert_eq!(
        (names(2), names(9)),
        (
            vec!["r2".to_owned(), "r3".to_owned()],
            vec!["r2".to_owned(), "r3".to_owned(), "r1".to_owned()],
        )
    );
}

fn thresholds_are_warned_of_once_by_all_processes<S: Stand>() {
    let stand = S::new();
    let (mut a, run) = one_run(&stand, 100);
    let mut b = stand.books();
    let mut warned = Vec::new();
    for (number, cost) in [(1, 80), (2, 5), (3, 10)] {
        let books = if number % 2 == 0 { &mut b } else { &mut a };
        let attempt = number.to_string();
        admitted(books, ask(&attempt, run, cost));
        let applied = apply(books, Operation::Settle(id(&attempt), charge(cost)));
        let warnings = applied.effects.iter().flat_map(|effects| &effects.warnings);
        warned.push(warnings.map(|warning| warning.threshold_per_mille).collect::<Vec<_>>());
    }
    assert_eq!(warned, [vec![750], vec![], vec![900]]);
}

/// A store's errors are values that say what to do; this keeps their words.
#[test]
fn errors_say_what_is_wrong() {
    let newer = StoreError::Newer { found: 9, known: 1 };
    assert_eq!(
        newer.to_string(),
        "the ledger has schema 9, and this flyball knows 1: use the flyball that wrote it, or a \
         newer one"
    );
}
