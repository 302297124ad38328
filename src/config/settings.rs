//! `flyball.toml`: what is set once instead of typed every time. Every key is the name of a flag.
//!
//! The project's file is found upwards from the working folder; the user's lies in the
//! configuration folder. The closer one wins, key by key, except where money is held: see
//! [`super::held`].

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::environment::Environment;
use super::hook_settings::{HookSettings, HookTable};
use super::registry::project_folders;
use super::source::{ReadError, SourceFile, TEXT_BYTES_MAX};
use crate::amount::{Amount, AmountError};
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::effort::Effort;
use crate::money::Picodollars;
use crate::pricing::CacheTtl;

/// The most samples of one plan.
pub const SAMPLES_MAX: u32 = 20_000;
/// The most agents at work at once: what the client's own variable allows.
pub const CONCURRENCY_MAX: u32 = 256;

/// The name of a settings file.
pub const FILE_NAME: &str = "flyball.toml";

const KEYS: [&str; 14] = [
    "model",
    "effort",
    "policy",
    "budget",
    "samples",
    "seed",
    "scope",
    "concurrency",
    "prices",
    "usage",
    "cache-ttl",
    "time-limit",
    "provider",
    "hook",
];

/// What the settings files say; `None` and empty where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The session model.
    pub model: Option<String>,
    /// The session effort.
    pub effort: Option<Effort>,
    /// A shipped policy's name, or a file (already relative to the working folder).
    pub policy: Option<String>,
    /// Budgets.
    pub budget: Vec<Amount>,
    /// What the budgets that are in force are lowered to where they are higher, whoever sets them but
    /// a flag; no file says this of itself.
    pub at_most: Vec<Amount>,
    /// Samples per plan, 1 or more.
    pub samples: Option<u32>,
    /// The root of all randomness.
    pub seed: Option<u64>,
    /// The folder whose files are counted.
    pub scope: Option<PathBuf>,
    /// Agents at work at once, 1 or more.
    pub concurrency: Option<u32>,
    /// Price files, later ones override.
    pub prices: Vec<PathBuf>,
    /// A usage model.
    pub usage: Option<PathBuf>,
    /// How long the cache of an agent's prompt lives.
    pub cache_ttl: Option<CacheTtl>,
    /// The longest a plan may take.
    pub time_limit: Option<Duration>,
    /// Whose prices apply to model names: `anthropic`, `bedrock`, …
    pub provider: Option<String>,
    /// What the launch hook decides by.
    pub hook: HookSettings,
}

/// Whose a settings file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of whoever writes in the repository.
    Project,
    /// Of the user.
    User,
}

/// A settings file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub whose: Whose,
    /// What it says.
    pub settings: Settings,
}

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It says something that is not a setting.
    #[error("{name}: {}", .diagnostics.first().map_or("not settings", |first| &first.message))]
    Content {
        /// The file as shown to people.
        name: String,
        /// What it says.
        text: String,
        /// Everything that is wrong with it.
        diagnostics: Vec<Diagnostic>,
    },
}

impl Settings {
    /// The settings in force in `working_folder`, and the files they are from, closest first.
    pub fn load(
        working_folder: &Path,
        environment: &Environment,
    ) -> Result<(Self, Vec<SettingsFile>), SettingsError> {
        let user = user_file(environment);
        let project = project_folders(working_folder)
            .into_iter()
            .map(|folder| folder.join(FILE_NAME))
            .find(|path| path.is_file())
            // What the user names is the user's, wherever it lies.
            .filter(|path| !user.as_ref().is_some_and(|user| is_same(user, path)));
        let project = project.map(|path| (path, Whose::Project));
        Self::read(project.into_iter().chain(user.map(|path| (path, Whose::User))))
    }

    /// The same where a repository has no say.
    pub fn load_users(
        environment: &Environment,
    ) -> Result<(Self, Vec<SettingsFile>), SettingsError> {
        Self::read(user_file(environment).map(|path| (path, Whose::User)))
    }

    fn read(
        paths: impl IntoIterator<Item = (PathBuf, Whose)>,
    ) -> Result<(Self, Vec<SettingsFile>), SettingsError> {
        let mut files = Vec::new();
        for (path, whose) in paths {
            let source = SourceFile::read(&path, TEXT_BYTES_MAX)?;
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let settings = Self::parse(&source.name, &source.text, &folder)?;
            files.push(SettingsFile { path, whose, settings });
        }
        let merged =
            files.iter().fold(Self::default(), |closer, file| closer.over(file.settings.clone()));
        Ok((merged, files))
    }

    /// The settings in `text`. Relative paths in it start at `folder`.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, SettingsError> {
        let failed = |diagnostics| SettingsError::Content {
            name: name.to_owned(),
            text: text.to_owned(),
            diagnostics,
        };
        let unknown = unknown_keys(text);
        if !unknown.is_empty() {
            return Err(failed(unknown));
        }
        let typed: Typed = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            failed(vec![diagnostic(text, &span, "settings::value", error.message())])
        })?;
        typed.resolve(text, folder).map_err(failed)
    }

    /// `self` where it says something, else `below`.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let either =
            |closer: Vec<Amount>, further| if closer.is_empty() { further } else { closer };
        Self {
            model: self.model.or(below.model),
            effort: self.effort.or(below.effort),
            policy: self.policy.or(below.policy),
            budget: either(self.budget, below.budget),
            at_most: either(self.at_most, below.at_most),
            samples: self.samples.or(below.samples),
            seed: self.seed.or(below.seed),
            scope: self.scope.or(below.scope),
            concurrency: self.concurrency.or(below.concurrency),
            // Both apply: the closer file's prices come later and override the user's.
            prices: below.prices.into_iter().chain(self.prices).collect(),
            usage: self.usage.or(below.usage),
            cache_ttl: self.cache_ttl.or(below.cache_ttl),
            time_limit: self.time_limit.or(below.time_limit),
            provider: self.provider.or(below.provider),
            hook: self.hook.over(below.hook),
        }
    }
}

fn user_file(environment: &Environment) -> Option<PathBuf> {
    environment.user_settings.clone().filter(|path| path.exists())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    one == other || real(one).is_some_and(|one| real(other) == Some(one))
}

/// The file as its format allows it, before the values are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Typed {
    model: Option<String>,
    effort: Option<Spanned<String>>,
    policy: Option<String>,
    budget: Option<Spanned<toml::Value>>,
    samples: Option<Spanned<u32>>,
    seed: Option<u64>,
    scope: Option<PathBuf>,
    concurrency: Option<Spanned<u32>>,
    #[serde(default)]
    prices: Vec<PathBuf>,
    usage: Option<PathBuf>,
    cache_ttl: Option<Spanned<String>>,
    time_limit: Option<Spanned<String>>,
    provider: Option<String>,
    hook: Option<HookTable>,
}

impl Typed {
    fn resolve(self, text: &str, folder: &Path) -> Result<Settings, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let budget = self.budget.map(|budget| budgets(&budget, text, &mut wrong));
        let settings = Settings {
            model: self.model,
            effort: self.effort.and_then(|effort| parsed(&effort, text, &mut wrong, effort_named)),
            policy: self.policy.map(|policy| relative_policy(&policy, folder)),
            budget: budget.unwrap_or_default(),
            at_most: Vec::new(),
            samples: self.samples.and_then(|n| within(&n, SAMPLES_MAX, text, &mut wrong)),
            seed: self.seed,
            scope: self.scope.map(|scope| folder.join(scope)),
            concurrency: self
                .concurrency
                .and_then(|n| within(&n, CONCURRENCY_MAX, text, &mut wrong)),
            prices: self.prices.into_iter().map(|path| folder.join(path)).collect(),
            usage: self.usage.map(|path| folder.join(path)),
            cache_ttl: self.cache_ttl.and_then(|ttl| parsed(&ttl, text, &mut wrong, cache_ttl)),
            time_limit: self
                .time_limit
                .and_then(|limit| parsed(&limit, text, &mut wrong, time_limit)),
            provider: self.provider,
            hook: self
                .hook
                .map_or_else(HookSettings::default, |hook| hook.resolve(text, &mut wrong)),
        };
        if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
    }
}

/// One amount, or a list of them.
fn budgets(value: &Spanned<toml::Value>, text: &str, wrong: &mut Vec<Diagnostic>) -> Vec<Amount> {
    let amounts = match value.get_ref() {
        toml::Value::Array(amounts) => amounts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let read = |amount: &toml::Value| match amount {
        toml::Value::String(amount) => limit(amount),
        _ => Err("write an amount such as \"10usd\", or a list of amounts".to_owned()),
    };
    match amounts.iter().map(read).collect() {
        Ok(amounts) => amounts,
        Err(message) => {
            wrong.push(diagnostic(text, &value.span(), "settings::value", &message));
            Vec::new()
        }
    }
}

pub(super) fn parsed<T>(
    value: &Spanned<String>,
    text: &str,
    wrong: &mut Vec<Diagnostic>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    match parse(value.get_ref()) {
        Ok(parsed) => Some(parsed),
        Err(message) => {
            wrong.push(diagnostic(text, &value.span(), "settings::value", &message));
            None
        }
    }
}

fn within(value: &Spanned<u32>, most: u32, text: &str, wrong: &mut Vec<Diagnostic>) -> Option<u32> {
    let number = *value.get_ref();
    if (1..=most).contains(&number) {
        return Some(number);
    }
    let message = format!("`{number}` is out of range: write 1 to {most}");
    wrong.push(diagnostic(text, &value.span(), "settings::value", &message));
    None
}

/// A policy that reads as a file lies relative to the settings file; a bare word is a shipped one.
fn relative_policy(policy: &str, folder: &Path) -> String {
    if is_policy_file(policy) {
        folder.join(policy).display().to_string()
    } else {
        policy.to_owned()
    }
}

/// Whether `policy` names a file rather than a shipped policy.
pub fn is_policy_file(policy: &str) -> bool {
    policy.contains(['/', std::path::MAIN_SEPARATOR])
        || Path::new(policy).extension().is_some_and(|end| end.eq_ignore_ascii_case("toml"))
}

/// The effort of that name, or what there is.
pub fn effort_named(name: &str) -> Result<Effort, String> {
    Effort::from_name(name).ok_or_else(|| {
        let names = Effort::ALL.map(Effort::name).join(", ");
        format!("`{name}` is not an effort: write one of {names}")
    })
}

/// A lifetime of cache entries that the Messages API offers: `5m` or `1h`.
pub fn cache_ttl(text: &str) -> Result<CacheTtl, String> {
    match text {
        "5m" => Ok(CacheTtl::FiveMinutes),
        "1h" => Ok(CacheTtl::OneHour),
        _ => Err(format!("`{text}` is not a cache lifetime: write 5m or 1h")),
    }
}

/// An amount that a run can be held under.
pub fn limit(text: &str) -> Result<Amount, String> {
    let refused = |error: AmountError| match error {
        // The units that can be held, in place of all there are.
        AmountError::NoUnit(text) => format!(
            "`{text}` has no unit: write {text}usd, {text}ktok (billed tokens), {text}kout (output \
             tokens) or {text}agents"
        ),
        other => other.to_string(),
    };
    match text.parse::<Amount>().map_err(refused)? {
        Amount::PlanWindow { .. } => Err(format!(
            "`{text}` is a share of a subscription's allowance, which others also use: it cannot \
             be held. Write dollars (5usd), tokens (800ktok, 200kout) or agents (40agents)"
        )),
        held => Ok(held),
    }
}

/// Dollars, zero or more.
pub fn dollars(text: &str) -> Result<Picodollars, String> {
    match limit(text)? {
        Amount::Usd(amount) => Ok(amount),
        _ => Err(format!("`{text}` is not dollars: write 5usd")),
    }
}

/// A length of time with its unit: `250ms`, `90s`, `10m`, `2h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let unreadable = || format!("`{text}` is not a length of time: write 90s, 10m, 2h or 250ms");
    let unit_start = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| {
        format!("`{text}` has no unit: write {text}s, or ms, m, h after the number")
    })?;
    let (number, unit) = text.split_at(unit_start);
    let number: u64 = number.parse().map_err(|_| unreadable())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(unreadable()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(unreadable)
}

/// How long something may take: a [`duration`] in which something can happen.
pub fn time_limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("`{text}` leaves no time at all: write 60s")),
        limit => Ok(limit),
    }
}

/// One message per key that no setting has.
fn unknown_keys(text: &str) -> Vec<Diagnostic> {
    let Ok(table) = toml::de::DeTable::parse(text) else {
        return Vec::new();
    };
    table
        .get_ref()
        .iter()
        .map(|(key, _)| key)
        .filter(|key| !KEYS.contains(&key.get_ref().as_ref()))
        .map(|key| {
            let name = key.get_ref();
            let message = format!("there is no setting `{name}`");
            let help = match closest(name, &KEYS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the settings are {}", KEYS.join(", ")),
            };
            diagnostic(text, &key.span(), "settings::unknown-key", &message).with_help(help)
        })
        .collect()
}

/// The one of `names` that `typed` was probably meant to be.
pub fn closest<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
    let typed = typed.replace('_', "-");
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&typed, name), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn diagnostic(text: &str, span: &Range<usize>, code: &str, message: &str) -> Diagnostic {
    let place = Place::at(text, span.start, span.end.saturating_sub(span.start));
    Diagnostic::new(Severity::Error, code, message).with_place(place)
}
