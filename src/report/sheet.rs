//! Labelled sections under each other: `label    text that wraps under itself`.

use std::fmt::Write as _;

use super::page::{FIXED_SPACE, Page, width_of, wrapped};

/// What stands at the right margin stands at most here, so that on a wide page the eye finds the
/// way back to its text.
const MARGIN_MAX: usize = 100;

/// Where the text of a section starts.
pub const LABEL_WIDTH: usize = 9;

/// Lines laid out for a page.
#[derive(Clone, Debug)]
pub struct Sheet {
    page: Page,
    lines: Vec<String>,
    label: Option<String>,
}

impl Sheet {
    /// An empty sheet.
    pub const fn new(page: Page) -> Self {
        Self { page, lines: Vec::new(), label: None }
    }

    /// The page it is for.
    pub const fn page(&self) -> Page {
        self.page
    }

    /// One finished line; the caller answers for its width.
    pub fn line(&mut self, line: &str) {
        self.lines.push(line.replace(FIXED_SPACE, " ").trim_end().to_owned());
    }

    /// Begins a section: its first text gets `label`.
    pub fn section(&mut self, label: &str) {
        self.label = Some(label.to_owned());
    }

    /// Text in the current section, lines after its first `hang` columns further in.
    pub fn text(&mut self, text: &str, hang: usize) {
        self.pair(text, "", hang);
    }

    /// Text with something at the right margin, where there is room for it on the text's last
    /// line; else below, at the margin too.
    pub fn pair(&mut self, left: &str, right: &str, hang: usize) {
        let room = self.page.message_width() - LABEL_WIDTH;
        // The first line is as wide as the others so that texts break alike.
        let mut lines = wrapped(left, room - hang);
        for line in lines.iter_mut().skip(1) {
            line.insert_str(0, &" ".repeat(hang));
        }
        let right_lines = if right.is_empty() { Vec::new() } else { wrapped(right, room - hang) };
        let margin = room.min(MARGIN_MAX - LABEL_WIDTH);
        for (index, line) in right_lines.iter().enumerate() {
            let last = lines.last_mut().filter(|_| index == 0);
            match last {
                Some(last) if width_of(last) + 2 + width_of(line) <= room => {
                    let gap = margin.saturating_sub(width_of(last) + width_of(line)).max(2);
                    let _ = write!(last, "{}{line}", " ".repeat(gap));
                }
                _ => {
                    let gap = margin.saturating_sub(width_of(line));
                    lines.push(format!("{}{line}", " ".repeat(gap)));
                }
            }
        }
        for line in lines {
            let label = self.label.take().unwrap_or_default();
            self.line(&format!("{label:<LABEL_WIDTH$}{line}"));
        }
    }

    /// The text, each line ended.
    pub fn finish(self) -> String {
        self.lines.into_iter().map(|line| line + "\n").collect()
    }
}
