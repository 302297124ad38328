//! Whether the policy, the prices and the usage model of the settings can be used, and how old the
//! prices are.

use jiff::civil::Date;

use super::super::context::Context;
use super::super::inputs::policy_source;
use super::super::knowledge;
use super::failed;
use crate::pricing::PriceTable;
use crate::report::checkup::Check;
use crate::report::number::plural;

/// Prices that nobody compared with their sources for so many days may have changed.
const CHECKED_DAYS_MAX: i32 = 30;

pub(super) fn checks(context: &Context, day: Date) -> Vec<Check> {
    vec![prices(context, day), policy(context)]
}

fn prices(context: &Context, day: Date) -> Check {
    const NAME: &str = "prices";
    let table = knowledge::price_files(&context.settings.prices)
        .and_then(|files| PriceTable::parse(&files).map_err(|error| knowledge::bad_prices(&error)));
    let table = match table {
        Ok(table) => table,
        Err(error) => return failed(NAME, &error),
    };
    let periods = table.models().flat_map(|model| model.periods.iter());
    let Some(checked) = periods.filter_map(|period| period.checked).max() else {
        return Check::warn(NAME, "no price says when it was checked", "flyball pricing check");
    };
    let days = (day - checked).get_days();
    if days <= CHECKED_DAYS_MAX {
        return Check::ok(NAME, format!("last compared with their sources on {checked}"));
    }
    let age = plural(u64::from(days.unsigned_abs()), "day", "days");
    Check::warn(
        NAME,
        format!("last compared with their sources {age} ago, on {checked}"),
        "update flyball, or correct them in a price file: flyball pricing check",
    )
}

fn policy(context: &Context) -> Check {
    const NAME: &str = "policy";
    let Some(named) = &context.settings.policy else {
        return Check::ok(NAME, "the settings name none: as-written");
    };
    match policy_source(named).and_then(|source| knowledge::policy(&source)) {
        Ok(policy) => Check::ok(NAME, format!("{} can be used", policy.policy.name())),
        Err(error) => failed(NAME, &error),
    }
}
