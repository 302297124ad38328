//! Our prices against the table bundled in the `genai-prices` crate, rate by rate.
//!
//! The crate computes in binary floats, so requests are compared to a millionth of a dollar.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{BATCH, FAST, STANDARD, TODAY, shipped, usage};
use flyball::pricing::{Mode, Model, Price, TokenClass};
use genai_prices::{Calculator, PriceRequest, Usage};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Models of ours that the crate's release does not list.
const ABSENT: &[(&str, &str)] = &[
    ("claude-fable-5-2", "newer than the crate's release"),
    ("claude-mythos-5", "served to chosen customers only"),
    ("claude-mythos-5-1", "served to chosen customers only"),
    ("claude-mythos-5-2", "served to chosen customers only"),
];

/// Periods of ours that it prices differently.
const DIFFERENT: &[(&str, &str)] = &[
    ("claude-sonnet-4-5@2026-04-30", "it keeps the long-context tier that ended that day"),
    ("claude-sonnet-5-5@2026-09-28", "it has the cache reads of 2026-10-07 from the first day"),
];

fn moment(on: Date) -> SystemTime {
    on.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).expect("in range").timestamp().into()
}

fn theirs(model: &Model, on: Date, mode: Mode, counts: &Usage) -> Option<f64> {
    let request = PriceRequest::new(&model.id.0, counts)
        .with_provider_id(&model.provider)
        .with_timestamp(moment(on));
    let request = match mode {
        BATCH => request.with_price_context("processing", "batch"),
        FAST => request.with_price_context("service_tier", "fast"),
        _ => request,
    };
    Calculator::bundled().calculate(&request).ok().map(|price| price.total_price)
}

/// The first class in which a request with that prompt costs something else.
fn difference(model: &Model, price: &Price, on: Date, prompt: u32) -> Option<String> {
    let part = prompt / 4;
    let (all, some, rest) = (u64::from(prompt), u64::from(part), u64::from(prompt - part));
    for class in TokenClass::ALL {
        if price.rates(all).get(class).is_none() {
            continue;
        }
        let (ours, keys, count) = match class {
            TokenClass::Input => (usage(all, 0, 0, 0, 0), &[][..], 0),
            TokenClass::Output => {
                (usage(all, 1_000_000, 0, 0, 0), &["output_tokens"][..], 1_000_000)
            }
            TokenClass::CacheWrite5m => {
                (usage(rest, 0, 0, some, 0), &["cache_write_tokens"][..], part)
            }
            TokenClass::CacheWrite1h => (
                usage(rest, 0, 0, 0, some),
                &["cache_write_tokens", "cache_write_1h_tokens"][..],
                part,
            ),
            TokenClass::CacheRead => (usage(rest, 0, some, 0, 0), &["cache_read_tokens"][..], part),
        };
        let mut counts = Usage::from([("input_tokens", f64::from(prompt))]);
        for key in keys {
            counts.insert(*key, f64::from(count));
        }
        let ours: f64 = price.cost(&ours).expect("a rate").to_decimal().parse().expect("decimal");
        let theirs = theirs(model, on, price.mode(), &counts).expect("priced");
        if (ours - theirs).abs() > 1e-6 {
            let mode = price.mode().name();
            return Some(format!("{class}, {mode}, prompt {prompt}: {ours}, theirs {theirs}"));
        }
    }
    None
}

/// Short prompts, both sides of the tier, and the whole window.
fn prompts(price: &Price, model: &Model) -> Vec<u32> {
    let step = price.step_tokens().unwrap_or(100_000);
    let prompts = [4_000, step, step + 1, 200_001, model.context_tokens];
    prompts.into_iter().filter_map(|tokens| u32::try_from(tokens).ok()).collect()
}

#[test]
fn prices_agree_with_the_genai_prices_crate() {
    let table = shipped();
    let mut compared = 0;
    let mut absent = Vec::new();
    let mut different = BTreeMap::new();
    for model in table.models() {
        if theirs(model, TODAY, STANDARD, &Usage::from([("input_tokens", 1.0)])).is_none() {
            absent.push(model.id.0.to_string());
            continue;
        }
        let retired = model.retires.is_some_and(|day| day < TODAY);
        for period in model.periods.iter().filter(|period| period.status.bills()) {
            for mode in [STANDARD, BATCH, FAST] {
                // It has batch prices from mid-October 2026 for models then on sale, and fast
                // prices of OpenAI's models only.
                let on = if mode == STANDARD { period.from } else { TODAY };
                let modelled = mode == STANDARD
                    || (period.covers(TODAY)
                        && !retired
                        && (mode == BATCH || model.provider == "openai"));
                let Ok(price) = model.price(on, mode) else { continue };
                if !modelled {
                    continue;
                }
                for prompt in prompts(&price, model) {
                    compared += 1;
                    if let Some(how) = difference(model, &price, on, prompt) {
                        different.entry(period.id.0.clone()).or_insert(how);
                    }
                }
            }
        }
    }
    absent.sort();
    assert_eq!(absent, ABSENT.iter().map(|(id, _)| *id).collect::<Vec<_>>());
    let expected: Vec<&str> = DIFFERENT.iter().map(|(id, _)| *id).collect();
    assert_eq!(different.keys().map(|id| &**id).collect::<Vec<_>>(), expected, "{different:#?}");
    assert!(compared > 200, "only {compared} comparisons");
}
