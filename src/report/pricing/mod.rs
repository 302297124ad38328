//! Prices as tables and as JSON.

mod comparison;
mod findings;
mod model;
mod models;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::page::{Page, clean, width_of};
use crate::money::{PICO_PER_USD, Picodollars, Rate};
use crate::pricing::{Rates, TokenClass};

pub use comparison::{comparison, comparison_json};
pub use findings::{findings, findings_json};
pub use model::{model, model_json};
pub use models::{models, models_json};

/// Reports are fitted to at most this width, columns.
const WIDTH_MAX: usize = 80;

/// A table without frames, its first column left-aligned and the others right-aligned.
fn table(header: &[&str], rows: Vec<Vec<String>>, page: Page) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width().min(WIDTH_MAX)).unwrap_or(80));
    table.set_header(header);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Dollars per million tokens as in a price list: two decimals, more where it needs them.
fn dollars(rate: Rate) -> String {
    amount(rate.usd_per_million())
}

fn amount(usd: Picodollars) -> String {
    let exact = usd.to_decimal();
    let decimals = exact.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if decimals < 2 { usd.to_rounded(2) } else { exact }
}

fn cell(rates: &Rates, class: TokenClass) -> String {
    rates.get(class).map_or_else(|| "-".to_owned(), dollars)
}

fn five_cells(rates: &Rates) -> impl Iterator<Item = String> + '_ {
    TokenClass::ALL.into_iter().map(|class| cell(rates, class))
}

/// 200,000 as `200k`, 1,000,000 as `1M`, others in full.
fn tokens(count: u64) -> String {
    match count {
        n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
        n if n >= 1_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
        n => Picodollars::from_pico(i128::from(n) * PICO_PER_USD).to_rounded(0),
    }
}

/// `text` after `first`, broken at blanks to fit `page`, later lines `indent` columns in. What
/// does not fit on a line of its own, such as an address, stays whole, so that it can be copied.
fn wrapped(first: &str, text: &str, indent: usize, page: Page) -> String {
    let mut lines = String::new();
    let mut line = clean(first);
    let mut fresh = true;
    for word in clean(text).split_whitespace() {
        if !fresh && width_of(&line) + 1 + width_of(word) > page.width().min(WIDTH_MAX) {
            lines += line.trim_end();
            lines.push('\n');
            line = " ".repeat(indent);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
        line += word;
        fresh = false;
    }
    lines + line.trim_end() + "\n"
}

fn rates_json(rates: &Rates) -> serde_json::Value {
    let fields = TokenClass::ALL.into_iter().filter_map(|class| {
        let rate = rates.get(class)?;
        Some((class.key().to_owned(), rate.usd_per_million().to_decimal().into()))
    });
    serde_json::Value::Object(fields.collect())
}
