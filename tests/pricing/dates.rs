//! What changes on which day.

use super::{FAST, STANDARD, TODAY, parse, price, shipped, usage, usd};
use flyball::pricing::Unpriced;
use jiff::civil::date;

#[test]
fn sonnet_5_5_cache_reads_halve_on_2026_10_07() {
    let table = shipped();
    let million_read = usage(0, 0, 1_000_000, 0, 0);
    let read_on = |day| {
        price(&table, "claude-sonnet-5-5", day, STANDARD).cost(&million_read).expect("a rate")
    };
    assert_eq!(read_on(date(2026, 10, 6)), usd("0.2"));
    assert_eq!(read_on(date(2026, 10, 7)), usd("0.1"));
}

#[test]
fn fast_mode_of_opus_4_8_ends_on_2026_11_30() {
    let table = shipped();
    let opus = table.model("claude-opus-4-8").expect("listed");
    assert!(opus.price(date(2026, 11, 29), FAST).is_ok());
    let refused = opus.price(date(2026, 11, 30), FAST).expect_err("removed that day");
    assert_eq!(refused.to_string(), "claude-opus-4-8 has no price for fast on 2026-11-30");
    assert!(opus.price(date(2026, 11, 30), STANDARD).is_ok());
}

#[test]
fn historical_fast_mode_costs_six_times_the_standard_rate() {
    let table = shipped();
    for (model, on) in
        [("claude-opus-4-7", date(2026, 7, 23)), ("claude-opus-4-6", date(2026, 8, 5))]
    {
        let fast = price(&table, model, on, FAST);
        let cost = fast.cost(&usage(1_000_000, 1_000_000, 0, 0, 0)).expect("a rate");
        assert_eq!(cost, usd("180"), "{model}");
        let model = table.model(model).expect("listed");
        assert!(model.price(on.tomorrow().expect("a day"), FAST).is_err());
    }
}

#[test]
fn long_context_tiers_ended() {
    let table = shipped();
    let long = usage(200_001, 0, 0, 0, 0);
    let rows = [
        ("claude-opus-4-6", date(2026, 3, 12), "2.00001", "1.000005"),
        ("claude-sonnet-4-6", date(2026, 3, 12), "1.200006", "0.600003"),
        ("claude-sonnet-4-5", date(2026, 4, 29), "1.200006", "0.600003"),
    ];
    for (model, last_day, before, after) in rows {
        let cost = |day| price(&table, model, day, STANDARD).cost(&long).expect("a rate");
        assert_eq!(cost(last_day), usd(before), "{model}");
        assert_eq!(cost(last_day.tomorrow().expect("a day")), usd(after), "{model}");
    }
}

#[test]
fn an_introductory_price_that_ends_leaves_no_price() {
    let table = shipped();
    let argon = table.model("gemini-4-argon").expect("listed");
    let last_day = argon.price(date(2026, 11, 30), STANDARD).expect("introductory");
    assert_eq!(last_day.cost(&usage(1_000_000, 0, 0, 0, 0)), Ok(usd("2")));
    let refused = argon.price(date(2026, 12, 1), STANDARD).expect_err("announced only");
    assert!(matches!(refused, Unpriced::AnnouncedOnly { from, .. } if from == date(2026, 12, 1)));
    assert!(refused.to_string().contains("announced only"));
    assert!(refused.to_string().contains("status = \"confirmed\""));
}

#[test]
fn an_announced_change_of_an_open_price_does_not_bill() {
    let table = parse(&two_periods("", "announced")).expect("an announcement may overlap");
    let model = table.model("m").expect("listed");
    let price = model.price(date(2026, 9, 1), STANDARD).expect("the confirmed price goes on");
    assert_eq!(price.cost(&usage(1_000_000, 0, 0, 0, 0)), Ok(usd("2")));
}

#[test]
fn a_confirmed_announcement_bills_from_its_day() {
    let table = parse(&two_periods("until = 2026-09-01", "confirmed")).expect("well-formed");
    let model = table.model("m").expect("listed");
    let million = usage(1_000_000, 0, 0, 0, 0);
    let cost = |day| model.price(day, STANDARD).expect("a price").cost(&million);
    assert_eq!(cost(date(2026, 8, 31)), Ok(usd("2")));
    assert_eq!(cost(date(2026, 9, 1)), Ok(usd("3")));
}

#[test]
fn a_model_has_no_price_before_its_first_day_or_in_a_gap() {
    let table = shipped();
    let haiku = table.model("claude-haiku-5-5").expect("listed");
    let early = haiku.price(date(2026, 10, 6), STANDARD).expect_err("not released");
    assert!(matches!(early, Unpriced::TooEarly { first, .. } if first == date(2026, 10, 7)));

    let gap = parse(&two_periods("until = 2026-08-01", "confirmed")).expect("well-formed");
    let model = gap.model("m").expect("listed");
    let refused = model.price(date(2026, 8, 15), STANDARD).expect_err("a gap");
    assert!(matches!(refused, Unpriced::NoPeriod { .. }));
}

#[test]
fn retirement_does_not_end_a_price() {
    let retired = price(&shipped(), "claude-opus-4-1", TODAY, STANDARD);
    assert_eq!(retired.cost(&usage(1_000_000, 0, 0, 0, 0)), Ok(usd("15")));
}

fn two_periods(first_until: &str, second_status: &str) -> String {
    format!(
        r#"
schema = 1
provider = "p"
[[model]]
id = "m"
line = "l"
status = "active"
tokenizer = "other"
context = 1000
max_output = 100
[[model.price]]
from = 2026-01-01
{first_until}
status = "confirmed"
input = "2"
output = "10"
[[model.price]]
from = 2026-09-01
status = "{second_status}"
input = "3"
output = "15"
"#
    )
}
