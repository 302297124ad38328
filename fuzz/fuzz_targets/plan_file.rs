//! A plan read from a file: refused, or a plan that can be shown and executed from.
#![no_main]

use flyball::plan::report::PlanReport;
use flyball::report::{Page, json, markdown, plan};
use flyball::run::{Routes, forecasts_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(report) = serde_json::from_str::<PlanReport>(text) else { return };
    assert!(!plan::table(&report, Page::plain()).is_empty());
    assert!(!markdown::plan(&report).is_empty());
    Routes::of_plan(&report, |_| None);
    forecasts_of(&report);
    let written = json::pretty(&report);
    let read: PlanReport = serde_json::from_str(&written).expect("what is written reads back");
    assert_eq!(json::pretty(&read), written);
});
