//! Standing budgets: what each limits, what is spent and reserved of it, what is left.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::page::{FIXED_SPACE, Page, clean};
use crate::budget::{Balance, Quantity, UnitBalance};

/// One budget with its balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownBudget {
    /// Its name: `org`, `project shop`, `day 2026-11-25 UTC`.
    pub scope: String,
    /// Whether it admits nothing new.
    pub paused: bool,
    /// What it limits, and dollars in any case.
    pub units: Vec<UnitBalance>,
}

impl ShownBudget {
    /// The budget of a scope called `name`.
    pub fn of(name: &str, paused: bool, balance: &Balance) -> Self {
        Self { scope: name.to_owned(), paused, units: balance.in_units() }
    }
}

/// A scope with its balance, somewhere below a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownScope {
    /// How many scopes lie between it and the run, itself included; 0 for the run.
    pub level: usize,
    /// Its own name and its balance.
    #[serde(flatten)]
    pub budget: ShownBudget,
}

/// Scopes as a table, each below the one that it lies in.
pub fn indented(scopes: &[ShownScope], page: Page) -> String {
    let named = |shown: &ShownScope| {
        let indent = FIXED_SPACE.to_string().repeat(2 * shown.level);
        let scope = format!("{indent}{}", shown.budget.scope);
        ShownBudget { scope, ..shown.budget.clone() }
    };
    let named: Vec<ShownBudget> = scopes.iter().map(named).collect();
    table(&named, page).replace(FIXED_SPACE, " ")
}

/// The budgets as a table, one line a unit.
pub fn table(budgets: &[ShownBudget], page: Page) -> String {
    if budgets.is_empty() {
        return "no budgets are set: flyball budget set day 20usd\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width()).unwrap_or(80));
    table.set_header(["budget", "limit", "spent", "reserved", "left"]);
    for budget in budgets {
        let name = clean(&budget.scope);
        let mut name = if budget.paused { format!("{name} (paused)") } else { name };
        for shown in &budget.units {
            let say = |quantity| shown.unit.say(quantity);
            let maybe = |quantity: Option<Quantity>| quantity.map_or_else(|| "-".to_owned(), say);
            let (spent, limit) = match shown.limit {
                Some(limit) => shown.unit.say_both(shown.settled, limit),
                None => (say(shown.settled), maybe(None)),
            };
            table.add_row([
                std::mem::take(&mut name),
                limit,
                spent,
                say(shown.reserved),
                maybe(shown.left),
            ]);
        }
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", line.trim_end());
        text
    })
}
