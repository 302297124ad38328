//! How runs end, and how often. Owns the grouping of finishes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::band::Band;
use crate::money::Picodollars;
use crate::plan::frame::{Frame, Recorded};
use crate::plan::report::EndingPlan;
use crate::ports::script::Finish;

/// What runs that end alike share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EndingKey {
    file: Option<Arc<str>>,
    line: Option<u32>,
    name: String,
    returned: bool,
}

/// Keys of a returned object that say how it went.
const STATUS_KEYS: [&str; 9] =
    ["status", "outcome", "reason", "verdict", "error", "ok", "success", "passed", "stopped"];
const ENDINGS_MAX: usize = 8;
/// The ending of a run that returns `null` or something empty.
pub const NO_RESULT: &str = "returned nothing";
/// How the ending of a run begins that was stopped: what it would have done then is not known.
pub const STOPPED_AT: &str = "stopped at the limit of";
const WORD_CHARS_MAX: usize = 40;

/// The endings of a plan's samples, most probable first, and for each sample whether its run
/// completes. `costs` and `agents` are by sample; `None` costs are unpriced.
pub fn group(
    frame: &Frame,
    costs: Option<&[Picodollars]>,
    agents: &[u64],
) -> (Vec<EndingPlan>, Vec<bool>) {
    let detailed: Vec<EndingKey> = frame.samples.iter().map(|sample| key(sample, true)).collect();
    let keys = if count_distinct(&detailed) > ENDINGS_MAX {
        frame.samples.iter().map(|sample| key(sample, false)).collect()
    } else {
        detailed
    };
    let mut members: BTreeMap<EndingKey, Vec<usize>> = BTreeMap::new();
    for (position, key) in keys.iter().enumerate() {
        members.entry(key.clone()).or_default().push(position);
    }
    let most = members.values().map(|of| median_agents(of, agents)).max().unwrap_or(0);
    let mut endings: Vec<(EndingPlan, EndingKey)> = members
        .iter()
        .filter_map(|(key, of)| {
            let ending = EndingPlan {
                name: key.name.clone(),
                line: key.line,
                file: key.file.as_deref().map(str::to_owned),
                returned: key.returned,
                completes: key.returned
                    && !says_failure(&key.name)
                    && (says_success(&key.name) || median_agents(of, agents) * 2 >= most),
                per_mille: per_mille(of.len(), frame.samples.len()),
                cost_usd: costs.and_then(|costs| Band::of(&at(costs, of))),
                agents: Band::of(&at(agents, of))?,
            };
            Some((ending, key.clone()))
        })
        .collect();
    endings.sort_by(|(a, key_a), (b, key_b)| {
        b.per_mille.cmp(&a.per_mille).then_with(|| key_a.cmp(key_b))
    });
    let completes: BTreeMap<&EndingKey, bool> =
        endings.iter().map(|(ending, key)| (key, ending.completes)).collect();
    let by_sample = keys.iter().map(|key| completes.get(key).copied().unwrap_or(false)).collect();
    (endings.into_iter().map(|(ending, _)| ending).collect(), by_sample)
}

/// `part` of `whole` in thousandths, rounded to nearest.
pub fn per_mille(part: usize, whole: usize) -> u32 {
    let whole = whole.max(1);
    u32::try_from((part * 1000 + whole / 2) / whole).unwrap_or(1000)
}

fn count_distinct(keys: &[EndingKey]) -> usize {
    keys.iter().collect::<std::collections::BTreeSet<_>>().len()
}

fn at<T: Copy>(values: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().filter_map(|position| values.get(*position).copied()).collect()
}

fn median_agents(members: &[usize], agents: &[u64]) -> u64 {
    Band::of(&at(agents, members)).map_or(0, |band| band.p50)
}

fn key(sample: &Recorded, detailed: bool) -> EndingKey {
    match &sample.finish {
        Finish::Returned { value, line } => {
            let status = if detailed { value.as_deref().and_then(status_of) } else { None };
            let name = match value.as_deref() {
                Some("null" | "\"\"" | "[]" | "{}") => NO_RESULT.to_owned(),
                _ => status.unwrap_or_else(|| "returned".to_owned()),
            };
            EndingKey { file: None, line: *line, name, returned: true }
        }
        Finish::Threw { name, message, place } => EndingKey {
            file: place.as_ref().and_then(|place| place.file.clone()),
            line: place.as_ref().map(|place| place.line),
            name: if detailed {
                format!("threw {name}: {}", clip(message, 80))
            } else {
                format!("threw {name}")
            },
            returned: false,
        },
        Finish::Stuck => EndingKey {
            file: None,
            line: None,
            name: "stuck: awaits something that never settles".to_owned(),
            returned: false,
        },
        Finish::LimitReached { limit } => EndingKey {
            file: None,
            line: None,
            name: format!("{STOPPED_AT} {limit}"),
            returned: false,
        },
    }
}

/// `status: no findings, ok: false` of a returned object; `None` where it says nothing of the
/// kind.
fn status_of(value: &str) -> Option<String> {
    let fields = top_level_words(value);
    let words: Vec<String> = STATUS_KEYS
        .iter()
        .filter_map(|key| fields.iter().find(|(name, _)| name == key))
        .map(|(name, word)| format!("{name}: {word}"))
        .take(2)
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Short texts and booleans at the top of a JSON object, by key. Large values are cut before they
/// get here, so this reads as far as the text goes.
fn top_level_words(value: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = value.trim_start().strip_prefix('{').unwrap_or("");
    while let Some((key, after)) = leading::<String>(rest.trim_start_matches([',', ' ', '\n'])) {
        let Some(after) = after.trim_start().strip_prefix(':') else { break };
        let Some((field, after)) = leading::<serde_json::Value>(after) else { break };
        let word = match field {
            // An error is told even if it is long; other long texts are reports.
            serde_json::Value::String(text)
                if key == "error" || text.chars().count() <= WORD_CHARS_MAX =>
            {
                Some(clip(&text, WORD_CHARS_MAX))
            }
            serde_json::Value::Bool(truth) => Some(truth.to_string()),
            _ => None,
        };
        found.extend(word.map(|word| (key, word)));
        rest = after.trim_start();
    }
    found
}

/// The JSON value that a text begins with, and what follows it.
fn leading<T: serde::de::DeserializeOwned>(text: &str) -> Option<(T, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    let end = values.byte_offset();
    Some((value, text.get(end..)?))
}

/// Whether the words say that the run failed. A verdict is the result of a run that went well,
/// whatever it is.
fn says_failure(name: &str) -> bool {
    let judges = |part: &&str| part.starts_with("verdict: ") || part.starts_with("passed: ");
    let name = name.to_ascii_lowercase();
    let name = name.split(", ").filter(|part| !judges(part)).collect::<Vec<_>>().join(", ");
    if name.starts_with("error: ") && name != "error: false" {
        return true;
    }
    [": fail", ": error", ": abort", ": blocked", "ok: false", "success: false"]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether the word says that all is well: such a run is over early because nothing was left to
/// do, not because it was stopped.
fn says_success(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let word = |key: &str| name.rsplit(key).next().filter(|rest| rest.len() < name.len());
    let first = ["status: ", "outcome: ", "verdict: "].iter().find_map(|key| word(key));
    first.is_some_and(|word| {
        ["pass", "approve", "ship", "clean", "done", "ok", "success", "complete", "ready", "green"]
            .iter()
            .any(|good| word.starts_with(good))
    })
}

fn clip(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let cut: String = text.chars().take(chars.saturating_sub(1)).collect();
    format!("{cut}…")
}
