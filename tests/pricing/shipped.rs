//! The shipped files against a list of prices gathered from vendors' pages and packages.

use std::collections::BTreeMap;

use super::{BATCH, FAST, STANDARD, TODAY, shipped, usd};
use flyball::effort::Effort;
use flyball::money::Rate;
use flyball::pricing::{Mode, Model, PriceStatus, Rates, TokenClass};
use flyball::tokens::Tokenizer;
use jiff::civil::Date;

const GATHERED: &str = include_str!("../data/pricing/prices.csv");

type Row = BTreeMap<&'static str, &'static str>;

fn gathered() -> Vec<Row> {
    let mut lines = GATHERED.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    lines.map(|line| header.iter().copied().zip(line.split(',')).collect()).collect()
}

fn day(text: &str) -> Option<Date> {
    (!text.is_empty()).then(|| text.parse().expect("a date"))
}

fn rate(text: &str) -> Option<Rate> {
    (!text.is_empty()).then(|| Rate::from_usd_per_million(usd(text)).expect("a whole rate"))
}

fn assert_rates(row: &Row, rates: &Rates) {
    let columns = [
        (TokenClass::Input, "input_usd_mtok"),
        (TokenClass::Output, "output_usd_mtok"),
        (TokenClass::CacheWrite5m, "cache_write_5m_usd_mtok"),
        (TokenClass::CacheWrite1h, "cache_write_1h_usd_mtok"),
        (TokenClass::CacheRead, "cache_read_usd_mtok"),
    ];
    for (class, column) in columns {
        assert_eq!(rates.get(class), rate(row[column]), "{class} of {row:?}");
    }
}

#[test]
fn every_gathered_price_is_in_the_shipped_files() {
    let table = shipped();
    let rows = gathered();
    assert_eq!(rows.len(), 79);
    for row in rows.iter().filter(|row| row["mode"] != "fee") {
        let model = table.model(row["model_id"]).expect(row["model_id"]);
        let from = day(row["effective_from"]);
        if row["status"].starts_with("announced") {
            let from = from.expect("announcements are dated");
            let period = model.periods.iter().find(|period| period.from == from).expect("a period");
            assert_eq!(period.status, PriceStatus::Announced);
            assert_rates(row, &period.rates);
            continue;
        }
        let mode = match row["mode"] {
            "standard" => STANDARD,
            "batch" => BATCH,
            "fast" => FAST,
            other => panic!("mode {other}"),
        };
        let ends = day(row["effective_to"]).map(|end| end.yesterday().expect("a day"));
        let on = ends.or(from).unwrap_or(TODAY);
        let price = model.price(on, mode).unwrap_or_else(|error| panic!("{error}: {row:?}"));
        match row["prompt_tokens_gt"].parse::<u64>() {
            Ok(above) => {
                assert_eq!(price.step_tokens(), Some(above));
                assert_ne!(price.rates(above), price.rates(above + 1));
                assert_rates(row, price.rates(above + 1));
            }
            Err(_) => assert_rates(row, price.rates(0)),
        }
        if let Some(from) = from {
            assert!(model.price(from, mode).is_ok(), "begins on its day: {row:?}");
        }
    }
}

#[test]
fn every_gathered_limit_is_in_the_shipped_files() {
    let table = shipped();
    for row in gathered().iter().filter(|row| row["mode"] == "standard") {
        let model = table.model(row["model_id"]).expect("listed");
        let number = |column: &str| row[column].parse::<u64>().ok();
        assert!(number("context_window").is_none_or(|context| context == model.context_tokens));
        assert!(number("max_output").is_none_or(|most| most == model.max_output_tokens));
        let least = number("min_cache_tokens");
        assert!(least.is_none_or(|least| Some(least) == model.min_cache_tokens), "{row:?}");
        let tokenizer = match row["tokenizer"] {
            "old" => Some(Tokenizer::ClaudeOld),
            "new(4.7+)" => Some(Tokenizer::Claude47),
            _ => None,
        };
        assert!(tokenizer.is_none_or(|tokenizer| tokenizer == model.tokenizer), "{row:?}");
        let effort = row["default_effort"].split(' ').next().and_then(Effort::from_name);
        assert_eq!(
            effort.is_some(),
            model.default_effort.is_some()
                && !row["line"].is_empty()
                && !row["default_effort"].is_empty(),
            "{row:?}"
        );
        assert!(effort.is_none_or(|effort| Some(effort) == model.default_effort), "{row:?}");
        let us = row["us_multiplier"];
        assert!(
            us.is_empty() || model.us_multiplier.map(|us| us.to_string()).as_deref() == Some(us)
        );
        assert!(row["released"].is_empty() || model.released == day(row["released"]), "{row:?}");
    }
}

#[test]
fn every_gathered_fee_is_in_the_shipped_files() {
    let table = shipped();
    for row in gathered().iter().filter(|row| row["mode"] == "fee") {
        let fee = table.fee(row["provider"], row["model_id"]).expect(row["model_id"]);
        assert_eq!(fee.usd, usd(row["fee_usd"]));
        assert_eq!(fee.per, if row["fee_unit"].starts_with("1000 ") { 1_000 } else { 1 });
    }
    assert_eq!(table.fee("anthropic", "web_search").expect("a fee").cost(39), usd("0.39"));
    assert!(!table.fee("anthropic", "code_execution").expect("a fee").metered);
}

/// Loading refuses rates that are not whole, so this says which prices exist: standard and US
/// everywhere the vendor publishes them, also times each regional factor.
#[test]
fn each_mode_and_region_of_every_model_is_a_whole_number() {
    let table = shipped();
    let mut prices = 0;
    for model in table.models() {
        for period in model.periods.iter().filter(|period| period.status.bills()) {
            for mode in Mode::ALL {
                let Ok(price) = model.price(period.from, mode) else {
                    assert!(mode != STANDARD, "{}", period.id);
                    continue;
                };
                prices += 1;
                for prefix in table.prefixes() {
                    let regional = price.times(prefix.multiplier);
                    assert!(regional.is_ok(), "{} {} {}", period.id, mode.name(), prefix.text);
                }
            }
        }
    }
    assert!(prices > 130, "{prices} prices");
}

#[test]
fn ranks_order_lines_and_versions() {
    let table = shipped();
    let rank = |name: &str| table.model(name).expect("listed").rank;
    let rising = [
        "claude-haiku-4-5",
        "claude-haiku-5-5",
        "claude-sonnet-4-5",
        "claude-sonnet-5-5",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-fable-5",
        "claude-fable-5-2",
    ];
    assert!(rising.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
    let by_line = |model: &Model| (model.provider.clone(), model.line.clone());
    for model in table.models() {
        assert!(model.rank > 0, "{}", model.id);
        for other in table.models().filter(|other| by_line(other) == by_line(model)) {
            assert!(other.id == model.id || other.rank != model.rank, "{} {}", model.id, other.id);
        }
    }
}

#[test]
fn subscriptions_answer_to_their_former_names() {
    let table = shipped();
    let max = table.plan("anthropic", "max_5x").expect("renamed");
    assert_eq!((max.id.as_str(), max.usd_per_month), ("max", usd("100")));
    let ultra = table.plan("anthropic", "ultra").expect("listed");
    assert!(!ultra.windows.five_hours && ultra.windows.week);
    assert!(table.plan("anthropic", "platinum").is_none());
}
