//! Recognises invented text where scripts put it: in labels, phases and the like. Owns what gives
//! such text away: markers, also cut or in capitals, the words of texts, and the hosts of addresses.

use super::filler::is_filler;
use super::hosts::{HOSTS, ZONES};
use super::token::{begins_marker, markers_in};

/// What stands before a marker that is invented as well, longest first.
const LEADS: [&str; 7] = ["src/part/", "src/part-", "part/", "part-", "work/", "call_", "entry-"];
/// Names are read no further than this, bytes.
const BYTES_MAX: usize = 512;
/// This many words in the order of invented texts are no accident.
const WORDS_IN_ORDER: usize = 3;

/// A word of letters and digits, and where it stands.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

/// Where the first invented text in a name begins; `None` where it has none.
pub fn invented_start(name: &str) -> Option<usize> {
    let name = name.get(..name.floor_char_boundary(BYTES_MAX)).unwrap_or(name);
    // Positions stay those of `name`.
    let lower = name.to_ascii_lowercase();
    let words = words_in(&lower);
    let whole = markers_in(&lower).map(|(at, _)| at).next();
    let cut = words.iter().find(|word| begins_marker(word.text)).map(|word| word.start);
    let marker = [whole, cut].into_iter().flatten().min();
    let marker = marker.map(|at| before_lead(&lower, at));
    let host = host_start(&lower, &words);
    let filler =
        words.windows(WORDS_IN_ORDER).find(|run| in_order(run)).and_then(|run| run.first());
    [marker, host, filler.map(|word| word.start)].into_iter().flatten().min()
}

/// A name with everything from its first invented text on as `*`.
pub fn without_invented(name: &str) -> Option<String> {
    let start = invented_start(name)?;
    Some(format!("{}*", name.get(..start).unwrap_or("")))
}

fn words_in(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(Word { text: text.get(from..at).unwrap_or(""), start: from, end: at });
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn before_lead(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or("");
    let lead = LEADS.iter().find(|lead| before.ends_with(**lead));
    at - lead.map_or(0, |lead| lead.len())
}

/// Where an address in a reserved domain begins, with its scheme and its host.
fn host_start(text: &str, words: &[Word<'_>]) -> Option<usize> {
    let joined = |left: &Word<'_>, right: &Word<'_>| right.start == left.end + 1;
    let at = words.windows(2).position(|pair| match pair {
        [domain, zone] => {
            domain.text == "example" && ZONES.contains(&zone.text) && joined(domain, zone)
        }
        _ => false,
    })?;
    let domain = words.get(at)?;
    let host = at.checked_sub(1).and_then(|at| words.get(at));
    let host = host.filter(|host| joined(host, domain) && HOSTS.contains(&host.text));
    let start = host.unwrap_or(domain).start;
    let before = text.get(..start).unwrap_or("");
    Some(before.strip_suffix("https://").map_or(start, str::len))
}

fn in_order(run: &[Word<'_>]) -> bool {
    let run: Vec<&str> = run.iter().map(|word| word.text).collect();
    is_filler(&run.join(" "))
}
