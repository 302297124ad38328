//! Messages that point into a text.

use std::fmt::Write as _;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError,
    MietteSpanContents, Report, SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::page::{Page, clean, width_of};
use crate::diagnostic::{Diagnostic, Place, Severity};

/// Messages shown in full; the rest is counted.
pub const SHOWN_MAX: usize = 20;
/// Columns of a tab.
const TAB_WIDTH: usize = 2;
/// Columns left of a source line: its number, the frame.
const FRAME_WIDTH: usize = 10;

/// The code of a message that names a price file before the shipped ones; reports say it first.
pub const OWN_PRICES: &str = "prices::own";

/// `diagnostics` about `text`, which people know as `name`, worst first.
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str, page: Page) -> String {
    let mut worst_first: Vec<&Diagnostic> = diagnostics.iter().collect();
    worst_first.sort_by_key(|diagnostic| std::cmp::Reverse(diagnostic.severity));
    let mut rendered = String::new();
    for diagnostic in worst_first.iter().take(SHOWN_MAX) {
        rendered += &render_one(diagnostic, name, text, page);
    }
    let hidden = worst_first.len().saturating_sub(SHOWN_MAX);
    if hidden > 0 {
        let _ = writeln!(rendered, "  … and {hidden} more");
    }
    rendered
}

fn render_one(diagnostic: &Diagnostic, name: &str, text: &str, page: Page) -> String {
    let severity = match diagnostic.severity {
        Severity::Note => miette::Severity::Advice,
        Severity::Warning => miette::Severity::Warning,
        Severity::Error => miette::Severity::Error,
    };
    let mut shown = MietteDiagnostic::new(joined(&clean(&diagnostic.message)))
        .with_code(clean(&diagnostic.code))
        .with_severity(severity);
    if let Some(help) = &diagnostic.help {
        shown = shown.with_help(joined(&clean(help)));
    }
    let report = match &diagnostic.place {
        Some(place) if !text.is_empty() => {
            let room = page.message_width().saturating_sub(FRAME_WIDTH);
            let excerpt = Excerpt::of(name, text, place, room);
            let span = excerpt.span;
            Report::from(shown.with_label(LabeledSpan::new_with_span(None, span)))
                .with_source_code(excerpt)
        }
        // Without a picture of the place, the words must say whose it is.
        _ => {
            shown.message = format!("{}: {}", joined(&clean(name)), shown.message);
            Report::from(shown)
        }
    };
    let mut rendered = String::new();
    match handler(page).render_report(&mut rendered, report.as_ref()) {
        Ok(()) => {
            rendered.lines().map(|line| line.trim_end().replace(JOINER, "-") + "\n").collect()
        }
        // The plain words, should the picture not work out.
        Err(_) => format!("{name}: {}\n", clean(&diagnostic.message)),
    }
}

/// A hyphen that no line is broken at.
const JOINER: char = '\u{2011}';

/// `text` with hyphens that hold: flags and dates are for copying, and stay on one line.
fn joined(text: &str) -> String {
    text.replace('-', &JOINER.to_string())
}

fn handler(page: Page) -> GraphicalReportHandler {
    let styles = if page.colour() { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let theme = GraphicalTheme { characters: ThemeCharacters::unicode(), styles };
    GraphicalReportHandler::new_themed(theme)
        .with_width(page.message_width())
        .with_links(false)
        .with_context_lines(1)
        .tab_width(TAB_WIDTH)
}

/// The lines around a place, cut to fit, so that a script on one line of 100 KiB prints as 80
/// columns too.
#[derive(Debug)]
struct Excerpt {
    name: String,
    data: String,
    span: SourceSpan,
    /// Lines of the text before the excerpt.
    lines_before: usize,
    /// Bytes cut from the start of the place's line.
    cut_columns: usize,
}

impl Excerpt {
    fn of(name: &str, text: &str, place: &Place, room: usize) -> Self {
        let offset = floor_boundary(text, usize::try_from(place.offset).unwrap_or(usize::MAX));
        let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_length = after.find('\n').unwrap_or(after.len());
        let line = text.get(line_start..offset + line_length).unwrap_or("");
        let at = offset - line_start;

        // As much of what comes before as fits in half the room; the place is then in sight.
        let head = before.get(line_start..).unwrap_or("");
        let columns: usize = line.chars().map(|c| printed(c).1).sum();
        let cut = if columns > room { at.saturating_sub(tail_length(head, room / 2)) } else { 0 };
        let shown = clipped(line.get(cut..).unwrap_or(""), room);
        let previous = text.get(..line_start.saturating_sub(1)).unwrap_or("");
        let previous = if line_start == 0 {
            String::new()
        } else {
            clipped(previous.rsplit('\n').next().unwrap_or(""), room) + "\n"
        };
        let next = after.get(line_length..).and_then(|rest| rest.strip_prefix('\n'));
        let next = next.map_or(String::new(), |rest| {
            format!("\n{}", clipped(rest.split('\n').next().unwrap_or(""), room))
        });
        // A place at the end of a line may lie in what was cut from it.
        let end = previous.len() + shown.len();
        let start = (previous.len() + (at - cut)).min(end);
        let longest = end - start;
        let length = usize::try_from(place.length).unwrap_or(usize::MAX).min(longest);
        Self {
            name: clean(name),
            span: SourceSpan::new(start.into(), length),
            lines_before: before.matches('\n').count().saturating_sub(usize::from(line_start > 0)),
            cut_columns: cut,
            data: previous + &shown + &next,
        }
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.data.read_span(span, context_lines_before, context_lines_after)?;
        // Only the exact place is shown as line and column.
        let exact = context_lines_before == 0 && context_lines_after == 0;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inner.data(),
            *inner.span(),
            inner.line() + self.lines_before,
            inner.column() + if exact { self.cut_columns } else { 0 },
            inner.line_count(),
        )))
    }
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The head of a source line, of the same bytes per character save for what acts on a terminal,
/// which becomes as many question marks: offsets into it stay true.
fn clipped(line: &str, room: usize) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut columns = 0;
    let mut shown = String::new();
    for (text, width) in line.chars().map(printed) {
        columns += width;
        if columns > room {
            break;
        }
        shown += &text;
    }
    shown
}

/// How a character of a source line is shown, and its columns.
fn printed(c: char) -> (String, usize) {
    if c == '\t' {
        return (c.to_string(), TAB_WIDTH);
    }
    let cleaned = clean(&c.to_string());
    if cleaned.len() == c.len_utf8() && cleaned != "\u{fffd}" {
        let width = width_of(&cleaned);
        return (cleaned, width);
    }
    ("?".repeat(c.len_utf8()), c.len_utf8())
}

/// The bytes of the longest tail of `text` within `width` columns.
fn tail_length(text: &str, width: usize) -> usize {
    let mut columns = 0;
    let fits = |c: &char| {
        columns += printed(*c).1;
        columns <= width
    };
    text.chars().rev().take_while(fits).map(char::len_utf8).sum()
}
