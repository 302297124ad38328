//! What a gateway says while it works, and at its end.

use std::fmt::Write as _;

use crate::gateway::{Access, Fate, Tallies};
use crate::report::page::clean;

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
    line.push_str(&of("agent", &caller.agent));
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
    line.push('\n');
    line
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
    text
}
