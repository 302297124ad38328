//! What text is laid out on, and how text is made to fit. Widths are terminal columns.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest page: tables do not get below it.
pub const WIDTH_MIN: usize = 76;
/// Where messages stop following a terminal that gets narrower.
pub const MESSAGE_WIDTH_MIN: usize = 40;

/// A width, and whether colours are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    width: usize,
    message_width: usize,
    colour: bool,
}

impl Page {
    /// A page of `width` columns, at least [`WIDTH_MIN`] for tables and [`MESSAGE_WIDTH_MIN`] for
    /// messages.
    pub fn new(width: usize, colour: bool) -> Self {
        let message_width = width.max(MESSAGE_WIDTH_MIN);
        Self { width: width.max(WIDTH_MIN), message_width, colour }
    }

    /// What reports are laid out on where nobody knows the width: 80 columns, no colours.
    pub const fn plain() -> Self {
        Self { width: 80, message_width: 80, colour: false }
    }

    /// Columns.
    pub const fn width(self) -> usize {
        self.width
    }

    /// Columns of messages, which can break anywhere.
    pub const fn message_width(self) -> usize {
        self.message_width
    }

    /// Whether colours are allowed.
    pub const fn colour(self) -> bool {
        self.colour
    }

    /// Bold red: denied, over, wrong.
    pub fn red(self, text: &str) -> String {
        self.painted("1;31", text)
    }

    /// Bold yellow: to be asked about.
    pub fn yellow(self, text: &str) -> String {
        self.painted("1;33", text)
    }

    /// Bold green: fine.
    pub fn green(self, text: &str) -> String {
        self.painted("1;32", text)
    }

    fn painted(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Columns that `text` takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// `text` on one line, without anything that acts on a terminal: line ends and tabs become
/// spaces, other control characters `�`, marks that reorder or hide text go away.
pub fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The longest head of `text` within `width` columns, and the rest.
pub fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut end = 0;
    for (start, c) in text.char_indices() {
        let next = start + c.len_utf8();
        // The width of the whole head, not the sum of its characters: sequences such as flags
        // and families take less than their parts. Marks without width stay with what they mark.
        let head = text.get(..next).unwrap_or(text);
        if width_of(head) > width && c.width().unwrap_or(0) > 0 {
            break;
        }
        end = next;
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// `text` within `width` columns. Too long ones keep their head and, where there is room for it,
/// their tail: `verify:src/pric…table.rs`.
pub fn fitted(text: &str, width: usize) -> String {
    let text = clean(text);
    if width_of(&text) <= width {
        return text;
    }
    let room = width.saturating_sub(1);
    let tail_width = if width >= 16 { width / 3 } else { 0 };
    let (head, _) = split_at_width(&text, room - tail_width);
    let mut tail = String::new();
    for c in text.chars().rev() {
        let longer = format!("{c}{tail}");
        if width_of(&longer) > tail_width {
            break;
        }
        tail = longer;
    }
    let shortened = format!("{}…{}", head.trim_end(), tail.trim_start());
    // Joining can change the width of sequences; the head alone is always safe.
    if width_of(&shortened) <= width { shortened } else { format!("{}…", head.trim_end()) }
}

/// A space that [`wrapped`] keeps and does not break at; printed as a space.
pub const FIXED_SPACE: char = '\u{a0}';

/// `text` in lines of at most `width` columns, broken at spaces, words that are longer broken
/// anywhere. Always at least one line.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width_of(&joined) <= width {
            line = joined;
            continue;
        }
        // A word that fits on no line begins on this one, the others on the next.
        let long = width_of(word) > width;
        let mut rest = if long { joined.as_str() } else { word };
        if !long && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width_of(rest) > width {
            let (head, tail) = split_at_width(rest, width);
            // A head of no characters would never end.
            if head.is_empty() || tail.is_empty() {
                break;
            }
            lines.push(head.to_owned());
            rest = tail;
        }
        rest.clone_into(&mut line);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}
