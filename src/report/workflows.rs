//! The list of workflows in reach.

use serde::Serialize;

use super::page::{Page, clean, fitted, split_at_width, width_of};

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

/// The list, one workflow a line: what it does, or where it is if it does not say.
pub fn table(listed: &[Listed], page: Page) -> String {
    let name_width = listed.iter().map(|one| width_of(&one.name)).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for one in listed {
        let name = fitted(&one.name, name_width);
        let gap = " ".repeat(name_width - width_of(&name) + 2);
        let room = page.width() - name_width - 12;
        let about = one.description.as_ref().filter(|text| !text.is_empty());
        // Of a description the head says most, of a path both ends.
        let about = about.map_or_else(
            || fitted(one.path.as_deref().unwrap_or(""), room),
            |text| cut(text, room),
        );
        let line = format!("{name}{gap}{:<8}  {about}", one.from);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The head of `text` within `width` columns.
fn cut(text: &str, width: usize) -> String {
    let text = clean(text);
    if width_of(&text) <= width {
        return text;
    }
    let (head, _) = split_at_width(&text, width.saturating_sub(1));
    format!("{}…", head.trim_end())
}
