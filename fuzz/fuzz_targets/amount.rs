//! Amounts: what is read is written so that it reads back as the same; so are the other words of
//! flags that hold numbers.
#![no_main]

use flyball::amount::Amount;
use flyball::cli::value;
use flyball::config::settings;
use flyball::money::Picodollars;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(amount) = text.parse::<Amount>() {
        assert_eq!(amount.to_string().parse(), Ok(amount));
    }
    if let Ok(money) = text.parse::<Picodollars>() {
        assert_eq!(money.to_decimal().parse(), Ok(money));
    }
    let _ = value::budget(text);
    let _ = value::fit(text);
    let _ = value::turn_budget(text);
    let _ = value::samples(text);
    let _ = value::concurrency(text);
    let _ = value::date(text);
    let _ = value::time_scale(text);
    let _ = value::args(text);
    let _ = settings::duration(text);
});
