//! How budgets are written.

use flyball::amount::{Amount, AmountError, PlanWindow};
use flyball::money::Picodollars;
use proptest::prelude::*;

fn read(text: &str) -> Result<Amount, AmountError> {
    text.parse()
}

#[test]
fn amounts_carry_their_unit() {
    let usd = |text: &str| Amount::Usd(text.parse().expect("decimal"));
    let window = |window, milli_percent| Amount::PlanWindow { window, milli_percent };
    let rows = [
        ("$5", usd("5")),
        ("$ 5", usd("5")),
        ("$0.25", usd("0.25")),
        ("5usd", usd("5")),
        ("5 USD", usd("5")),
        (" 5usd ", usd("5")),
        (".5usd", usd("0.5")),
        ("0usd", usd("0")),
        ("$0.000000000001", Amount::Usd(Picodollars::from_pico(1))),
        ("7tok", Amount::BilledTokens(7)),
        ("800ktok", Amount::BilledTokens(800_000)),
        ("1.5Mtok", Amount::BilledTokens(1_500_000)),
        ("200kout", Amount::OutputTokens(200_000)),
        ("3out", Amount::OutputTokens(3)),
        ("2mout", Amount::OutputTokens(2_000_000)),
        ("40agents", Amount::Agents(40)),
        ("1 agent", Amount::Agents(1)),
        ("25%5h", window(PlanWindow::FiveHours, 25_000)),
        ("0.5%week", window(PlanWindow::Week, 500)),
        ("100%week", window(PlanWindow::Week, 100_000)),
    ];
    for (text, amount) in rows {
        assert_eq!(read(text), Ok(amount), "{text}");
    }
}

#[test]
fn a_bare_number_is_asked_for_its_unit() {
    for text in ["5", "0.5", "12345678901234567890123"] {
        let error = read(text).expect_err(text);
        assert!(matches!(error, AmountError::NoUnit(_)), "{text}: {error}");
    }
    let message = read("5").expect_err("bare").to_string();
    assert!(message.contains("`5` has no unit: write 5usd"), "{message}");
}

#[test]
fn a_negative_budget_is_refused_as_such() {
    for text in ["-5usd", "$-5", "$ -5", "$\t-5", "-$5", "-1agents", "-5"] {
        assert!(matches!(read(text), Err(AmountError::Negative(_))), "{text}");
    }
}

#[test]
fn parts_of_whole_things_are_refused_as_such() {
    for text in ["1.5agents", "0.5tok", "0.0001ktok", "0.0001%week"] {
        assert!(matches!(read(text), Err(AmountError::NotWhole { .. })), "{text}");
    }
    let message = read("1.5agents").expect_err("half an agent").to_string();
    assert_eq!(message, "`1.5agents` is not a whole number of agents");
}

#[test]
fn a_window_has_no_more_than_all_of_it() {
    for text in ["100.001%5h", "250%week"] {
        assert!(matches!(read(text), Err(AmountError::OverWindow(_))), "{text}");
    }
}

#[test]
fn dollars_too_fine_or_too_large_say_so() {
    let message = |text| read(text).expect_err(text).to_string();
    assert!(message("$0.0000000000001").contains("finer than one picodollar"));
    let huge = format!("${}", "9".repeat(60));
    assert!(matches!(read(&huge), Err(AmountError::Money(_))));
    assert!(read(&format!("{}agents", "9".repeat(30))).is_err());
}

#[test]
fn junk_is_answered_with_the_grammar() {
    let junk = [
        "",
        " ",
        ".",
        "$",
        "usd",
        "ktok",
        "five usd",
        "5eur",
        "5%",
        "5%day",
        "5usdd",
        "$5usd",
        "1e3usd",
        "5,000usd",
        "1..5usd",
        "+5usd",
        "0x10tok",
        "\u{0665}usd",
        "NaNusd",
    ];
    for text in junk {
        let error = read(text).expect_err(text);
        assert!(matches!(error, AmountError::Unreadable(_)), "{text}: {error}");
        assert!(error.to_string().contains("write $5, 5usd, 800ktok (billed tokens)"));
    }
}

fn amounts() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (0i128..1_000_000_000_000_000_000)
            .prop_map(|pico| Amount::Usd(Picodollars::from_pico(pico))),
        any::<u64>().prop_map(Amount::BilledTokens),
        any::<u64>().prop_map(Amount::OutputTokens),
        any::<u64>().prop_map(Amount::Agents),
        (0u64..=100_000, any::<bool>()).prop_map(|(milli_percent, week)| Amount::PlanWindow {
            window: if week { PlanWindow::Week } else { PlanWindow::FiveHours },
            milli_percent,
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(amount in amounts()) {
        prop_assert_eq!(read(&amount.to_string()), Ok(amount), "{}", amount);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,40}") {
        let _ = read(&text);
    }
}
