//! The `[budget]` table: how much each scope may spend.

use std::fmt;

use super::error::Problems;
use super::reader::{Fields, Value, items, table};
use crate::amount::{Amount, AmountError};
use crate::diagnostic::Place;

/// The keys of `[budget]`, as documented: the narrowest scope first.
const BUDGET_KEYS: [&str; 8] = ["agent", "phase", "run", "day", "week", "month", "project", "org"];

/// What a budget applies to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetScope {
    /// Each agent of a run.
    Agent,
    /// Each phase whose title is this, case aside.
    Phase(String),
    /// Each run.
    Run,
    /// All runs of a calendar day.
    Day,
    /// All runs of a calendar week.
    Week,
    /// All runs of a calendar month.
    Month,
    /// All runs of the project.
    Project,
    /// All runs of the organisation.
    Org,
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.pad("agent"),
            Self::Phase(title) => f.pad(&format!("phase {title}")),
            Self::Run => f.pad("run"),
            Self::Day => f.pad("day"),
            Self::Week => f.pad("week"),
            Self::Month => f.pad("month"),
            Self::Project => f.pad("project"),
            Self::Org => f.pad("org"),
        }
    }
}

/// One budget of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetLimit {
    /// What it applies to.
    pub scope: BudgetScope,
    /// How much.
    pub amount: Amount,
    /// Where the policy says so.
    pub place: Place,
}

/// Every budget of the table, the narrowest scope first; phases in file order.
pub(super) fn read(value: &Value<'_>, problems: &mut Problems<'_>) -> Vec<BudgetLimit> {
    let mut limits = Vec::new();
    let Some(budget) = table(value, "budget", problems) else { return limits };
    let fields = Fields::open(budget, "[budget]", &BUDGET_KEYS, problems);
    for key in BUDGET_KEYS {
        let Some(value) = fields.get(key) else { continue };
        let scope = match key {
            "agent" => BudgetScope::Agent,
            "run" => BudgetScope::Run,
            "day" => BudgetScope::Day,
            "week" => BudgetScope::Week,
            "month" => BudgetScope::Month,
            "project" => BudgetScope::Project,
            "org" => BudgetScope::Org,
            _ => {
                phases(value, &mut limits, problems);
                continue;
            }
        };
        amounts(value, key, &scope, &mut limits, problems);
    }
    limits
}

fn phases(value: &Value<'_>, limits: &mut Vec<BudgetLimit>, problems: &mut Problems<'_>) {
    if value.get_ref().as_table().is_none() {
        let message = "`phase` needs the titles of phases";
        let help = "write phase = { \"Verify\" = \"$3\" }, one entry per phase".to_owned();
        problems.error("policy::wrong-type", value.span(), message, Some(help));
        return;
    }
    let Some(phases) = table(value, "phase", problems) else { return };
    let mut titled: Vec<_> = phases.iter().collect();
    titled.sort_by_key(|(title, _)| title.span().start);
    let mut earlier: Vec<&str> = Vec::new();
    for (key, value) in titled {
        let title = key.get_ref().as_ref();
        if let Some(first) = earlier.iter().find(|first| is_one_phase(first, title)) {
            let message = format!("`{title}` is the phase `{first}` again: case does not count");
            let help = "keep one of them: the lower amount is the one that holds".to_owned();
            problems.error("policy::budget-phase", key.span(), message, Some(help));
            continue;
        }
        earlier.push(title);
        amounts(value, title, &BudgetScope::Phase(title.to_owned()), limits, problems);
    }
}

/// Whether two titles are of one phase, as budgets are held: case and spaces aside.
fn is_one_phase(one: &str, other: &str) -> bool {
    let words = |title: &str| title.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    words(one) == words(other)
}

/// One amount, or a list of amounts in different units.
fn amounts(
    value: &Value<'_>,
    key: &str,
    scope: &BudgetScope,
    limits: &mut Vec<BudgetLimit>,
    problems: &mut Problems<'_>,
) {
    let before = limits.len();
    for item in items(value) {
        let Some(amount) = amount(item, key, problems) else { continue };
        let unit = std::mem::discriminant(&amount);
        let earlier = limits.iter().skip(before);
        if let Amount::PlanWindow { .. } = amount
            && *scope != BudgetScope::Run
        {
            let message = format!("a share of a plan window is only observed per run, not `{key}`");
            let help = "move it to run = [\"10usd\", \"25%5h\"]".to_owned();
            problems.error("policy::budget-unit", item.span(), message, Some(help));
        } else if *scope == BudgetScope::Agent && matches!(amount, Amount::Agents(_)) {
            let message = "an agent cannot have a budget of agents";
            let help = "give the run one: run = [\"$10\", \"200agents\"]".to_owned();
            problems.error("policy::budget-unit", item.span(), message, Some(help));
        } else if earlier.clone().any(|limit| limit.amount == amount)
            || (!matches!(amount, Amount::PlanWindow { .. })
                && earlier.clone().any(|limit| std::mem::discriminant(&limit.amount) == unit))
        {
            let message = format!("`{key}` has two amounts in one unit");
            let help = "keep the smaller: it is the one that holds".to_owned();
            problems.error("policy::budget-unit", item.span(), message, Some(help));
        } else {
            let place = problems.place(&item.span());
            limits.push(BudgetLimit { scope: scope.clone(), amount, place });
        }
    }
}

/// An amount with its unit; numbers without one are refused, since `10` could be anything.
pub(super) fn amount(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Amount> {
    let Some(text) = value.get_ref().as_str() else {
        let message = format!("`{key}` must be an amount with its unit, in quotes");
        let help = "write \"$5\", \"800ktok\" (billed tokens), \"200kout\" (output tokens) or \
                    \"40agents\""
            .to_owned();
        problems.error("policy::amount", value.span(), message, Some(help));
        return None;
    };
    match text.parse::<Amount>() {
        Ok(amount) => Some(amount),
        Err(AmountError::Unreadable(_)) => {
            let message = format!("`{key}` is not an amount: `{text}`");
            let help = "write \"$5\" or \"5usd\", \"800ktok\" (billed tokens), \"200kout\" \
                        (output tokens), \"40agents\" or \"25%5h\""
                .to_owned();
            problems.error("policy::amount", value.span(), message, Some(help));
            None
        }
        Err(error) => {
            problems.error("policy::amount", value.span(), format!("`{key}`: {error}"), None);
            None
        }
    }
}
