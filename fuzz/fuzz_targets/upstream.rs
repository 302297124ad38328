//! Bodies of requests to the simulated upstream: whatever they ask, the answer is JSON, and within
//! what was asked unless a directive says otherwise.
#![no_main]

use std::sync::{Arc, OnceLock};

use flyball::pricing::{PriceTable, shipped_files};
use flyball::seed::Seed;
use flyball::upstream::{UpstreamConfig, first_answer};
use flyball::usage::{UsageModel, shipped_text};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static CONFIG: OnceLock<UpstreamConfig> = OnceLock::new();

fn config() -> UpstreamConfig {
    let prices = PriceTable::parse(&shipped_files()).expect("the shipped prices");
    let usage = UsageModel::parse(shipped_text()).expect("the shipped model").prior().clone();
    let on = "2026-11-22".parse().expect("a day");
    UpstreamConfig::new(Seed::new(7), Arc::new(prices), on, Arc::new(usage))
}

fuzz_target!(|body: &[u8]| {
    let Ok(message) = first_answer(CONFIG.get_or_init(config), body) else { return };
    let message: Value = serde_json::from_slice(&message).expect("an answer is JSON");
    let asked: Value = serde_json::from_slice(body).expect("what was answered is JSON");
    if String::from_utf8_lossy(body).contains("simulate") {
        return;
    }
    let usage = &message["usage"];
    assert!(usage["output_tokens"].as_u64() <= asked["max_tokens"].as_u64());
    assert!(usage["input_tokens"].as_u64() <= Some(body.len() as u64));
});
