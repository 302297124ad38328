//! What the user pins: `--assume`, `--result` and `--done`. Owns the syntax of the keys, how they
//! match stages and properties, and which of them were used; reads no file itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Pinned usage of the agents of a stage: exact values, in tokens or requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UsagePins {
    /// `Stage.requests`: model requests per agent.
    pub requests: Option<f64>,
    /// `Stage.output_per_request`, `Stage.output`: output tokens per request.
    pub output_per_request: Option<f64>,
    /// `Stage.first_context`, `Stage.context`: tokens in the first request's prompt.
    pub first_context: Option<f64>,
    /// `Stage.growth`: tokens by which an agent's context grows in all.
    pub growth: Option<f64>,
}

/// The pins that no property of a schema can use: they say how agents use tokens.
const USAGE_NAMES: [(&str, UsageName); 6] = [
    ("requests", UsageName::Requests),
    ("output_per_request", UsageName::OutputPerRequest),
    ("output", UsageName::OutputPerRequest),
    ("first_context", UsageName::FirstContext),
    ("context", UsageName::FirstContext),
    ("growth", UsageName::Growth),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsageName {
    Requests,
    OutputPerRequest,
    FirstContext,
    Growth,
}

/// What a pinned property is.
#[derive(Clone, Debug, PartialEq)]
pub enum PinValue {
    /// A list's length, a boolean's true-share, or a number.
    Number(f64),
    /// An enum's word or a string; `true` and `false` for booleans.
    Word(Arc<str>),
}

/// One `--assume`.
#[derive(Debug)]
struct Pin {
    text: String,
    key: String,
    value: PinValue,
    usage: Option<UsageName>,
    used: AtomicBool,
    /// Why the property it names cannot take its value.
    misfit: OnceLock<&'static str>,
}

/// One `--result`.
#[derive(Debug)]
struct PinnedResult {
    text: String,
    label: String,
    nth: Option<u32>,
    json: serde_json::Value,
    used: AtomicBool,
}

/// One `--done`.
#[derive(Debug)]
struct Done {
    text: String,
    used: AtomicBool,
}

/// All pins of one plan, with a note of which were used.
#[derive(Debug, Default)]
pub struct Assumptions {
    pins: Vec<Pin>,
    results: Vec<PinnedResult>,
    done: Vec<Done>,
}

/// Why a pin was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssumeError {
    /// No `=` or nothing before or after it.
    #[error("--{flag} '{text}' is not KEY=VALUE; {form}")]
    NotKeyValue {
        /// The flag, without dashes.
        flag: &'static str,
        /// As given.
        text: String,
        /// The known form.
        form: &'static str,
    },
    /// The value does not fit the key.
    #[error("--assume '{text}': '{value}' is not {wanted}")]
    BadValue {
        /// As given.
        text: String,
        /// The part that is wrong.
        value: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// The same key is given twice with different values.
    #[error("--assume '{first}' and '{second}' pin the same key; keep one")]
    Twice {
        /// The earlier one.
        first: String,
        /// The later one.
        second: String,
    },
    /// `#N` is not a positive number.
    #[error("--result '{text}': '#{nth}' is not a call number; use LABEL#1 for the first call")]
    BadNumber {
        /// As given.
        text: String,
        /// What follows the `#`.
        nth: String,
    },
    /// The file of a result cannot be read.
    #[error("--result '{text}': cannot read {path}: {reason}")]
    Unreadable {
        /// As given.
        text: String,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The result is not JSON.
    #[error("--result '{text}': not JSON: {reason}; use LABEL=@FILE or LABEL='{{…}}'")]
    NotJson {
        /// As given.
        text: String,
        /// The parser's message, with its line and column.
        reason: String,
    },
    /// The result does not fit the stage's schema.
    #[error("--result '{text}' does not fit the schema of {stage}: at {path}: {reason}")]
    NotValid {
        /// As given.
        text: String,
        /// The stage.
        stage: String,
        /// Where in the result, as a JSON pointer; `/` for the whole.
        path: String,
        /// What the schema wants.
        reason: String,
    },
}

const ASSUME_FORM: &str = "use Stage.property=12 (a list's length), Stage.property=0.3 (a \
     boolean's true-share), Stage.property=word (an enum), or Stage.requests=8";
const RESULT_FORM: &str = "use LABEL=@FILE or LABEL#2=@FILE for the second call of that label";

/// The pins as given on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct AssumptionTexts<'a> {
    /// Each `--assume`.
    pub assume: &'a [String],
    /// Each `--result`.
    pub result: &'a [String],
    /// Each `--done`.
    pub done: &'a [String],
}

impl Assumptions {
    /// Reads the pins. `read` gives the text of a file that a `--result` names after `@`.
    pub fn parse(
        texts: AssumptionTexts<'_>,
        read: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, AssumeError> {
        let mut pins: Vec<Pin> = Vec::new();
        for text in texts.assume {
            let pin = parse_pin(text)?;
            let twin = pins.iter().find(|other| other.key.eq_ignore_ascii_case(&pin.key));
            if let Some(first) = twin {
                return Err(AssumeError::Twice { first: first.text.clone(), second: pin.text });
            }
            pins.push(pin);
        }
        let results = texts
            .result
            .iter()
            .map(|text| parse_result(text, read))
            .collect::<Result<Vec<_>, _>>()?;
        let done = texts
            .done
            .iter()
            .map(|text| Done { text: text.trim().to_owned(), used: AtomicBool::new(false) })
            .collect();
        Ok(Self { pins, results, done })
    }

    /// The pin of the property at `path` (dots between levels, lists elided) of a stage: exact
    /// stage names win over globs, these over keys without a stage. `check` says what the
    /// property wants where it cannot take the value; the pin is then reported, not used.
    pub fn property(
        &self,
        stage_name: &str,
        path: &str,
        check: impl FnOnce(&PinValue) -> Result<(), &'static str>,
    ) -> Option<&PinValue> {
        let pins = self.pins.iter().filter(|pin| pin.usage.is_none());
        let (_, pin) = pins
            .filter_map(|pin| Some((fit(&pin.key, stage_name, path)?, pin)))
            .min_by_key(|(rank, _)| *rank)?;
        if let Err(wanted) = check(&pin.value) {
            // Another property of the name may still take it.
            let _ = pin.misfit.set(wanted);
            return None;
        }
        pin.used.store(true, Ordering::Relaxed);
        Some(&pin.value)
    }

    /// What is pinned of the usage of a stage's agents.
    pub fn usage_pins(&self, stage_name: &str) -> UsagePins {
        let mut ranked: Vec<(u8, &Pin)> = self
            .pins
            .iter()
            .filter(|pin| pin.usage.is_some())
            .filter_map(|pin| {
                let property = pin.key.rsplit('.').next().unwrap_or(&pin.key);
                Some((fit(&pin.key, stage_name, property)?, pin))
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut usage = UsagePins::default();
        for (_, pin) in ranked {
            let slot = match pin.usage {
                Some(UsageName::Requests) => &mut usage.requests,
                Some(UsageName::OutputPerRequest) => &mut usage.output_per_request,
                Some(UsageName::FirstContext) => &mut usage.first_context,
                Some(UsageName::Growth) => &mut usage.growth,
                None => continue,
            };
            if let (None, PinValue::Number(value)) = (&slot, &pin.value) {
                *slot = Some(*value);
                pin.used.store(true, Ordering::Relaxed);
            }
        }
        usage
    }

    /// The pinned result of a call: the `nth_of_label`-th (from 1) that has `label`, the
    /// `nth_of_stage`-th of its stage; a stage's name counts like a label. A pin with a number
    /// wins over one without.
    pub fn result(
        &self,
        label: Option<&str>,
        stage_name: &str,
        nth_of_label: u32,
        nth_of_stage: u32,
    ) -> Option<PinnedAnswer> {
        let fits = |pin: &&PinnedResult| {
            let at = |nth: u32| pin.nth.is_none_or(|wanted| wanted == nth);
            let by_label = label.is_some_and(|label| pin.label.eq_ignore_ascii_case(label));
            let by_glob = label.is_some_and(|label| glob_match(&pin.label, label));
            (by_label && at(nth_of_label))
                || (!by_label
                    && (by_glob || glob_match(&pin.label, stage_name))
                    && at(nth_of_stage))
        };
        let pinned = self.results.iter().filter(fits).min_by_key(|pin| pin.nth.is_none())?;
        pinned.used.store(true, Ordering::Relaxed);
        Some(PinnedAnswer { text: pinned.text.clone(), json: pinned.json.clone() })
    }

    /// Whether any result is pinned.
    pub fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// Whether an agent with this label, or of this stage, is already done and costs nothing.
    pub fn is_done(&self, label: Option<&str>, stage_name: &str) -> bool {
        let mut done = false;
        for pin in &self.done {
            if glob_match(&pin.text, stage_name)
                || label.is_some_and(|label| glob_match(&pin.text, label))
            {
                pin.used.store(true, Ordering::Relaxed);
                done = true;
            }
        }
        done
    }

    /// The pins that had no effect so far, each as its flag and why; ask once all samples ran.
    pub fn unused(&self) -> Vec<UnusedPin> {
        let pins = self.pins.iter().map(|pin| {
            let none = "no stage of the script has such a property";
            ("assume", &pin.text, &pin.used, pin.misfit.get().copied().unwrap_or(none))
        });
        let none = "no agent has such a label, or not so many";
        let results = self.results.iter().map(|pin| ("result", &pin.text, &pin.used, none));
        let done = self.done.iter().map(|pin| ("done", &pin.text, &pin.used, none));
        pins.chain(results)
            .chain(done)
            .filter(|(_, _, used, _)| !used.load(Ordering::Relaxed))
            .map(|(flag, text, _, reason)| UnusedPin { flag: format!("--{flag} {text}"), reason })
            .collect()
    }

    /// All pins in one canonical text, for the plan's hash.
    pub fn canonical(&self) -> String {
        let mut lines: Vec<String> =
            self.pins
                .iter()
                .map(|pin| format!("assume {}={:?}", pin.key.to_lowercase(), pin.value))
                .chain(self.results.iter().map(|pin| {
                    format!("result {}#{}={}", pin.label, pin.nth.unwrap_or(0), pin.json)
                }))
                .chain(self.done.iter().map(|pin| format!("done {}", pin.text)))
                .collect();
        lines.sort();
        lines.join("\n")
    }
}

/// A pin without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedPin {
    /// The flag as given, such as `--assume Find.findngs=4`.
    pub flag: String,
    /// Why it had no effect.
    pub reason: &'static str,
}

/// A result that the user gave.
#[derive(Clone, Debug, PartialEq)]
pub struct PinnedAnswer {
    /// The flag's value as given, for messages.
    pub text: String,
    /// The result; a JSON string for agents without a schema.
    pub json: serde_json::Value,
}

fn parse_pin(text: &str) -> Result<Pin, AssumeError> {
    let (key, value) = key_value("assume", text, ASSUME_FORM)?;
    let leaf = key.rsplit('.').next().unwrap_or(key).to_lowercase();
    let staged = key.contains('.');
    let usage =
        USAGE_NAMES.iter().find(|(name, _)| staged && *name == leaf).map(|(_, usage)| *usage);
    let bad =
        |wanted| AssumeError::BadValue { text: text.to_owned(), value: value.to_owned(), wanted };
    if key.starts_with('.') || key.ends_with('.') {
        return Err(AssumeError::NotKeyValue {
            flag: "assume",
            text: text.to_owned(),
            form: ASSUME_FORM,
        });
    }
    let number = parse_count(value);
    let value = match (usage, number) {
        (Some(_), Some(number)) if number > 0.0 => PinValue::Number(number),
        (Some(_), _) => return Err(bad("a positive number, such as 8 or 40k")),
        (None, Some(number)) => PinValue::Number(number),
        (None, None) if value.parse::<f64>().is_ok() => {
            return Err(bad("a length, a share or a word"));
        }
        (None, None) => PinValue::Word(value.into()),
    };
    let (text, key) = (text.to_owned(), key.to_owned());
    Ok(Pin { text, key, value, usage, used: AtomicBool::new(false), misfit: OnceLock::new() })
}

/// A number that is not negative, with `k` or `m` for thousands and millions.
fn parse_count(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase().replace('_', "");
    let (digits, unit) = match lower.strip_suffix('k') {
        Some(digits) => (digits, 1e3),
        None => match lower.strip_suffix('m') {
            Some(digits) => (digits, 1e6),
            None => (lower.as_str(), 1.0),
        },
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| plain)?;
    Some(number * unit)
}

fn parse_result(
    text: &str,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<PinnedResult, AssumeError> {
    let (key, value) = key_value("result", text, RESULT_FORM)?;
    let (label, nth) = match key.rsplit_once('#') {
        None => (key, None),
        Some((label, nth)) => match nth.parse::<u32>() {
            Ok(number) if number > 0 && !label.is_empty() => (label, Some(number)),
            _ => {
                return Err(AssumeError::BadNumber { text: text.to_owned(), nth: nth.to_owned() });
            }
        },
    };
    let content = match value.strip_prefix('@') {
        None => value.to_owned(),
        Some(path) => read(path).map_err(|reason| AssumeError::Unreadable {
            text: text.to_owned(),
            path: path.to_owned(),
            reason,
        })?,
    };
    let json = serde_json::from_str(&content).map_err(|error| AssumeError::NotJson {
        text: text.to_owned(),
        reason: error.to_string(),
    })?;
    let (text, label) = (text.to_owned(), label.to_owned());
    Ok(PinnedResult { text, label, nth, json, used: AtomicBool::new(false) })
}

fn key_value<'a>(
    flag: &'static str,
    text: &'a str,
    form: &'static str,
) -> Result<(&'a str, &'a str), AssumeError> {
    let wrong = || AssumeError::NotKeyValue { flag, text: text.to_owned(), form };
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() { Err(wrong()) } else { Ok((key, value)) }
}

/// How well `key` fits: 0 the best, `None` not at all.
fn fit(key: &str, stage_name: &str, path: &str) -> Option<u8> {
    let names_path = |text: &str| {
        if text.eq_ignore_ascii_case(path) {
            return Some(0);
        }
        let cut = path.len().checked_sub(text.len())?;
        let tail = path.get(cut..)?;
        let whole = cut == 0 || path.get(..cut).is_some_and(|head| head.ends_with('.'));
        (whole && tail.eq_ignore_ascii_case(text)).then_some(1)
    };
    let staged = key.match_indices('.').filter_map(|(at, _)| {
        let (stage, property) = (key.get(..at)?, key.get(at + 1..)?);
        let rank = names_path(property)?;
        if stage.eq_ignore_ascii_case(stage_name) {
            Some(rank)
        } else {
            glob_match(stage, stage_name).then_some(2 + rank)
        }
    });
    staged.chain(names_path(key).map(|rank| 4 + rank)).min()
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for
/// one; case does not matter. A pattern equal to the text always matches.
pub fn glob_match(pattern: &str, text: &str) -> bool {
    if pattern.eq_ignore_ascii_case(text) {
        return true;
    }
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut p, mut t) = (0, 0);
    // Where to go back to when a character does not match: after the last star, one further on.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '?' || text.get(t) == Some(c) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}
