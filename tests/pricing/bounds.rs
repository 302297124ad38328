//! The most a request can cost.

use super::{STANDARD, TODAY, parse, price, shipped, usage, usd};
use flyball::money::Picodollars;
use flyball::pricing::{CacheTtl, Mode, Unpriced};
use proptest::prelude::*;

#[test]
fn the_bound_takes_the_dearest_prompt_rate_of_the_highest_tier() {
    let haiku = price(&shipped(), "claude-haiku-5-5", TODAY, STANDARD);
    let bound = |prompt, output, ttl| haiku.bound(prompt, output, ttl).expect("a rate");
    // 100,000 x 0.125 and 1,000 x 0.50 per million
    assert_eq!(bound(100_000, 1_000, CacheTtl::FiveMinutes), usd("0.013"));
    // 100,001 x 0.625 and 1,000 x 2.50 per million
    assert_eq!(bound(100_001, 1_000, CacheTtl::FiveMinutes), usd("0.065000625"));
    assert_eq!(bound(100_001, 1_000, CacheTtl::OneHour), usd("0.102501"));
    assert_eq!(bound(0, 0, CacheTtl::OneHour), Picodollars::ZERO);
}

#[test]
fn a_class_without_a_rate_is_not_priced() {
    let table = shipped();
    let luna = price(&table, "gpt-6-luna", TODAY, STANDARD);
    assert!(matches!(luna.cost(&usage(0, 0, 0, 0, 1)), Err(Unpriced::NoRate { .. })));
    assert!(luna.cost(&usage(1, 1, 1, 1, 0)).is_ok());
    assert!(luna.bound(1, 1, CacheTtl::OneHour).is_err());
    // This one bills no cache writes at all: its dearest prompt rate is its input rate.
    let mini = price(&table, "gpt-5.4-mini", TODAY, STANDARD);
    assert_eq!(mini.bound(1_000_000, 0, CacheTtl::OneHour), Ok(usd("0.75")));
    assert!(mini.cost(&usage(0, 0, 0, 1, 0)).is_err());
}

#[test]
fn a_tier_that_is_cheaper_does_not_lower_the_bound() {
    let table = parse(
        r#"
schema = 1
provider = "p"
[[model]]
id = "m"
line = "l"
status = "active"
tokenizer = "other"
context = 1000000
max_output = 1000
[[model.price]]
from = 2026-01-01
status = "confirmed"
input = "3"
output = "15"
[[model.price.tier]]
prompt_tokens_gt = 1000
input = "1"
output = "5"
"#,
    )
    .expect("well-formed");
    let price = price(&table, "m", TODAY, STANDARD);
    assert_eq!(price.bound(1_001, 100, CacheTtl::FiveMinutes), Ok(usd("0.0045")));
}

proptest! {
    #[test]
    fn no_request_costs_more_than_its_bound(
        model in 0usize..64,
        mode in 0usize..8,
        prompt in proptest::array::uniform4(0u64..120_000),
        output in 0u64..128_000,
    ) {
        let table = shipped();
        let models: Vec<_> = table.models().collect();
        let model = models[model % models.len()];
        let Ok(price) = model.price(TODAY, Mode::ALL[mode]) else { return Ok(()) };
        let one_hour = price.rates(0).cache_write_1h.is_some();
        let writes = price.rates(0).cache_write_5m.is_some();
        let [fresh, read, write_5m, write_1h] = prompt;
        let tokens = usage(
            fresh,
            output,
            if price.rates(0).cache_read.is_some() { read } else { 0 },
            if writes { write_5m } else { 0 },
            if one_hour { write_1h } else { 0 },
        );
        let ttl = if one_hour { CacheTtl::OneHour } else { CacheTtl::FiveMinutes };
        let cost = price.cost(&tokens).expect("every class has a rate");
        let bound = price.bound(tokens.prompt(), output, ttl).expect("a bound");
        prop_assert!(cost <= bound, "{} {cost} > {bound}", model.id);
    }

    #[test]
    fn a_bound_never_falls_as_its_limits_rise(
        prompt in 0u64..2_000_000, more in 0u64..2_000_000,
        output in 0u64..128_000, longer in 0u64..128_000,
    ) {
        let table = shipped();
        for model in table.models() {
            let Ok(price) = model.price(TODAY, STANDARD) else { continue };
            let bound = |p, o| price.bound(p, o, CacheTtl::FiveMinutes).expect("a rate");
            prop_assert!(bound(prompt, output) <= bound(prompt + more, output + longer));
        }
    }
}
