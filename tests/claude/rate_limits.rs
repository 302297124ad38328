//! What the status line's JSON says of plan windows.

use flyball::amount::PlanWindow;
use flyball::claude::rate_limits::observe;

#[test]
fn windows_are_taken_out_of_everything_else() {
    let json = r#"{
        "session_id": "s", "cost": {"total_cost_usd": 0.5}, "context_window": {"used_percentage": 8},
        "rate_limits": {
            "five_hour": {"used_percentage": 23.5, "resets_at": 1790814600},
            "seven_day": {"used_percentage": 41, "resets_at": "2026-10-01T00:30:00Z"},
            "seven_day_opus": null
        }
    }"#;
    let readings = observe(json).unwrap();
    let read: Vec<_> = readings
        .iter()
        .map(|r| (r.window, r.used_milli_percent, r.resets_at.as_second()))
        .collect();
    assert_eq!(
        read,
        [(PlanWindow::FiveHours, 23_500, 1_790_814_600), (PlanWindow::Week, 41_000, 1_790_814_600)]
    );
}

#[test]
fn what_is_not_there_is_nothing_and_what_is_no_json_is_an_error() {
    for silent in [
        "{}",
        r#"{"rate_limits": null}"#,
        r#"{"rate_limits": {}}"#,
        r#"{"rate_limits": {"five_hour": null}}"#,
        r#"{"rate_limits": {"five_hour": {"used_percentage": null, "resets_at": 1790814600}}}"#,
        r#"{"rate_limits": {"five_hour": {"used_percentage": 12}}}"#,
        r#"{"rate_limits": {"five_hour": {"used_percentage": -3, "resets_at": 1790814600}}}"#,
        r#"{"rate_limits": {"seven_day": "later"}}"#,
    ] {
        assert_eq!(observe(silent).unwrap(), [], "{silent}");
    }
    for broken in ["", "[]", "nonsense", r#"{"rate_limits": 5}"#] {
        assert!(observe(broken).is_err(), "{broken}");
    }
}
