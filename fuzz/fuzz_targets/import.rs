//! Other people's price tables, in three formats: what is new becomes a price file that can be
//! laid over the shipped ones.
#![no_main]

use std::sync::OnceLock;

use flyball::pricing::import::{compare, price_file, read};
use flyball::pricing::{PriceTable, shipped_files};
use flyball::report::{Page, pricing as report};
use jiff::civil::date;
use libfuzzer_sys::fuzz_target;

static SHIPPED: OnceLock<PriceTable> = OnceLock::new();

fuzz_target!(|text: &str| {
    let imported = match read(text) {
        Ok(imported) => imported,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let shipped =
        SHIPPED.get_or_init(|| PriceTable::parse(&shipped_files()).expect("shipped prices"));
    let comparison = compare(shipped, &imported, date(2026, 11, 22));
    let name = imported.format.name();
    assert!(!report::comparison(&comparison, name, Page::plain()).is_empty());
    report::comparison_json(&comparison, name);
    if let Ok(file) = price_file(&comparison, name, &[]) {
        let mut files = shipped_files();
        files.push(file);
        PriceTable::parse(&files).expect("an import makes a price file that fits");
    }
});
