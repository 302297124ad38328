//! How numbers are written.

use flyball::budget::Quantity;
use flyball::report::number::*;

use super::fixtures::usd;

#[test]
fn counts_stay_short_and_never_round_to_a_thousand_of_their_unit() {
    let cases = [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (1_049, "1.0k"),
        (1_050, "1.1k"),
        (9_949, "9.9k"),
        (9_950, "10k"),
        (124_000, "124k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (5_912_000, "5.9M"),
        (19_000_000, "19M"),
        (1_000_000_000, "1.0G"),
        (u64::MAX, "18E"),
    ];
    for (number, text) in cases {
        assert_eq!(count(number), text, "{number}");
    }
}

#[test]
fn dollars_keep_what_matters() {
    let cases = [
        ("0", "$0.00"),
        ("0.0042", "$0.0042"),
        ("0.35", "$0.35"),
        ("6.7", "$6.70"),
        ("1234.5", "$1,234.50"),
        ("12345.6", "$12,346"),
        ("-2", "-$2.00"),
    ];
    for (amount, text) in cases {
        assert_eq!(dollars(usd(amount)), text, "{amount}");
    }
}

#[test]
fn what_is_spent_of_a_limit_can_be_compared_with_it() {
    let cases = [
        ("1.2", "5", "$1.20", "$5.00"),
        ("0.0042", "5", "$0.0042", "$5.00"),
        ("0.0123", "0.025", "$0.012", "$0.025"),
        ("0.0361", "0.045", "$0.036", "$0.045"),
        ("0.0449", "0.045", "$0.0449", "$0.0450"),
        ("4.9961", "5", "$4.996", "$5.000"),
        ("5", "5", "$5.00", "$5.00"),
        ("0.001234567", "0.001234567", "$0.0012", "$0.0012"),
        ("12345.6", "20000", "$12,346", "$20,000"),
    ];
    for (spent, limit, spent_text, limit_text) in cases {
        let told = of_limit(usd(spent), usd(limit));
        assert_eq!(told, (spent_text.to_owned(), limit_text.to_owned()), "{spent} of {limit}");
    }
    assert_eq!(amount(&"0.025usd".parse().unwrap()), "$0.025");
}

#[test]
fn a_refusal_tells_what_is_spent_apart_from_its_limit() {
    let mut denial = super::runs::denial();
    denial.shortage.settled = Quantity::Usd(usd("4.9996"));
    let said = denial.to_string();
    assert!(said.contains("has spent $4.9996 of $5.0000 and"), "{said}");
    denial.shortage.settled = Quantity::Usd(usd("4.97"));
    let said = denial.to_string();
    assert!(said.contains("has spent $4.97 of $5.00 and"), "{said}");
}

#[test]
fn money_in_columns_has_at_most_five_digits() {
    let cases = [
        ("0", "0.00"),
        ("0.001", "<0.01"),
        ("0.005", "0.00"),
        ("0.674", "0.67"),
        ("9.994", "9.99"),
        ("9.995", "10.0"),
        ("99.94", "99.9"),
        ("99.95", "100"),
        ("1234", "1,234"),
        ("9999.6", "10,000"),
        ("12345", "12k"),
        ("1234567", "1.2M"),
    ];
    for (amount, text) in cases {
        assert_eq!(money_cell(usd(amount)), text, "{amount}");
    }
}

#[test]
fn a_suggested_budget_is_rounded_up() {
    assert_eq!(budget_flag(usd("12.1")), "12.10usd");
    assert_eq!(budget_flag(usd("12.1000001")), "12.11usd");
    assert_eq!(budget_flag(usd("1234.5")), "1234.50usd");
    let flag: flyball::amount::Amount = budget_flag(usd("1234.501")).parse().unwrap();
    assert_eq!(flag, flyball::amount::Amount::Usd(usd("1234.51")));
}

#[test]
fn chances_come_with_their_error() {
    assert_eq!(chance(180, 53, 200), "18 (±6) in 100 runs");
    assert_eq!(chance(185, 0, 200), "19 in 100 runs");
    assert_eq!(chance(0, 0, 200), "none of 200 sampled runs");
    assert_eq!(chance(5, 9, 200), "fewer than 1 in 100 runs");
    assert_eq!(chance(995, 9, 200), "more than 99 in 100 runs");
    assert_eq!(chance(1_000, 0, 1_000), "all 1,000 sampled runs");
}

#[test]
fn times_are_in_the_unit_that_fits() {
    assert_eq!(duration(45), "45 s");
    assert_eq!(duration(840), "14 min");
    assert_eq!(duration(9_000), "2.5 h");
    assert_eq!(duration(200_000), "2.3 d");
    assert_eq!(duration_range(540, 1_320), "9-22 min");
    assert_eq!(duration_range(30, 80), "30-80 s");
    assert_eq!(duration_range(30, 30), "30 s");
    assert_eq!(duration_range(30, 600), "30-600 s");
    assert_eq!(duration_range(720, 7_200), "12-120 min");
    assert_eq!(duration_range(30, 7_200), "1-120 min");
    assert_eq!(duration_range(7_200, 9_000), "2.0-2.5 h");
    assert_eq!(duration_range(60, 100_000_000), "0.0-1157.4 d");
}

#[test]
fn shares_never_read_as_nothing_or_everything_when_they_are_not() {
    assert_eq!(percent(0), "0 %");
    assert_eq!(percent(4), "<1 %");
    assert_eq!(percent(584), "58 %");
    assert_eq!(percent(996), ">99 %");
    assert_eq!(percent(1_000), "100 %");
}
