//! The laws of money.

use flyball::money::{MoneyError, PICO_PER_USD, Picodollars, Rate};
use flyball::pricing::Multiplier;
use proptest::prelude::*;

fn pico(number: i128) -> Picodollars {
    Picodollars::from_pico(number)
}

fn usd(text: &str) -> Picodollars {
    text.parse().expect("a decimal amount")
}

#[test]
fn decimals_are_read_exactly() {
    let rows = [
        ("0", 0),
        ("5", 5 * PICO_PER_USD),
        ("0.10", PICO_PER_USD / 10),
        (".5", PICO_PER_USD / 2),
        ("5.", 5 * PICO_PER_USD),
        ("-2", -2 * PICO_PER_USD),
        ("0.000000000001", 1),
        ("1.0000000000000000", PICO_PER_USD),
        ("007", 7 * PICO_PER_USD),
    ];
    for (text, expected) in rows {
        assert_eq!(text.parse(), Ok(pico(expected)), "{text}");
    }
}

#[test]
fn what_is_no_amount_is_refused() {
    let read = |text: &str| text.parse::<Picodollars>();
    for text in ["", ".", "-", "--1", "+1", "1e3", "1,000", "$1", " 1", "1 ", "\u{0661}", "NaN"] {
        assert_eq!(read(text), Err(MoneyError::NotDecimal(text.to_owned())), "{text}");
    }
    assert!(matches!(read("0.0000000000001"), Err(MoneyError::TooFine(_))));
    assert!(matches!(read(&"9".repeat(40)), Err(MoneyError::TooLarge(_))));
}

#[test]
fn rounding_is_half_to_even() {
    let rows = [
        ("0.005", 2, "0.00"),
        ("0.015", 2, "0.02"),
        ("0.025", 2, "0.02"),
        ("0.0250000001", 2, "0.03"),
        ("2.5", 0, "2"),
        ("3.5", 0, "4"),
        ("-0.025", 2, "-0.02"),
        ("-0.001", 2, "0.00"),
        ("1234567.895", 2, "1,234,567.90"),
        ("999999.995", 2, "1,000,000.00"),
        ("0.000000000001", 12, "0.000000000001"),
        ("1", 99, "1.000000000000"),
    ];
    for (amount, digits, expected) in rows {
        assert_eq!(usd(amount).to_rounded(digits), expected, "{amount} to {digits}");
    }
}

#[test]
fn small_amounts_show_four_decimals() {
    let rows = [
        ("0.99994", "$0.9999"),
        ("0.99995", "$1.0000"),
        ("1", "$1.00"),
        ("6.699", "$6.70"),
        ("-2", "-$2.00"),
        ("-0.5", "-$0.5000"),
        ("0", "$0.0000"),
    ];
    for (amount, expected) in rows {
        assert_eq!(usd(amount).to_string(), expected);
    }
    assert_eq!(format!("{:>8}|{:<8}|", usd("1"), usd("1")), "   $1.00|$1.00   |");
}

#[test]
fn one_dollar_per_million_is_a_million_picodollars_per_token() {
    let rate = Rate::from_usd_per_million(usd("1")).expect("whole");
    assert_eq!(rate.pico_per_token(), 1_000_000);
    assert_eq!(rate.of(1_000_000), usd("1"));
    assert_eq!(Rate::from_usd_per_million(usd("0.000001")).map(Rate::pico_per_token), Some(1));
    assert_eq!(Rate::from_usd_per_million(usd("0.0000001")), None);
}

#[test]
fn a_rate_that_is_not_whole_is_none() {
    let rate = Rate::from_pico_per_token(5);
    assert_eq!(rate.times(1, 2), None);
    assert_eq!(rate.times(11, 10), None);
    assert_eq!(rate.times(2, 1), Some(Rate::from_pico_per_token(10)));
    assert_eq!(rate.times(1, 0), None);
    assert_eq!(Rate::from_pico_per_token(i128::MAX).times(2, 1), None);
}

#[test]
fn sums_saturate_instead_of_wrapping() {
    assert_eq!(Picodollars::MAX + pico(1), Picodollars::MAX);
    assert_eq!(pico(i128::MIN) - pico(1), pico(i128::MIN));
    assert_eq!(Rate::from_pico_per_token(i128::MAX).of(2), Picodollars::MAX);
    assert_eq!(pico(3).saturating_sub_at_zero(pico(5)), Picodollars::ZERO);
    assert_eq!(pico(1).scale_ceil(1, 0), Picodollars::MAX);
}

#[test]
fn multipliers_are_exact_fractions() {
    let of = |text: &str, rate| {
        let factor = Multiplier::from_decimal(text).expect(text);
        factor.of(Rate::from_pico_per_token(rate)).map(Rate::pico_per_token)
    };
    assert_eq!(of("1.1", 10), Some(11));
    assert_eq!(of("0.5", 5), None);
    assert_eq!(of("0.5", 6), Some(3));
    assert_eq!(of("6", 7), Some(42));
    for text in ["0", "-1", "", "1/2", "1001", "0.0000000000001"] {
        assert_eq!(Multiplier::from_decimal(text), None, "{text}");
    }
    for text in ["1.1", "0.5", "2", "6.25"] {
        assert_eq!(Multiplier::from_decimal(text).expect(text).to_string(), text);
    }
}

fn amounts() -> impl Strategy<Value = Picodollars> {
    (-1_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000).prop_map(pico)
}

proptest! {
    #[test]
    fn decimals_round_trip(amount in amounts()) {
        prop_assert_eq!(amount.to_decimal().parse(), Ok(amount));
    }

    #[test]
    fn serialisation_round_trips_as_text(amount in amounts()) {
        let json = serde_json::to_string(&amount).expect("serialises");
        prop_assert_eq!(&json, &format!("\"{}\"", amount.to_decimal()));
        let back: Picodollars = serde_json::from_str(&json).expect("reads back");
        prop_assert_eq!(back, amount);
        prop_assert!(serde_json::from_str::<Picodollars>(&json.replace('"', "")).is_err());
    }

    #[test]
    fn rounding_is_the_nearest(amount in amounts(), digits in 0usize..=12) {
        let shown = usd(&amount.to_rounded(digits).replace(',', ""));
        let step = 10_i128.pow(u32::try_from(12 - digits).expect("small"));
        let error = (shown - amount).pico().abs();
        prop_assert!(error * 2 <= step);
        prop_assert_eq!(shown.pico() % step, 0);
        if error * 2 == step {
            prop_assert_eq!((shown.pico() / step) % 2, 0, "a tie goes to the even neighbour");
        }
    }

    #[test]
    fn scaling_up_rounds_up(amount in 0i128..1_000_000_000_000_000, n in 0i128..1_000, d in 1i128..1_000) {
        let scaled = pico(amount).scale_ceil(n, d).pico();
        prop_assert!(scaled * d >= amount * n);
        prop_assert!((scaled - 1) * d < amount * n);
    }

    #[test]
    fn addition_has_no_order(amounts in prop::collection::vec(amounts(), 0..20)) {
        let forward: Picodollars = amounts.iter().copied().sum();
        let backward: Picodollars = amounts.iter().rev().copied().sum();
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn a_price_is_linear_in_tokens(rate in 0i128..1_000_000_000, a in 0u64..1 << 40, b in 0u64..1 << 40) {
        let rate = Rate::from_pico_per_token(rate);
        prop_assert_eq!(rate.of(a) + rate.of(b), rate.of(a + b));
        prop_assert_eq!(Rate::from_usd_per_million(rate.usd_per_million()), Some(rate));
    }

    #[test]
    fn a_whole_multiple_divides_back(rate in 0i128..1_000_000_000, n in 1i128..100, d in 1i128..100) {
        let rate = Rate::from_pico_per_token(rate);
        if let Some(scaled) = rate.times(n, d) {
            prop_assert_eq!(scaled.times(d, n), Some(rate));
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        let _ = text.parse::<Picodollars>();
        let _ = Multiplier::from_decimal(&text);
    }
}
