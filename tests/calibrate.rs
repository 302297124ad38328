//! Learning what a percent of a plan window is worth.

use flyball::amount::PlanWindow;
use flyball::calibrate::{Calibration, Sighting, WindowRate, window_rate};
use flyball::money::Picodollars;
use flyball::seed::Seed;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn start() -> Timestamp {
    "2026-11-26T10:00:00Z".parse().unwrap()
}

fn sighting(minute: i64, used_milli_percent: u64, settled_pico: i128) -> Sighting {
    Sighting {
        at: start() + SignedDuration::from_mins(minute),
        account: "a".to_owned(),
        window: PlanWindow::FiveHours,
        used_milli_percent,
        resets_at: start() + SignedDuration::from_hours(5),
        settled: Picodollars::from_pico(settled_pico),
    }
}

fn rate(sightings: &[Sighting]) -> WindowRate {
    match window_rate(PlanWindow::FiveHours, sightings) {
        Calibration::Calibrated(rate) => rate,
        too_little @ Calibration::TooLittle { .. } => panic!("{too_little:?}"),
    }
}

/// A window that a dollar moves by a percent, seen after every dollar.
fn steady(points: u64) -> Vec<Sighting> {
    let seen = |point: u64| {
        let settled = if point == 0 { 0 } else { 1_000_000_000_000 };
        sighting(i64::try_from(point).unwrap(), 10_000 + point * 1_000, settled)
    };
    (0..=points).map(seen).collect()
}

#[test]
fn what_is_steady_is_found_and_rounding_is_left_open() {
    let found = rate(&steady(20));
    assert_eq!(found.likely, Picodollars::from_usd(1));
    // A percent of twenty is what rounding at both ends can hide.
    assert_eq!(found.low, "0.95".parse().unwrap());
    assert_eq!(found.high, "1.05".parse().unwrap());
    assert_eq!((found.moved_milli_percent, found.intervals), (20_000, 20));
    assert_eq!(found.worth(25_000), "23.75".parse().unwrap());
    assert_eq!(found.share("23.75".parse().unwrap()), 25_000);
    assert_eq!(found.share("23.76".parse().unwrap()), 26_000);
    assert_eq!(found.share(Picodollars::ZERO), 0);
}

#[test]
fn too_little_claims_nothing() {
    for points in 0..5 {
        let found = window_rate(PlanWindow::FiveHours, &steady(points));
        assert!(matches!(found, Calibration::TooLittle { .. }), "{points}: {found:?}");
    }
    assert!(matches!(window_rate(PlanWindow::Week, &steady(20)), Calibration::TooLittle { .. }));
    // Five moves of half a percent are not three percent.
    let halves: Vec<Sighting> =
        (0..=5).map(|n| sighting(n, 500 * n.unsigned_abs(), 1_000_000)).collect();
    assert!(matches!(
        window_rate(PlanWindow::FiveHours, &halves),
        Calibration::TooLittle { moved_milli_percent: 2_500, intervals: 5, paid: true }
    ));
    let unpaid: Vec<Sighting> = steady(20)
        .into_iter()
        .map(|seen| Sighting { settled: Picodollars::ZERO, ..seen })
        .collect();
    assert!(matches!(
        window_rate(PlanWindow::FiveHours, &unpaid),
        Calibration::TooLittle { paid: false, .. }
    ));
}

#[test]
fn dollars_between_windows_belong_to_none_and_a_fall_begins_anew() {
    let mut seen = steady(10);
    let later = |sighting: Sighting| Sighting {
        at: sighting.at + SignedDuration::from_hours(5),
        resets_at: sighting.resets_at + SignedDuration::from_hours(5),
        ..sighting
    };
    // The first look at another window has dollars of which nobody knows where they went.
    seen.extend(steady(10).into_iter().map(later).map(|sighting| match sighting {
        first if first.used_milli_percent == 10_000 => {
            Sighting { settled: Picodollars::from_usd(500), ..first }
        }
        other => other,
    }));
    assert_eq!(rate(&seen).likely, Picodollars::from_usd(1));
    assert_eq!(rate(&seen).moved_milli_percent, 20_000);
    // The same window, set back before its end.
    let mut set_back = steady(10);
    set_back.push(sighting(60, 0, 77_000_000_000_000));
    set_back
        .extend((1..=10).map(|n| sighting(60 + n, 1_000 * n.unsigned_abs(), 1_000_000_000_000)));
    assert_eq!(rate(&set_back).likely, Picodollars::from_usd(1));
}

#[test]
fn answers_that_overtake_each_other_count_once() {
    let mut seen = steady(10);
    seen.push(sighting(11, 19_000, 0));
    seen.push(sighting(12, 20_000, 0));
    seen.push(sighting(13, 21_000, 1_000_000_000_000));
    let found = rate(&seen);
    assert_eq!((found.moved_milli_percent, found.intervals), (11_000, 11));
    assert_eq!(found.likely, Picodollars::from_usd(1));
}

/// Sightings of a window that moves by `usd_per_percent`, requests of very different sizes, told in
/// whole percents.
fn simulated(seed: u64, usd_per_percent: f64) -> Vec<Sighting> {
    let mut luck = Seed::new(seed).stream(1);
    let (mut spent, mut unwritten, mut told) = (0.0_f64, 0.0_f64, None);
    let mut sightings = Vec::new();
    for minute in 0..2_000 {
        let used = (spent / usd_per_percent).floor();
        if used > 60.0 {
            break;
        }
        if told != Some(used) {
            told = Some(used);
            sightings.push(sighting(minute, used as u64 * 1_000, (unwritten * 1e12) as i128));
            unwritten = 0.0;
        }
        let size = usd_per_percent * 0.4 * (luck.below(1_000) as f64 / 1_000.0).powi(3);
        spent += size;
        unwritten += size;
    }
    sightings
}

#[test]
fn the_band_holds_the_truth_nine_times_in_ten() {
    let truth = 1.7;
    let exact: Picodollars = "1.7".parse().unwrap();
    let held = (0..200).filter(|seed| {
        let found = rate(&simulated(*seed, truth));
        found.low <= exact && exact <= found.high
    });
    let held = held.count();
    assert!(held >= 180, "{held} of 200");
}

proptest! {
    #[test]
    fn order_makes_no_difference(swaps in proptest::collection::vec((0_usize..40, 0_usize..40), 0..60), seed in 0_u64..50) {
        let ordered = simulated(seed, 0.9);
        let mut mixed = ordered.clone();
        for (a, b) in swaps {
            let (a, b) = (a % mixed.len(), b % mixed.len());
            mixed.swap(a, b);
        }
        prop_assert_eq!(
            window_rate(PlanWindow::FiveHours, &ordered),
            window_rate(PlanWindow::FiveHours, &mixed)
        );
    }

    #[test]
    fn ten_times_the_dollars_are_ten_times_the_rate(seed in 0_u64..50) {
        let sightings = simulated(seed, 0.9);
        let once = rate(&sightings);
        let tenfold: Vec<Sighting> = sightings
            .into_iter()
            .map(|seen| Sighting { settled: Picodollars::from_pico(seen.settled.pico() * 10), ..seen })
            .collect();
        let tenfold = rate(&tenfold);
        for (one, ten) in [(once.low, tenfold.low), (once.likely, tenfold.likely), (once.high, tenfold.high)] {
            // Statistics have 53 bits.
            let off = (ten.pico() - one.pico() * 10).abs();
            prop_assert!(off <= 10 + one.pico() / 100_000_000_000, "{one} {ten}");
        }
    }

    #[test]
    fn nothing_panics_and_a_band_is_one(
        rows in proptest::collection::vec((0_i64..600, 0_u64..200_000, 0_i128..i128::from(i64::MAX)), 0..80),
    ) {
        let sightings: Vec<Sighting> =
            rows.into_iter().map(|(minute, used, settled)| sighting(minute, used, settled)).collect();
        if let Calibration::Calibrated(found) = window_rate(PlanWindow::FiveHours, &sightings) {
            prop_assert!(Picodollars::ZERO < found.low);
            prop_assert!(found.low <= found.likely && found.likely <= found.high);
        }
    }
}
