//! The list of workflows in reach.

use serde::Serialize;

use super::page::{Page, fitted, width_of, wrapped};

/// Lines of one description; a saved workflow may say as much as it likes.
const ABOUT_LINES_MAX: usize = 4;

/// Columns of a description, at least.
const ABOUT_WIDTH_MIN: usize = 24;

/// One workflow of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What `flyball plan` takes.
    pub name: String,
    /// `project`, `personal` or `flyball`.
    pub from: &'static str,
    /// Its file, if it has one.
    pub path: Option<String>,
    /// What it says it does; null where that cannot be read.
    pub description: Option<String>,
}

/// The list, closest first: what each workflow does, or where it is if it does not say.
pub fn table(listed: &[Listed], page: Page) -> String {
    let name_width = listed.iter().map(|one| width_of(&one.name)).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for one in listed {
        let name = fitted(&one.name, name_width);
        let gap = " ".repeat(name_width - width_of(&name) + 2);
        let margin = name_width + 12;
        let room = page.message_width().saturating_sub(margin).max(ABOUT_WIDTH_MIN);
        let about = one.description.as_ref().filter(|text| !text.is_empty());
        let about = about.map_or_else(
            // Of a path both ends say where it is; broken over lines, nobody could copy it either.
            || vec![fitted(one.path.as_deref().unwrap_or(""), room)],
            |text| wrapped(text, room),
        );
        let mut lead = format!("{name}{gap}{:<8}  ", one.from);
        for line in about.iter().take(ABOUT_LINES_MAX) {
            text += format!("{lead}{line}").trim_end();
            text.push('\n');
            lead = " ".repeat(margin);
        }
    }
    text
}
