//! One line about a session, for a client's status line: what is spent of what, what was forecast,
//! how much of the subscription's windows is used.

use super::number::{dollars, of_limit};
use super::page::{Page, clean, fitted};
use crate::budget::{Balance, Quantity, UnitBalance};
use crate::money::Picodollars;

/// The longest line about something that went wrong, columns.
const TROUBLE_WIDTH_MAX: usize = 100;
/// The longest name of a workflow, columns.
const NAME_WIDTH_MAX: usize = 24;
/// From these shares of a limit on, of 1,000, it is coloured.
const YELLOW_PER_MILLE: i128 = 750;
const RED_PER_MILLE: i128 = 900;

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionStatus {
    /// Its own account.
    pub account: Option<AccountStatus>,
    /// The wider budget of which the most is used up: `day 2026-11-26 UTC`.
    pub wider: Option<(String, AccountStatus)>,
    /// What its last launch was forecast to cost.
    pub launch: Option<LaunchStatus>,
    /// What the client believes that it has cost, where no account knows better.
    pub client_cost: Option<Picodollars>,
    /// How much of the subscription's windows is used, percent.
    pub windows: Vec<(&'static str, f64)>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// Whether it admits nothing.
    pub paused: bool,
    /// What is taken of what.
    pub balance: Balance,
}

/// A launch that was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchStatus {
    /// The workflow.
    pub workflow: String,
    /// Half of the runs cost at most this.
    pub p50: Picodollars,
    /// 9 of 10 do.
    pub p90: Picodollars,
}

/// The line, with its end.
pub fn line(status: &SessionStatus, page: Page) -> String {
    let mut parts = Vec::new();
    match (&status.account, status.client_cost) {
        (Some(account), _) => parts.push(account.say(page)),
        (None, Some(cost)) => parts.push(format!("{} by the client's count", dollars(cost))),
        (None, None) => parts.push("nothing charged".to_owned()),
    }
    if let Some(launch) = &status.launch {
        let name = fitted(&launch.workflow, NAME_WIDTH_MAX);
        let text =
            format!("{name} forecast {}, up to {}", dollars(launch.p50), dollars(launch.p90));
        let left = status.account.as_ref().and_then(|account| account.balance.usd_left());
        let short = left.is_some_and(|left| left < launch.p90);
        parts.push(if short { page.yellow(&text) } else { text });
    }
    if let Some((name, account)) = &status.wider {
        parts.push(format!("{} {}", clean(name), account.say(page)));
    }
    for (name, used) in &status.windows {
        let text = format!("{name} {used:.0} %");
        parts.push(match used {
            90.0.. => page.red(&text),
            75.0.. => page.yellow(&text),
            _ => text,
        });
    }
    format!("flyball {}\n", parts.join(" · "))
}

/// The line where nothing can be said about the session, and why.
pub fn trouble(why: &str, page: Page) -> String {
    format!("{}\n", page.red(&fitted(&format!("flyball: {why}"), TROUBLE_WIDTH_MAX)))
}

impl AccountStatus {
    /// `$1.20 of $5.00 (24 %)`.
    fn say(&self, page: Page) -> String {
        let units = self.balance.in_units();
        let limited: Vec<&UnitBalance> = units.iter().filter(|of| of.limit.is_some()).collect();
        let shown = if limited.is_empty() { units.iter().collect() } else { limited };
        let mut text = shown.into_iter().map(|unit| unit_text(unit, page)).collect::<Vec<_>>();
        if self.paused {
            text.push(page.red("paused"));
        }
        text.join(", ")
    }

    /// The largest share of a limit that is used up, of 1,000; `None` where nothing is limited.
    pub fn used_per_mille(&self) -> Option<i128> {
        self.balance.in_units().iter().filter_map(used_per_mille).max()
    }
}

fn unit_text(balance: &UnitBalance, page: Page) -> String {
    let say = |quantity: Quantity| match quantity {
        Quantity::Usd(amount) => dollars(amount),
        Quantity::Count(_) => balance.unit.say(quantity),
    };
    let (Some(limit), Some(used)) = (balance.limit, used_per_mille(balance)) else {
        return say(balance.settled);
    };
    let percent = used / 10;
    let text = match (balance.settled, limit) {
        (Quantity::Usd(settled), Quantity::Usd(limit)) => {
            let (settled, limit) = of_limit(settled, limit);
            format!("{settled} of {limit} ({percent} %)")
        }
        (Quantity::Count(settled), limit) => format!("{settled} of {} ({percent} %)", say(limit)),
        (settled, _) => say(settled),
    };
    match used {
        RED_PER_MILLE.. => page.red(&text),
        YELLOW_PER_MILLE.. => page.yellow(&text),
        _ => text,
    }
}

fn used_per_mille(balance: &UnitBalance) -> Option<i128> {
    let number = |quantity| match quantity {
        Quantity::Usd(amount) => Picodollars::pico(amount),
        Quantity::Count(count) => count.into(),
    };
    let limit = number(balance.limit?);
    let used = number(balance.settled).saturating_mul(1_000);
    // Of nothing, everything is used.
    Some(used.checked_div(limit).unwrap_or(1_000))
}
