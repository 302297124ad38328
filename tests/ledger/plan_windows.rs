//! What is known of plan windows: kept as it was written, beside balances and apart from them.

use flyball::amount::PlanWindow;
use flyball::calibrate::Sighting;
use flyball::ledger::{Ledger, PlanWindowRow, ReadLedger, WindowLimit, verify};
use flyball::money::Picodollars;
use jiff::SignedDuration;

use super::stand::{Stand, noon, on_every_stand, pico};

on_every_stand!(
    rows_come_back_in_the_order_they_were_written,
    limits_are_never_too_old_to_be_read,
    what_was_seen_changes_no_balance,
);

fn limit(plan: &str, window: PlanWindow, most_milli_percent: Option<u64>) -> PlanWindowRow {
    PlanWindowRow::Limit(WindowLimit {
        at: noon(),
        plan: plan.to_owned(),
        window,
        most_milli_percent,
    })
}

fn seen(used_milli_percent: u64, settled: Picodollars) -> PlanWindowRow {
    PlanWindowRow::Seen(Sighting {
        at: noon() + SignedDuration::from_micros(1_500),
        account: "ab12cd34".to_owned(),
        window: PlanWindow::FiveHours,
        used_milli_percent,
        resets_at: noon() + SignedDuration::from_hours(5),
        settled,
    })
}

/// Something of everything.
pub(super) fn some() -> Vec<PlanWindowRow> {
    vec![
        limit("max5x", PlanWindow::FiveHours, Some(60_000)),
        limit("max5x", PlanWindow::Week, None),
        seen(42_000, pico(0)),
        // More dollars than fit in 64 bits of picodollars.
        seen(103_000, Picodollars::from_usd(20_000_000)),
    ]
}

fn rows_come_back_in_the_order_they_were_written<S: Stand>() {
    let stand = S::new();
    let mut ledger = stand.open();
    assert_eq!(ledger.plan_windows(10).unwrap(), []);
    ledger.record_plan_windows(&[]).unwrap();
    ledger.record_plan_windows(&some()).unwrap();
    // Another connection reads the same; instants are kept to the millisecond, ends to the second.
    let kept = stand.open().plan_windows(10).unwrap();
    assert_eq!(kept.len(), 4);
    assert_eq!(kept[..2], some()[..2]);
    let PlanWindowRow::Seen(first) = &kept[2] else { panic!("{kept:?}") };
    assert_eq!(first.at, noon() + SignedDuration::from_millis(1));
    assert_eq!(first.resets_at.as_second(), (noon() + SignedDuration::from_hours(5)).as_second());
    assert_eq!((first.used_milli_percent, &*first.account), (42_000, "ab12cd34"));
    let PlanWindowRow::Seen(last) = &kept[3] else { panic!("{kept:?}") };
    assert_eq!(last.settled, Picodollars::from_usd(20_000_000));
}

fn limits_are_never_too_old_to_be_read<S: Stand>() {
    let stand = S::new();
    let mut ledger = stand.open();
    ledger.record_plan_windows(&[limit("pro", PlanWindow::Week, Some(8_000))]).unwrap();
    for used in 0..20 {
        ledger.record_plan_windows(&[seen(used, pico(1))]).unwrap();
    }
    let kept = ledger.plan_windows(3).unwrap();
    assert!(kept[0].is_limit());
    let used = |row: &PlanWindowRow| match row {
        PlanWindowRow::Seen(seen) => seen.used_milli_percent,
        PlanWindowRow::Limit(_) => panic!("{row:?}"),
    };
    assert_eq!(kept[1..].iter().map(used).collect::<Vec<_>>(), [17, 18, 19]);
}

fn what_was_seen_changes_no_balance<S: Stand>() {
    let stand = S::new();
    let mut ledger = stand.open();
    ledger.record_plan_windows(&some()).unwrap();
    assert!(ledger.scopes().unwrap().is_empty());
    verify(&ledger).unwrap();
}
