//! The `[thresholds]` table: when a plan asks first, when it is denied, when a run warns.

use super::budgets::amount;
use super::error::Problems;
use super::reader::{Fields, Value, boolean, items, table, text, whole};
use crate::amount::Amount;
use crate::gate::Gate;
use crate::money::{PICO_PER_USD, Picodollars};

const THRESHOLD_KEYS: [&str; 3] = ["ask", "deny", "warn"];
const LIMIT_KEYS: [&str; 6] = ["exceed", "agents", "cost", "minutes", "unbounded", "files"];

/// A plan that passes any of these is asked about, or denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanLimits {
    /// Tolerated share of runs that pass a budget, per mille.
    pub exceed_per_mille: Option<u32>,
    /// Agents in nine of ten runs.
    pub agents_p90: Option<u64>,
    /// Cost of nine of ten runs.
    pub cost_p90: Option<Picodollars>,
    /// Minutes of nine of ten runs.
    pub minutes_p90: Option<u64>,
    /// Whether nothing in the script bounding the run is enough.
    pub unbounded: bool,
    /// Files in the folder that the run is about, where they were counted.
    pub files: Option<u64>,
}

/// When a plan asks first, when it is denied, when a run warns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Above any of these a plan asks first.
    pub ask: PlanLimits,
    /// Above any of these a plan is denied.
    pub deny: PlanLimits,
    /// A run warns when this much of a budget is spent, per mille, ascending.
    pub warn_per_mille: Vec<u32>,
}

impl Default for Thresholds {
    /// Asks where more than 10 % of runs pass a budget, warns at 75 and 90 %. Nothing is denied: a
    /// run under a budget that is too small is stopped by it, and somebody may want just that.
    fn default() -> Self {
        Self {
            ask: PlanLimits { exceed_per_mille: Some(100), ..PlanLimits::default() },
            deny: PlanLimits::default(),
            warn_per_mille: vec![750, 900],
        }
    }
}

/// What a plan found, as far as thresholds care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanMeasures {
    /// The largest share of runs that pass one of the budgets, per mille; `None` without a budget.
    pub exceeded_per_mille: Option<u32>,
    /// Agents in nine of ten runs.
    pub agents_p90: u64,
    /// Cost of nine of ten runs; `None` where it is unknown, which passes every cost threshold.
    pub cost_p90: Option<Picodollars>,
    /// Seconds that nine of ten runs take.
    pub wall_seconds_p90: u64,
    /// Whether the script or its schemas bound the number of agents.
    pub bounded: bool,
    /// Files in the folder that the run is about; `None` where nobody counted them.
    pub files: Option<u64>,
}

/// Whether a plan may go ahead, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The strictest gate that follows.
    pub gate: Gate,
    /// One line for each threshold that was passed, the strictest first.
    pub reasons: Vec<String>,
}

impl PlanLimits {
    /// One line for each limit that `plan` passes.
    fn passed(&self, plan: &PlanMeasures, word: &str) -> Vec<String> {
        let mut reasons = Vec::new();
        if let (Some(limit), Some(found)) = (self.exceed_per_mille, plan.exceeded_per_mille)
            && found > limit
        {
            let (found, limit) = (percent(found), percent(limit));
            reasons.push(format!("{found} of runs pass the budget; {word} above {limit}"));
        }
        if let Some(limit) = self.agents_p90
            && plan.agents_p90 > limit
        {
            let found = plan.agents_p90;
            reasons.push(format!("{found} agents in 9 of 10 runs; {word} above {limit}"));
        }
        if let Some(limit) = self.cost_p90
            && plan.cost_p90.is_none_or(|found| found > limit)
        {
            let found = plan.cost_p90.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string());
            reasons.push(format!("cost of 9 of 10 runs is {found}; {word} above {limit}"));
        }
        if let Some(limit) = self.minutes_p90
            && plan.wall_seconds_p90 > limit.saturating_mul(60)
        {
            let found = plan.wall_seconds_p90.div_ceil(60);
            reasons.push(format!("{found} minutes in 9 of 10 runs; {word} above {limit}"));
        }
        if let (Some(limit), Some(found)) = (self.files, plan.files)
            && found > limit
        {
            reasons.push(format!("{found} files in the folder; {word} above {limit}"));
        }
        if self.unbounded && !plan.bounded {
            reasons.push(format!("nothing in the script bounds its agents; {word} without"));
        }
        reasons
    }
}

impl Thresholds {
    /// Holds a plan against every threshold.
    pub fn judge(&self, plan: &PlanMeasures) -> Judgement {
        let denied = self.deny.passed(plan, "denied");
        let asked = self.ask.passed(plan, "asks");
        let gate = match (denied.is_empty(), asked.is_empty()) {
            (false, _) => Gate::Deny,
            (true, false) => Gate::Ask,
            (true, true) => Gate::Allow,
        };
        let reasons = if gate == Gate::Deny { denied } else { asked };
        Judgement { gate, reasons }
    }

    pub(super) fn read(value: &Value<'_>, problems: &mut Problems<'_>) -> Self {
        let mut thresholds = Self::default();
        let Some(fields) = table(value, "thresholds", problems) else { return thresholds };
        let fields = Fields::open(fields, "[thresholds]", &THRESHOLD_KEYS, problems);
        if let Some(value) = fields.get("ask") {
            read_limits(value, "ask", &mut thresholds.ask, problems);
        }
        if let Some(value) = fields.get("deny") {
            read_limits(value, "deny", &mut thresholds.deny, problems);
        }
        if let Some(value) = fields.get("warn") {
            let shares = items(value).into_iter();
            thresholds.warn_per_mille =
                shares.filter_map(|share| read_percent(share, "warn", problems)).collect();
            thresholds.warn_per_mille.sort_unstable();
            thresholds.warn_per_mille.dedup();
        }
        thresholds
    }
}

/// Replaces what the table names; the rest keeps its default.
fn read_limits(value: &Value<'_>, key: &str, limits: &mut PlanLimits, problems: &mut Problems<'_>) {
    let Some(inner) = table(value, key, problems) else { return };
    let fields = Fields::open(inner, &format!("`{key}`"), &LIMIT_KEYS, problems);
    if let Some(value) = fields.get("exceed") {
        limits.exceed_per_mille = read_percent(value, "exceed", problems);
    }
    if let Some(value) = fields.get("agents") {
        limits.agents_p90 = whole(value, "agents", problems);
    }
    if let Some(value) = fields.get("minutes") {
        limits.minutes_p90 = whole(value, "minutes", problems);
    }
    if let Some(value) = fields.get("files") {
        limits.files = whole(value, "files", problems);
    }
    if let Some(value) = fields.get("unbounded") {
        limits.unbounded = boolean(value, "unbounded", problems).unwrap_or(false);
    }
    if let Some(value) = fields.get("cost") {
        match amount(value, "cost", problems) {
            Some(Amount::Usd(cost)) => limits.cost_p90 = Some(cost),
            Some(_) => {
                let message = "`cost` is an amount of dollars";
                let help = "write \"$5\"; tokens and agents belong in [budget]".to_owned();
                problems.error("policy::amount", value.span(), message, Some(help));
            }
            None => {}
        }
    }
}

/// A share such as `"10%"` or `"2.5%"`, per mille.
pub(super) fn read_percent(
    value: &Value<'_>,
    key: &str,
    problems: &mut Problems<'_>,
) -> Option<u32> {
    let share = value.get_ref().as_str().and_then(|text| {
        let exact: Picodollars = text.trim().strip_suffix('%')?.trim_end().parse().ok()?;
        let per_mille = exact.pico().checked_mul(10)?;
        let whole = per_mille % PICO_PER_USD == 0;
        whole.then_some(per_mille / PICO_PER_USD).and_then(|share| u32::try_from(share).ok())
    });
    let share = share.filter(|share| *share <= 1_000);
    if share.is_none() {
        let found = text_of(value);
        let message = format!("`{key}` is not a share: {found}");
        let help = "write \"10%\", from 0% to 100%, in steps of 0.1%".to_owned();
        problems.error("policy::share", value.span(), message, Some(help));
    }
    share
}

fn text_of(value: &Value<'_>) -> String {
    let mut quiet = Problems::new("");
    text(value, "", &mut quiet)
        .map_or_else(|| value.get_ref().type_str().to_owned(), |text| format!("`{}`", text.text))
}

/// `12.5 %` from 125.
pub(super) fn percent(per_mille: u32) -> String {
    match per_mille % 10 {
        0 => format!("{} %", per_mille / 10),
        tenth => format!("{}.{tenth} %", per_mille / 10),
    }
}
