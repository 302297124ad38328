//! How numbers are written. Every report uses these, so that the same number reads the same
//! everywhere. Formats money, never computes it.

use crate::amount::{Amount, PlanWindow};
use crate::money::{PICO_PER_USD, Picodollars, digits_to_compare};

const PICO_PER_CENT: i128 = PICO_PER_USD / 100;

/// A count in at most four characters or five with a point: `850`, `4.2k`, `124k`, `5.9M`, `19M`.
pub fn count(number: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if number < 1_000 {
        return number.to_string();
    }
    let mut scale = 1_000_u64;
    for unit in UNITS {
        // Rounded to the shown digit first, so that 999,600 becomes 1.0M and not 1000k.
        let tenths = rounded(number, scale / 10);
        if tenths < 100 {
            return format!("{}.{}{unit}", tenths / 10, tenths % 10);
        }
        let whole = rounded(number, scale);
        if whole < 1_000 {
            return format!("{whole}{unit}");
        }
        scale = scale.saturating_mul(1_000);
    }
    number.to_string()
}

/// `number / step` rounded half up.
fn rounded(number: u64, step: u64) -> u64 {
    let step = step.max(1);
    number / step + u64::from(number % step >= step.div_ceil(2))
}

/// All digits, in threes: `1,000`.
pub fn digits(number: u64) -> String {
    Picodollars::from_pico(i128::from(number).saturating_mul(PICO_PER_USD)).to_rounded(0)
}

/// Money in running text: `$6.70`, `$0.0042`, `$1,234.50`, `$12,345`.
pub fn dollars(amount: Picodollars) -> String {
    amount.to_usd(places(amount))
}

/// What is spent of a limit, and the limit, with as many digits as it takes to compare them:
/// `$1.20` and `$5.00`, `$0.012` and `$0.025`, `$4.996` and `$5.000`.
pub fn of_limit(spent: Picodollars, limit: Picodollars) -> (String, String) {
    let digits = digits_to_compare(spent, limit);
    (spent.to_usd(places(spent).max(digits)), limit.to_usd(places(limit).max(digits)))
}

fn places(amount: Picodollars) -> usize {
    let whole = amount.pico().unsigned_abs() / PICO_PER_USD.unsigned_abs();
    let cents = amount.pico().unsigned_abs() / PICO_PER_CENT.unsigned_abs();
    match (whole, cents) {
        _ if amount.is_zero() => 2,
        (0, 0) => 4,
        (10_000.., _) => 0,
        _ => 2,
    }
}

/// Money in a column, without its sign of currency: `0.67`, `12.1`, `350`, `12k`.
pub fn money_cell(amount: Picodollars) -> String {
    let pico = amount.pico();
    let usd = pico / PICO_PER_USD;
    match usd {
        0 if pico > 0 && pico < PICO_PER_CENT / 2 => "<0.01".to_owned(),
        // Where rounding would make it one digit longer than its neighbours, the next format.
        0..10 if pico < 9_995 * PICO_PER_USD / 1_000 => amount.to_rounded(2),
        0..100 if pico < 9_995 * PICO_PER_USD / 100 => amount.to_rounded(1),
        0..10_000 => amount.to_rounded(0),
        _ if pico < 0 => amount.to_rounded(0),
        _ => u64::try_from(usd).map_or_else(|_| format!(">{}", count(u64::MAX)), count),
    }
}

/// Money as `--budget` takes it, rounded up to the cent: `12.10usd`.
pub fn budget_flag(amount: Picodollars) -> String {
    let cents = amount.scale_ceil(100, PICO_PER_USD).pico();
    let up = Picodollars::from_pico(cents.saturating_mul(PICO_PER_CENT));
    format!("{}usd", up.to_rounded(2).replace(',', ""))
}

/// A range, or one value where both ends read the same: `24-144`, `5`.
pub fn range(low: &str, high: &str) -> String {
    if low == high { low.to_owned() } else { format!("{low}-{high}") }
}

/// `58 %` of 584 per mille; `<1 %` where it would round to nothing.
pub fn percent(per_mille: u32) -> String {
    match per_mille {
        1..5 => "<1 %".to_owned(),
        995..=999 => ">99 %".to_owned(),
        n => format!("{} %", (n + 5) / 10),
    }
}

/// How often, with its error: `18 (±5) in 100 runs`, `none of 200 runs`.
pub fn chance(per_mille: u32, error_per_mille: u32, samples: u32) -> String {
    let samples = digits(u64::from(samples));
    let error = error_per_mille.div_ceil(10);
    match per_mille {
        0 => format!("none of {samples} sampled runs"),
        1_000.. => format!("all {samples} sampled runs"),
        1..10 => "fewer than 1 in 100 runs".to_owned(),
        991..1_000 => "more than 99 in 100 runs".to_owned(),
        n if error == 0 => format!("{} in 100 runs", (n + 5) / 10),
        n => format!("{} (±{error}) in 100 runs", (n + 5) / 10),
    }
}

/// A length of time: `45 s`, `14 min`, `2.5 h`, `3.1 d`.
pub fn duration(seconds: u64) -> String {
    let (value, unit) = in_unit(seconds, unit_of(seconds));
    format!("{value} {unit}")
}

/// Two lengths of time in one unit, the smallest that suits the shorter one and keeps the longer
/// one below a thousand: `9-22 min`, `12-120 min`.
pub fn duration_range(low: u64, high: u64) -> String {
    use TimeUnit::{Days, Hours, Minutes, Seconds};
    let (low, high) = (low.min(high), low.max(high));
    let least = unit_of(low);
    let unit = [(Seconds, 1), (Minutes, 60), (Hours, 3_600)]
        .into_iter()
        .filter(|(unit, _)| *unit >= least)
        .find(|(_, seconds)| high / seconds < 1_000)
        .map_or(Days, |(unit, _)| unit);
    let ((low, name), (high, _)) = (in_unit(low, unit), in_unit(high, unit));
    format!("{} {name}", range(&low, &high))
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TimeUnit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

const fn unit_of(seconds: u64) -> TimeUnit {
    match seconds {
        0..90 => TimeUnit::Seconds,
        90..5_400 => TimeUnit::Minutes,
        5_400..172_800 => TimeUnit::Hours,
        _ => TimeUnit::Days,
    }
}

fn in_unit(seconds: u64, unit: TimeUnit) -> (String, &'static str) {
    let tenths = |length: u64| {
        let tenths = rounded(seconds, length / 10);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match unit {
        TimeUnit::Seconds => (seconds.to_string(), "s"),
        TimeUnit::Minutes => (rounded(seconds, 60).to_string(), "min"),
        TimeUnit::Hours => (tenths(3_600), "h"),
        TimeUnit::Days => (tenths(86_400), "d"),
    }
}

/// A budget in words: `$10.00`, `800k billed tokens`, `40 agents`.
pub fn amount(amount: &Amount) -> String {
    match amount {
        Amount::Usd(money) => of_limit(*money, *money).1,
        Amount::BilledTokens(n) => format!("{} billed tokens", count(*n)),
        Amount::OutputTokens(n) => format!("{} output tokens", count(*n)),
        Amount::Agents(n) => format!("{} {}", digits(*n), if *n == 1 { "agent" } else { "agents" }),
        Amount::PlanWindow { window, .. } => match window {
            PlanWindow::FiveHours => format!("{amount} (5-hour allowance)"),
            PlanWindow::Week => format!("{amount} (weekly allowance)"),
        },
    }
}

/// `1 agent`, `3 agents`.
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", digits(number), if number == 1 { one } else { many })
}
