//! `flyball.toml`: refused with something to show, or settings.
#![no_main]

use std::path::Path;

use flyball::config::{Settings, SettingsError};
use flyball::report::{Page, diagnostics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Settings::parse("flyball.toml", text, Path::new("/project")) {
        Err(SettingsError::Content { name, text, diagnostics: found }) => {
            assert!(!diagnostics::render(&found, &name, &text, Page::plain()).is_empty());
        }
        Err(SettingsError::Read(_)) => unreachable!("no file is read"),
        Ok(settings) => {
            let merged = settings.clone().over(Settings::default());
            assert_eq!(merged, settings);
        }
    }
});
