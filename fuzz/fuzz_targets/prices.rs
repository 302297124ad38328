//! A price file, alone and over the shipped ones: refused with a place, or a table whose every
//! model can be checked, priced and shown.
#![no_main]

use flyball::pricing::{PriceFile, PriceTable, check, shipped_files};
use flyball::report::{Page, diagnostics, pricing as report};
use jiff::civil::{Date, date};
use libfuzzer_sys::fuzz_target;

const DAYS: [Date; 3] = [date(2024, 1, 1), date(2026, 11, 22), date(2027, 6, 1)];

fuzz_target!(|text: &str| {
    let name = "prices.toml";
    let file = PriceFile { name: name.to_owned(), text: text.to_owned() };
    match PriceTable::parse(std::slice::from_ref(&file)) {
        Ok(table) => {
            show(&table);
            let mut files = shipped_files();
            files.push(file);
            // What stands alone may still contradict what is shipped.
            if let Ok(table) = PriceTable::parse(&files) {
                check(&table, DAYS[1]);
            }
        }
        Err(error) => {
            let shown = diagnostics::render(&[error.to_diagnostic()], name, text, Page::plain());
            assert!(!shown.is_empty());
        }
    }
});

fn show(table: &PriceTable) {
    for day in DAYS {
        check(table, day);
        assert!(!report::models(table, None, true, day, Page::plain()).is_empty());
        for (model, provider) in
            table.models().flat_map(|model| table.providers().into_iter().map(move |p| (model, p)))
        {
            if let Ok(resolved) = table.resolve_name(&model.id.0, provider, day) {
                assert!(!report::model(table, &resolved, day, Page::plain()).is_empty());
            }
        }
    }
}
