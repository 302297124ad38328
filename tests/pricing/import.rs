//! Other people's price tables.

use std::time::{Duration, Instant};

use super::{STANDARD, TODAY, price, shipped, usage, usd};
use flyball::pricing::import::{Comparison, ImportError, WriteError, compare, price_file, read};
use flyball::pricing::{PriceTable, TokenClass, check, shipped_files};
use jiff::civil::date;
use proptest::prelude::*;

const GENAI_PRICES: &str = include_str!("../data/pricing/genai_prices.json");
const LITELLM: &str = include_str!("../data/pricing/litellm.json");
const MODEL_PRICES: &str = include_str!("../data/pricing/model_prices.json");

fn new(comparison: &Comparison) -> Vec<String> {
    comparison.new.iter().map(|model| model.id.clone()).collect()
}

fn left_out(comparison: &Comparison) -> Vec<(String, String)> {
    let entries = comparison.not_understood.iter();
    entries.map(|entry| (entry.name.clone(), entry.reason.clone())).collect()
}

fn texts(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect()
}

#[test]
fn genai_prices_is_read() {
    let table = shipped();
    let imported = read(GENAI_PRICES).expect("known format");
    assert_eq!(imported.format.name(), "genai-prices");
    let comparison = compare(&table, &imported, TODAY);
    assert_eq!(comparison.equal, 2);
    assert!(comparison.changed.is_empty(), "{:?}", comparison.changed);
    assert_eq!(new(&comparison), ["claude-opus-6"]);
    let coming: Vec<_> =
        comparison.coming.iter().map(|c| (&*c.model.id.0, c.period.from)).collect();
    assert_eq!(coming, [("claude-sonnet-5-5", Some(date(2027, 2, 1)))]);
    assert_eq!(
        texts(&left_out(&comparison)),
        [
            ("anthropic/claude-night", "a constraint other than a start date"),
            ("anthropic/claude-embed", "no output price per token"),
            ("google/claude-haiku-5-5", "a cloud's price of another vendor's model"),
        ]
    );
    // A class without tiers keeps its rate in the tier of the others.
    let opus = &comparison.new[0].periods[0];
    assert_eq!(opus.tiers[0].prompt_tokens_gt, 200_000);
    assert_eq!(opus.tiers[0].rates.output, opus.rates.output);
    assert_ne!(opus.tiers[0].rates.input, opus.rates.input);
}

#[test]
fn litellm_is_read() {
    let table = shipped();
    let imported = read(LITELLM).expect("known format");
    let comparison = compare(&table, &imported, TODAY);
    assert_eq!(comparison.equal, 3, "haiku 5.5 with its tier, haiku 4.5 by its dated id, argon");
    assert!(comparison.new.is_empty(), "{:?}", new(&comparison));
    let [change] = comparison.changed.as_slice() else { panic!("{:?}", comparison.changed) };
    assert_eq!(&*change.model.id.0, "claude-opus-5-5");
    let [difference] = change.differences.as_slice() else { panic!("{:?}", change.differences) };
    assert_eq!((difference.class, difference.prompt_tokens_gt), (TokenClass::Input, None));
    assert_eq!(difference.theirs.map(flyball::money::Rate::usd_per_million), Some(usd("3")));
    assert_eq!(
        texts(&left_out(&comparison)),
        [("anthropic/claude-inexact", "`1.0000000000000001e-7` is not exact")]
    );
}

#[test]
fn model_prices_is_read() {
    let table = shipped();
    let imported = read(MODEL_PRICES).expect("known format");
    for (on, equal) in [(TODAY, 2), (date(2026, 10, 6), 2)] {
        let comparison = compare(&table, &imported, on);
        assert_eq!(comparison.equal, equal, "on {on}");
        assert_eq!(new(&comparison), ["claude-haiku-6"]);
        assert_eq!(texts(&left_out(&comparison)), [("openai/gone", "no standard price")]);
    }
    let sonnet =
        imported.models.iter().find(|model| model.id == "claude-sonnet-5-5").expect("read");
    assert_eq!(sonnet.periods.len(), 2, "a row that repeats is no new period");
    let tier = imported.models.iter().find(|model| model.id == "claude-haiku-6").expect("read");
    let hour =
        tier.periods[0].tiers[0].rates.cache_write_1h.map(flyball::money::Rate::usd_per_million);
    assert_eq!(hour, Some(usd("1")), "a multiple of the tier's own input rate");
}

#[test]
fn a_table_that_lost_its_tier_is_a_change() {
    let table = shipped();
    let flat = r#"[{"id":"anthropic","models":[{"id":"claude-haiku-5-5",
        "prices":{"input_mtok":0.1,"output_mtok":0.5}}]}]"#;
    let imported = read(flat).expect("known format");
    let comparison = compare(&table, &imported, TODAY);
    let lost: Vec<_> =
        comparison.changed[0].differences.iter().map(|d| (d.prompt_tokens_gt, d.theirs)).collect();
    assert_eq!(lost, [(Some(100_000), None); 5]);
}

#[test]
fn what_is_new_becomes_a_price_file_that_works() {
    let table = shipped();
    let imported = read(MODEL_PRICES).expect("known format");
    let comparison = compare(&table, &imported, TODAY);
    let file = price_file(&comparison, "model-prices, \"x\".json", &[]).expect("readable");
    assert!(file.text.contains("status = \"observed\""));
    let mut files = shipped_files();
    files.push(file);
    let merged = PriceTable::parse(&files).expect("fits on the shipped files");
    let haiku = price(&merged, "claude-haiku-6", TODAY, STANDARD);
    assert_eq!(haiku.cost(&usage(100_001, 0, 0, 0, 0)), Ok(usd("0.0500005")));
    assert_eq!(&*haiku.id().0, "claude-haiku-6@2026-11-15");
}

#[test]
fn a_changed_rate_begins_on_the_day_and_keeps_what_the_other_table_omits() {
    let table = shipped();
    let imported = read(LITELLM).expect("known format");
    let comparison = compare(&table, &imported, TODAY);
    let only = ["claude-opus-5-5".to_owned()];
    let mut files = shipped_files();
    files.push(price_file(&comparison, "litellm", &only).expect("readable"));
    let merged = PriceTable::parse(&files).expect("fits on the shipped files");
    let before = price(&merged, "opus", date(2026, 11, 21), STANDARD);
    let after = price(&merged, "opus", TODAY, STANDARD);
    let million = usage(1_000_000, 0, 0, 0, 0);
    assert_eq!((before.cost(&million), after.cost(&million)), (Ok(usd("4")), Ok(usd("3"))));
    assert_eq!(after.cost(&usage(0, 0, 0, 0, 1_000_000)), Ok(usd("8")), "kept");
    let model = merged.model("claude-opus-5-5").expect("listed");
    let shipped_model = table.model("claude-opus-5-5").expect("listed");
    assert_eq!((model.rank, &model.efforts), (shipped_model.rank, &shipped_model.efforts));
    assert!(model.price(TODAY, super::FAST).is_ok(), "factors are kept");
    assert!(
        check(&merged, TODAY).iter().all(|f| f.severity == flyball::diagnostic::Severity::Note)
    );
}

#[test]
fn a_model_that_is_neither_new_nor_changed_is_not_written() {
    let table = shipped();
    let imported = read(LITELLM).expect("known format");
    let comparison = compare(&table, &imported, TODAY);
    let refused = price_file(&comparison, "litellm", &["claude-haiku-5-5".to_owned()]);
    assert!(matches!(refused, Err(WriteError::NotThere(name)) if name == "claude-haiku-5-5"));
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(read("price,1"), Err(ImportError::NotJson(_))));
    for text in ["{}", "[1]", "3", "{\"prices\":[]}", "{\"a\":{\"cost\":1}}"] {
        assert_eq!(read(text), Err(ImportError::UnknownFormat), "{text}");
    }
}

proptest! {
    #[test]
    fn damaged_tables_never_panic(which in 0usize..3, at in 0usize..4_000, junk in "[\\[\\]{}\",:0-9eE.+-]{0,8}") {
        let text = [GENAI_PRICES, LITELLM, MODEL_PRICES][which];
        let (before, after) = text.split_at(at.min(text.len()));
        let rest = after.get(junk.len()..).unwrap_or("");
        if let Ok(imported) = read(&format!("{before}{junk}{rest}")) {
            let table = shipped();
            let comparison = compare(&table, &imported, TODAY);
            let _ = price_file(&comparison, "damaged", &[]);
        }
    }

    #[test]
    fn a_number_is_read_as_it_was_written(micro in 1u64..2_000_000_000, scale in 0usize..3) {
        // The same price as dollars per million, as an exponent, and as a plain decimal per token.
        let dollars = flyball::money::Picodollars::from_pico(i128::from(micro) * 1_000_000);
        let rate = flyball::money::Rate::from_usd_per_million(dollars).expect("whole");
        let number = match scale {
            0 => format!("{micro}e-12"),
            1 => format!("{}.{}e-11", micro / 10, micro % 10),
            _ => flyball::money::Picodollars::from_pico(i128::from(micro)).to_decimal(),
        };
        let text = format!(r#"{{"m":{{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":{number},"output_cost_per_token":0}}}}"#);
        let imported = read(&text).expect("known format");
        prop_assert_eq!(imported.models[0].periods[0].rates.input, rate, "{}", number);
    }
}

/// Looking each name up among all others took minutes.
#[test]
fn a_table_of_many_models_is_read_in_passing() {
    let entry = |n: u32| {
        format!(
            r#""claude-x-{n}":{{"litellm_provider":"anthropic","mode":"chat","input_cost_per_token":1e-6,"output_cost_per_token":5e-6}}"#
        )
    };
    let entries: Vec<String> = (0..150_000).map(entry).collect();
    let begun = Instant::now();
    let imported = read(&format!("{{{}}}", entries.join(","))).expect("known format");
    assert_eq!(imported.models.len(), 150_000);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
