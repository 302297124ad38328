//! A script's text, read without running it: refused with a place, or known.
#![no_main]

use flyball::report::{Page, diagnostics};
use flyball::workflow::{Source, WorkflowFacts};
use libfuzzer_sys::fuzz_target;

/// What the sandbox gives its reader, times the size of frames with instrumentation.
const STACK_BYTES: usize = 256 << 20;

fuzz_target!(|text: &str| {
    let source = Source::new("workflow.js", text);
    let reader = std::thread::Builder::new().stack_size(STACK_BYTES);
    let read = reader.spawn(move || WorkflowFacts::read(&source)).expect("a thread");
    match read.join().expect("no panic") {
        Ok(facts) => assert!(!facts.meta.name.is_empty()),
        Err(found) => {
            assert!(!found.is_empty());
            assert!(!diagnostics::render(&found, "workflow.js", text, Page::plain()).is_empty());
        }
    }
});
