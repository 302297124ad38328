//! A policy file: refused with something to show, or a policy that can be checked and described.
#![no_main]

use flyball::id::ModelId;
use flyball::policy::Policy;
use flyball::report::{Page, diagnostics, policy as report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let name = "policy.toml";
    match Policy::parse(name, text) {
        Ok(policy) => {
            let found = policy.check(&mut |model| Ok(ModelId::from(model)));
            assert!(!report::check(&policy, &found, name, Page::plain()).is_empty());
            let none = policy.check(&mut |model| Err(format!("there is no model `{model}`")));
            assert!(none.len() >= found.len());
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            assert!(!diagnostics::render(error.problems(), name, text, Page::plain()).is_empty());
        }
    }
});
