//! Reads the `when` table of a rule.

use toml::de::DeTable;

use super::condition::{Condition, Conditions, EffortSet};
use super::error::Problems;
use super::number_range::NumberRange;
use super::pattern::Pattern;
use super::reader::{Fields, Text, Value, as_whole, boolean, choice, table, texts, whole};
use crate::effort::Effort;
use crate::role::Role;

/// The keys of `when`, as documented.
const WHEN_KEYS: [&str; 13] = [
    "stage",
    "phase",
    "label",
    "agent_type",
    "role",
    "width",
    "schema",
    "effort",
    "model",
    "runs_on",
    "isolation",
    "context_tokens",
    "not",
];

pub(super) fn conditions(value: &Value<'_>, problems: &mut Problems<'_>) -> Conditions {
    let mut conditions = Conditions::default();
    let Some(when) = table(value, "when", problems) else { return conditions };
    let fields = Fields::open(when, "`when`", &WHEN_KEYS, problems);
    conditions.all = each(&fields, problems);
    if let Some(not) = fields.get("not")
        && let Some(inner) = table(not, "not", problems)
    {
        conditions.none = negated(inner, not, problems);
    }
    conditions
}

fn negated(inner: &DeTable<'_>, not: &Value<'_>, problems: &mut Problems<'_>) -> Vec<Condition> {
    let known: Vec<&str> = WHEN_KEYS.into_iter().filter(|key| *key != "not").collect();
    let fields = Fields::open(inner, "`not`", &known, problems);
    if fields.is_empty() {
        let help = "name what must not hold, or leave `not` out".to_owned();
        problems.error("policy::empty", not.span(), "`not` is empty", Some(help));
    }
    each(&fields, problems)
}

/// The conditions of one table, in the order of [`WHEN_KEYS`].
fn each(fields: &Fields<'_, '_>, problems: &mut Problems<'_>) -> Vec<Condition> {
    let mut found = Vec::new();
    for key in WHEN_KEYS {
        let Some(value) = fields.get(key) else { continue };
        let condition = match key {
            "stage" => patterns(value, key, problems).map(Condition::Stage),
            "phase" => patterns(value, key, problems).map(Condition::Phase),
            "label" => patterns(value, key, problems).map(Condition::Label),
            "agent_type" => patterns(value, key, problems).map(Condition::AgentType),
            "model" => patterns(value, key, problems).map(Condition::Model),
            "runs_on" => patterns(value, key, problems).map(Condition::RunsOn),
            "role" => roles(value, problems),
            "width" => range(value, key, problems).map(Condition::Width),
            "context_tokens" => range(value, key, problems).map(Condition::ContextTokens),
            "schema" => schema(value, problems),
            "effort" => efforts(value, problems),
            "isolation" => isolation(value, problems),
            _ => None,
        };
        found.extend(condition);
    }
    found
}

fn patterns(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Pattern>> {
    let patterns: Vec<_> =
        texts(value, key, problems).iter().map(|text| Pattern::new(&text.text)).collect();
    (!patterns.is_empty()).then_some(patterns)
}

fn roles(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Condition> {
    let options = [Role::FanOut, Role::Reduce, Role::Single].map(|role| (role.name(), role));
    let roles: Vec<_> = texts(value, "role", problems)
        .iter()
        .filter_map(|text| choice(text, "role", &options, problems))
        .collect();
    (!roles.is_empty()).then_some(Condition::Role(roles))
}

fn isolation(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Condition> {
    let text = super::reader::text(value, "isolation", problems)?;
    let options = [("worktree", true), ("none", false)];
    choice(&text, "isolation", &options, problems).map(Condition::Worktree)
}

fn schema(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Condition> {
    if value.get_ref().is_bool() {
        return boolean(value, "schema", problems).map(Condition::HasSchema);
    }
    if !value.get_ref().is_str() && !value.get_ref().is_array() {
        let message = "`schema` must be true, false, or the name of one of its properties";
        problems.error("policy::wrong-type", value.span(), message, None);
        return None;
    }
    patterns(value, "schema", problems).map(Condition::SchemaProperty)
}

/// A whole number, a text such as `">= 8"`, or a table with `min` and `max`.
fn range(value: &Value<'_>, key: &str, problems: &mut Problems<'_>) -> Option<NumberRange> {
    if let Some(n) = as_whole(value) {
        return Some(NumberRange { min: n, max: n });
    }
    let range = if let Some(inner) = value.get_ref().as_table() {
        let fields = Fields::open(inner, &format!("`{key}`"), &["min", "max"], problems);
        let min = fields.get("min").map_or(Some(0), |min| whole(min, "min", problems))?;
        let max = fields.get("max").map_or(Some(u64::MAX), |max| whole(max, "max", problems))?;
        (min <= max && !fields.is_empty()).then_some(NumberRange { min, max })
    } else {
        value.get_ref().as_str().and_then(NumberRange::parse)
    };
    if range.is_none() {
        let message = format!("`{key}` is not a range of whole numbers");
        let help = NumberRange::FORMS.to_owned();
        problems.error("policy::range", value.span(), message, Some(help));
    }
    range
}

fn efforts(value: &Value<'_>, problems: &mut Problems<'_>) -> Option<Condition> {
    let texts = texts(value, "effort", problems);
    let mut set = EffortSet { levels: Vec::new(), session: false, written: String::new() };
    for text in &texts {
        effort(text, &mut set, problems)?;
    }
    if texts.is_empty() {
        return None;
    }
    set.written = texts.iter().map(|text| text.text.trim()).collect::<Vec<_>>().join(" or ");
    set.levels.sort_unstable();
    set.levels.dedup();
    Some(Condition::Effort(set))
}

/// One word of an effort condition: `high`, `>= high`, `session`.
fn effort(text: &Text, set: &mut EffortSet, problems: &mut Problems<'_>) -> Option<()> {
    type Compare = fn(&Effort, &Effort) -> bool;
    const SIGNS: [(&str, Compare); 4] =
        [(">=", Effort::ge), ("<=", Effort::le), (">", Effort::gt), ("<", Effort::lt)];
    let trimmed = text.text.trim();
    let signed =
        SIGNS.iter().find_map(|(sign, compare)| Some((trimmed.strip_prefix(sign)?, *compare)));
    let (level, compare) = signed.unwrap_or((trimmed, Effort::eq as Compare));
    let mut options: Vec<(&str, Option<Effort>)> =
        Effort::ALL.iter().map(|effort| (effort.name(), Some(*effort))).collect();
    if signed.is_none() {
        options.push((super::candidate::SESSION, None));
    }
    let level = Text { text: level.trim().to_owned(), span: text.span.clone() };
    match choice(&level, "effort", &options, problems)? {
        Some(bound) => set.levels.extend(Effort::ALL.iter().filter(|e| compare(e, &bound))),
        None => set.session = true,
    }
    Some(())
}
