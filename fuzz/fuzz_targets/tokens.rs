//! Counts of tokens: at least one where there is text, at most its bytes.
#![no_main]

use std::sync::OnceLock;

use flyball::usage::TokenCounter;
use libfuzzer_sys::fuzz_target;

static COUNTER: OnceLock<TokenCounter> = OnceLock::new();

fuzz_target!(
    // The counter catches panics of its vocabulary; the fuzzer's hook would end the process.
    init: std::panic::set_hook(Box::new(|_| {})),
    |text: &str| {
        let counter = COUNTER.get_or_init(TokenCounter::load);
        let count = counter.count(text);
        assert!(count <= text.len() as u64);
        assert_eq!(count == 0, text.is_empty());
    }
);
