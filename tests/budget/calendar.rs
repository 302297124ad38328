//! Calendar windows of a zone.

use flyball::budget::{Period, Window};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn around(period: Period, zone: &str, at: &str) -> (String, String, String) {
    let zone = TimeZone::get(zone).unwrap();
    let window = Window::around(period, &zone, at.parse().unwrap()).unwrap();
    (window.name, window.begins.to_string(), window.ends.to_string())
}

fn three(name: &str, begins: &str, ends: &str) -> (String, String, String) {
    (name.to_owned(), begins.to_owned(), ends.to_owned())
}

#[test]
fn windows_begin_at_the_zones_midnight() {
    // Berlin is an hour ahead in November, so its 25th begins at 23:00 UTC on the 24th.
    assert_eq!(
        around(Period::Day, "Europe/Berlin", "2026-11-24T23:30:00Z"),
        three("day 2026-11-25 Europe/Berlin", "2026-11-24T23:00:00Z", "2026-11-25T23:00:00Z")
    );
    assert_eq!(
        around(Period::Day, "UTC", "2026-11-24T23:30:00Z"),
        three("day 2026-11-24 UTC", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z")
    );
    assert_eq!(
        around(Period::Month, "America/New_York", "2026-12-01T04:59:59Z"),
        three("month 2026-11 America/New_York", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z")
    );
}

#[test]
fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
    assert_eq!(
        around(Period::Week, "UTC", "2027-01-03T12:00:00Z"),
        three("week 2026-W53 UTC", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z")
    );
    assert_eq!(
        around(Period::Week, "UTC", "2026-11-23T00:00:00Z").0,
        "week 2026-W48 UTC".to_owned()
    );
}

#[test]
fn days_are_as_long_as_clocks_have_them() {
    let hours = |at: &str| {
        let (_, begins, ends) = around(Period::Day, "Europe/Berlin", at);
        let (begins, ends): (Timestamp, Timestamp) =
            (begins.parse().unwrap(), ends.parse().unwrap());
        ends.duration_since(begins).as_hours()
    };
    assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
    assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
    assert_eq!(hours("2026-11-25T12:00:00Z"), 24);
    // In São Paulo clocks once skipped midnight itself: the day begins when there is one.
    let (_, begins, _) = around(Period::Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z");
    assert_eq!(begins, "2018-11-04T03:00:00Z");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Windows of a period tile time: every instant lies in one, and the next begins at its end.
    #[test]
    fn windows_tile_time(
        second in 1_500_000_000_i64..2_000_000_000,
        zone in prop_oneof!["UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"],
        period in prop_oneof![Just(Period::Day), Just(Period::Week), Just(Period::Month)],
    ) {
        let zone = TimeZone::get(&zone).unwrap();
        let at = Timestamp::from_second(second).unwrap();
        let window = Window::around(period, &zone, at).unwrap();
        prop_assert!(window.begins <= at && at < window.ends);
        let next = Window::around(period, &zone, window.ends).unwrap();
        prop_assert_eq!(next.begins, window.ends);
        prop_assert_ne!(next.name, window.name);
    }
}
