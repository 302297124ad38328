//! `--assume`, `--result` and `--done`: a pin is refused with a message, or can be asked for.
#![no_main]

use flyball::cli::value;
use flyball::plan::assume::{AssumptionTexts, Assumptions, glob_match};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pins: (Vec<String>, Vec<String>, Vec<String>)| {
    let (assume, result, done) = pins;
    for text in assume.iter().chain(&result) {
        let _ = value::assume(text);
        let _ = value::known_result(text);
    }
    let texts = AssumptionTexts { assume: &assume, result: &result, done: &done };
    match Assumptions::parse(texts, &mut |path| Ok(path.to_owned())) {
        Ok(pins) => {
            for stage in ["find", "verify:*", "a.b", ""] {
                pins.property(stage, "findings.severity", |_| Ok(()));
                pins.usage_pins(stage);
                pins.result(Some("find:a"), stage, 1, 1);
                pins.is_done(Some("find:a"), stage);
            }
            let unused = pins.unused().len();
            assert!(unused <= assume.len() + result.len() + done.len());
            pins.canonical();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let [pattern, text, ..] = done.as_slice() {
        glob_match(pattern, text);
    }
});
