//! What a gateway says while it works, and at its end.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use crate::effort::Effort;
use crate::gateway::{Access, Fate, KeyFile, Routed, Tallies};
use crate::report::page::{Page, clean};

/// One request that is over, as a line of the log. No keys and no prompts: there are none in it.
pub fn access_line(access: &Access) -> String {
    let caller = &access.caller;
    let of = |kind: &str, name: &Option<String>| {
        name.as_ref().map_or_else(String::new, |name| format!(" {kind} {}", short(name)))
    };
    let mut line = format!(
        "{} {}{}{} {}",
        access.fate.name(),
        access.status,
        of("run", &caller.run),
        of("session", &caller.session),
        clean(&access.model),
    );
    line.push_str(&routed(access.routed.as_deref()));
    line.push_str(&of("agent", &caller.agent));
    if let Some(origin) = &caller.origin {
        line.push_str(&of("phase", &origin.phase));
    }
    if let Some(usage) = access.usage {
        let _ = write!(line, " in {} out {}", usage.prompt(), usage.output);
    }
    if let Some(charged) = access.charged {
        let _ = write!(line, " {charged}");
    }
    let (asked, sent) = access.output_cap_tokens;
    if access.cut_by_cap {
        let _ = write!(line, " cut at {sent} of {asked}");
    }
    let _ = write!(line, " {} ms", access.took.as_millis());
    if let Some(note) = &access.note {
        let _ = write!(line, ": {}", clean(note));
    }
    if let Some(Routed::Kept { rule, why }) = access.routed.as_deref() {
        let _ =
            write!(line, "; kept, though rule `{}` says otherwise: {}", clean(rule), clean(why));
    }
    line.push('\n');
    line
}

/// What a rule changed, or would have: `->haiku by rule`.
fn routed(routed: Option<&Routed>) -> String {
    let Some(Routed::Sent { effort, output_cap_tokens, rule, .. }) = routed else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(model) = routed.and_then(Routed::sent_model) {
        let _ = write!(text, "->{}", clean(model));
    }
    if let Some((asked, sent)) = effort {
        let name = |effort: &Option<Effort>| effort.map_or("none", Effort::name);
        let _ = write!(text, " effort {}->{}", name(asked), name(sent));
    }
    if let Some(cap) = output_cap_tokens {
        let _ = write!(text, " cap {cap}");
    }
    let _ = write!(text, " by `{}`", clean(rule));
    text
}

/// The head of a long name.
fn short(name: &str) -> String {
    clean(name).chars().take(12).collect()
}

/// What a gateway did, in lines.
pub fn summary(tallies: &Tallies) -> String {
    let tally = tallies.tally();
    let count =
        |fates: &[Fate]| -> u64 { fates.iter().filter_map(|fate| tally.fates.get(fate)).sum() };
    let all: u64 = tally.fates.values().sum();
    let refused: u64 =
        tally.fates.iter().filter(|(fate, _)| fate.is_refused()).map(|(_, count)| count).sum();
    let mut text = format!(
        "{all} requests, {} of them answered; {refused} refused ({} exhausted, {} busy); charged {}\n",
        count(&[Fate::Complete, Fate::Drained]),
        count(&[Fate::Exhausted]),
        count(&[Fate::Busy]),
        tally.charged,
    );
    if tally.clamped > 0 {
        let _ = writeln!(
            text,
            "{} answers had a lower cap than asked for; {} of them reached it",
            tally.clamped, tally.cut_by_cap
        );
    }
    if tally.rewritten + tally.kept > 0 {
        let _ = writeln!(
            text,
            "{} requests were sent otherwise than asked, by the policy's rules; {} more could not be",
            tally.rewritten, tally.kept
        );
    }
    let again = tallies.sent_again();
    if again > 0 {
        let _ = writeln!(text, "{again} of the requests were the gateway's own second tries");
    }
    text
}

/// Whose keys there are, in the order they were added.
pub fn keys_table(file: &KeyFile, page: Page) -> String {
    if file.keys.is_empty() {
        return "no keys yet: flyball gateway keys add NAME\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(page.width()).unwrap_or(80));
    table.set_header(["name", "project", "added", "revoked"]);
    for key in &file.keys {
        let day = |at: jiff::Timestamp| at.to_string().chars().take(10).collect::<String>();
        table.add_row([
            clean(&key.name),
            clean(&key.project),
            day(key.added_at),
            key.revoked_at.map_or_else(|| "-".to_owned(), day),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
