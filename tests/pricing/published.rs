//! Bills that people published, recomputed from our rates, and prices worked out by hand.

use super::{BATCH, FAST, STANDARD, TODAY, US, price, shipped, usage, usd};
use flyball::money::Picodollars;
use flyball::pricing::Mode;
use jiff::civil::date;

/// Aggregates over many requests; priced with models that have no tier, so the sum is exact.
/// Sources: issues 39803 and 63386 of anthropics/claude-code; the costs page of its documentation.
#[test]
fn published_bills_are_reproduced() {
    let rows = [
        ("claude-sonnet-4-6", (6_481, 57_234, 19_493_663, 603_669), 0, "8.98981065", "8.99"),
        ("claude-haiku-4-5", (733_400, 33_900, 4_200_000, 187_700), 39, "1.947525", "1.95"),
        ("claude-sonnet-4-6", (26, 8_700, 1_100_000, 54_000), 0, "0.663078", "0.66"),
        ("claude-opus-4-8", (647_700, 143_300, 30_900_000, 4_000_000), 0, "47.271", "47.27"),
        ("claude-sonnet-4-6", (1_200, 5_300, 940_000, 50_000), 0, "0.5526", "0.55"),
    ];
    let table = shipped();
    let search = table.fee("anthropic", "web_search").expect("a fee");
    for (model, (input, output, read, write), searches, exact, shown) in rows {
        let tokens = price(&table, model, TODAY, STANDARD)
            .cost(&usage(input, output, read, write, 0))
            .expect("all classes priced");
        let total = tokens + search.cost(searches);
        assert_eq!(total, usd(exact), "{model}");
        assert_eq!(total.to_rounded(2), shown, "{model}");
    }
}

#[test]
fn one_million_tokens_of_each_class_cost_the_listed_price() {
    let table = shipped();
    let million = 1_000_000;
    // model, mode, input, output, 5m write, 1h write, read: prompts that stay in the first tier
    let rows: [(&str, Mode, [&str; 5]); 9] = [
        ("claude-fable-5-2", STANDARD, ["8", "40", "10", "16", "0.2"]),
        ("claude-fable-5-2", FAST, ["16", "80", "20", "32", "0.4"]),
        ("claude-fable-5-1", BATCH, ["5", "25", "6.25", "10", "0.125"]),
        ("claude-opus-5-5", STANDARD, ["4", "20", "5", "8", "0.2"]),
        ("claude-opus-5-5", US, ["4.4", "22", "5.5", "8.8", "0.22"]),
        ("claude-opus-4-8", FAST, ["10", "50", "12.5", "20", "1"]),
        ("claude-sonnet-5-5", BATCH, ["1", "5", "1.25", "2", "0.05"]),
        ("claude-haiku-4-5", STANDARD, ["1", "5", "1.25", "2", "0.1"]),
        ("claude-3-haiku-20240307", STANDARD, ["0.25", "1.25", "0.3", "0.5", "0.03"]),
    ];
    for (model, mode, expected) in rows {
        let price = price(&table, model, TODAY, mode);
        let each = [
            usage(million, 0, 0, 0, 0),
            usage(0, million, 0, 0, 0),
            usage(0, 0, 0, million, 0),
            usage(0, 0, 0, 0, million),
            usage(0, 0, million, 0, 0),
        ];
        for (tokens, expected) in each.iter().zip(expected) {
            let cost = price.cost(tokens).expect("a rate");
            assert_eq!(cost, usd(expected), "{model} {} {tokens:?}", mode.name());
        }
    }
}

#[test]
fn haiku_5_5_is_five_times_dearer_from_the_100_001st_prompt_token() {
    let haiku = price(&shipped(), "claude-haiku-5-5", TODAY, STANDARD);
    assert_eq!(haiku.step_tokens(), Some(100_000));
    let cost = |tokens| haiku.cost(&tokens).expect("a rate");
    assert_eq!(cost(usage(100_000, 1_000, 0, 0, 0)), usd("0.0105"));
    assert_eq!(cost(usage(100_001, 1_000, 0, 0, 0)), usd("0.0525005"));
    // Cache reads and writes count towards the prompt, output does not.
    assert_eq!(cost(usage(1, 0, 99_999, 0, 0)), usd("0.00100009"));
    assert_eq!(cost(usage(1, 0, 99_999, 1, 0)), usd("0.005001075"));
    assert_eq!(cost(usage(0, 200_000, 100_000, 0, 0)), usd("0.101"));
}

#[test]
fn batch_halves_both_bands_of_haiku_5_5() {
    let batch = price(&shipped(), "claude-haiku-5-5", TODAY, BATCH);
    let smallest = batch.cost(&usage(0, 0, 1, 0, 0)).expect("a rate");
    assert_eq!(smallest, Picodollars::from_pico(5_000));
    assert_eq!(batch.cost(&usage(100_001, 0, 0, 0, 0)).expect("a rate"), usd("0.02500025"));
}

#[test]
fn the_price_id_names_model_and_first_day() {
    let table = shipped();
    let on = date(2026, 10, 6);
    assert_eq!(&*price(&table, "sonnet", on, STANDARD).id().0, "claude-sonnet-5-5@2026-09-28");
    assert_eq!(&*price(&table, "sonnet", TODAY, US).id().0, "claude-sonnet-5-5@2026-10-07");
}
