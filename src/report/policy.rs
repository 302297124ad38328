//! What a policy does, and why it decided as it did for each stage of a workflow.
//!
//! Owns wording and layout of `policy check` and `policy explain`. Decides nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::page::{Page, clean, width_of, wrapped};
use crate::diagnostic::{Diagnostic, Severity};
use crate::gate::Gate;
use crate::id::ModelId;
use crate::policy::{
    ConditionTrace, Pinned, PlanLimits, Policy, Questions, Routing, RuleOutcome, RuleTrace,
    StepDownRouting, Thresholds,
};
use crate::role::Role;

/// The version of the JSON shapes here; grows when a field changes its meaning or goes away.
pub const POLICY_REPORT_VERSION: u32 = 1;

/// Columns of the labels at the left.
const LABEL_WIDTH: usize = 12;
/// Columns by which later lines of a numbered rule are further in.
const HANG: usize = 2;

/// `policy check` for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyCheckReport {
    /// [`POLICY_REPORT_VERSION`].
    pub version: u32,
    /// The policy's own name.
    pub policy: String,
    /// Its description.
    pub description: String,
    /// SHA-256 of its text, lower-case hex.
    pub hash: String,
    /// Names of its rules, in order.
    pub rules: Vec<String>,
    /// Names of its step-downs, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub step_downs: Vec<String>,
    /// What is doubtful about it.
    pub diagnostics: Vec<Diagnostic>,
}

/// `policy explain` for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyExplainReport {
    /// [`POLICY_REPORT_VERSION`].
    pub version: u32,
    /// The policy's own name.
    pub policy: String,
    /// Each stage, in first-call order.
    pub stages: Vec<ExplainedStage>,
}

/// One stage and what the policy decided for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedStage {
    /// Its name in the plan.
    pub name: String,
    /// Its phase; empty for none.
    pub phase: String,
    /// Its part.
    pub role: Role,
    /// Agents in the median sample.
    pub agents_p50: u64,
    /// The model it runs on without a policy; null where that is unknown.
    pub as_written: Option<ModelId>,
    /// `opts.model`; null for the session's model.
    pub requested: Option<String>,
    /// What was decided, and why.
    pub routing: Routing,
}

impl PolicyCheckReport {
    /// What is said about `policy`.
    pub fn of(policy: &Policy, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            version: POLICY_REPORT_VERSION,
            policy: policy.name().to_owned(),
            description: policy.description().to_owned(),
            hash: policy.hash().to_owned(),
            rules: policy.rules().iter().map(|rule| rule.name().to_owned()).collect(),
            step_downs: policy.step_downs().iter().map(|step| step.name().to_owned()).collect(),
            diagnostics,
        }
    }
}

/// What `policy` does, and what is doubtful about it. `file` is what people know it as.
pub fn check(policy: &Policy, diagnostics: &[Diagnostic], file: &str, page: Page) -> String {
    let mut lines = Lines::new(page);
    lines.pair(policy.name(), policy.description());
    lines.pair("pinned", pinned_words(policy.pinned()));
    rules(policy, &mut lines);
    step_downs(policy, &mut lines);
    if let Some(other) = policy.suggests() {
        lines.pair("suggests", &format!("{other}: a plan shows what it would save"));
    }
    if policy.budgets().is_empty() {
        lines.pair("budgets", "none of its own");
    }
    for (index, limit) in policy.budgets().iter().enumerate() {
        let label = if index == 0 { "budgets" } else { "" };
        lines.pair(label, &format!("{} {}", limit.scope, limit.amount));
    }
    thresholds(policy, &mut lines);
    if diagnostics.is_empty() {
        lines.pair("problems", "none");
    }
    for diagnostic in diagnostics {
        lines.pair(severity(diagnostic.severity), &located(diagnostic, file));
        if let Some(help) = &diagnostic.help {
            lines.pair("", &format!("help: {help}"));
        }
    }
    lines.finish()
}

fn pinned_words(pinned: Pinned) -> &'static str {
    match pinned {
        Pinned::Respect => "models and efforts that the script asks for stay",
        Pinned::Override => "rules may replace models and efforts that the script asks for",
    }
}

fn rules(policy: &Policy, lines: &mut Lines) {
    if policy.rules().is_empty() {
        lines.pair("rules", "none: every stage stays as written");
        return;
    }
    for (index, rule) in policy.rules().iter().enumerate() {
        let label = if index == 0 { "rules" } else { "" };
        let conditions = rule.conditions();
        lines.hanging(label, &format!("{} {}: {}", index + 1, rule.name(), rule.action()));
        lines.indented(4, &when(&conditions, rule.pinned(), policy));
    }
}

fn step_downs(policy: &Policy, lines: &mut Lines) {
    for (index, step) in policy.step_downs().iter().enumerate() {
        let label = if index == 0 { "step-downs" } else { "" };
        let share = percent(step.above_per_mille().into());
        let models: Vec<&str> = step.models().iter().map(|model| model.name.as_str()).collect();
        let models = models.join(", then ");
        let (number, name) = (index + 1, step.name());
        let text = format!("{number} {name}: above {share} of a budget, model {models}");
        lines.hanging(label, &text);
        lines.indented(4, &when(&step.conditions(), step.pinned(), policy));
    }
}

/// Which stages match, and what holds for their pinned models where that differs.
fn when(conditions: &[String], own: Option<Pinned>, policy: &Policy) -> String {
    let when = if conditions.is_empty() { "all stages".to_owned() } else { conditions.join(", ") };
    let own = own.filter(|own| *own != policy.pinned());
    when + &own.map_or_else(String::new, |own| format!("; {}", pinned_words(own)))
}

fn thresholds(policy: &Policy, lines: &mut Lines) {
    let Thresholds { ask, deny, warn_per_mille } = policy.thresholds();
    let asks = limits(ask);
    let denies = limits(deny);
    let word = match policy.questions() {
        Questions::Ask => "asks",
        Questions::Deny => "also denies (nobody is asked)",
    };
    lines.pair("thresholds", &format!("denies {denies}"));
    lines.pair("", &format!("{word} {asks}"));
    let shares: Vec<String> = warn_per_mille.iter().map(|share| percent(*share)).collect();
    if !shares.is_empty() {
        lines.pair("", &format!("warns at {} of a budget spent", shares.join(", ")));
    }
}

fn limits(limits: &PlanLimits) -> String {
    let mut parts = Vec::new();
    if let Some(share) = limits.exceed_per_mille {
        parts.push(format!("where more than {} of runs pass a budget", percent(share)));
    }
    if let Some(agents) = limits.agents_p90 {
        parts.push(format!("above {agents} agents"));
    }
    if let Some(cost) = limits.cost_p90 {
        parts.push(format!("above {cost}"));
    }
    if let Some(files) = limits.files {
        parts.push(format!("above {files} files in the folder"));
    }
    if let Some(minutes) = limits.minutes_p90 {
        parts.push(format!("above {minutes} minutes"));
    }
    if limits.unbounded {
        parts.push("where nothing bounds the agents".to_owned());
    }
    if parts.is_empty() { "never".to_owned() } else { parts.join(", ") }
}

/// A share as it was written: `12.5 %`.
pub(super) fn percent(per_mille: u32) -> String {
    match per_mille % 10 {
        0 => format!("{} %", per_mille / 10),
        tenth => format!("{}.{tenth} %", per_mille / 10),
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn located(diagnostic: &Diagnostic, file: &str) -> String {
    match &diagnostic.place {
        Some(place) => {
            format!("{file}:{}:{}: {}", place.line, place.column, diagnostic.message)
        }
        None => format!("{file}: {}", diagnostic.message),
    }
}

/// Why `report.policy` decided as it did for each stage.
pub fn explain(report: &PolicyExplainReport, page: Page) -> String {
    let mut lines = Lines::new(page);
    if report.stages.is_empty() {
        lines.pair(&report.policy, "no stages to explain");
    }
    for (index, stage) in report.stages.iter().enumerate() {
        if index > 0 {
            lines.blank();
        }
        explain_stage(stage, &mut lines);
    }
    lines.finish()
}

fn explain_stage(stage: &ExplainedStage, lines: &mut Lines) {
    let routing = &stage.routing;
    let phase = if stage.phase.is_empty() { String::new() } else { format!(" in {}", stage.phase) };
    let agents = if stage.agents_p50 == 1 { "agent" } else { "agents" };
    lines.flush_left(&format!(
        "{}{phase}: {}, {} {agents}",
        stage.name,
        stage.role.name(),
        stage.agents_p50
    ));
    let asked = stage.requested.as_deref().unwrap_or("session");
    let written = stage.as_written.as_ref().map_or("unknown", |model| &model.0);
    let from = if asked == written { asked.to_owned() } else { format!("{asked} ({written})") };
    let to = match &routing.model {
        Some(model) => format!("{from} -> {model} [{}]", routing.rule),
        None => format!("{from}, stays [{}]", routing.rule),
    };
    lines.pair("  model", &to);
    if let Some(effort) = routing.effort {
        lines.pair("  effort", effort.name());
    }
    if let Some(cap) = routing.output_cap_tokens {
        lines.pair("  output", &format!("at most {cap} tokens per request"));
    }
    if let Some(costs) = routing.costs {
        let text = format!("{} expected, {} as written", costs.routed_usd, costs.as_written_usd);
        lines.pair("  cost", &text);
    }
    if routing.gate != Gate::Allow {
        let label = if routing.gate == Gate::Deny { "  denied" } else { "  asks" };
        lines.pair(label, routing.gate_reason.as_deref().unwrap_or(""));
    }
    for refusal in &routing.refusals {
        let text = format!("{} [{}]: {}", refusal.model, refusal.rule, refusal.reason);
        lines.pair("  refused", &text);
    }
    for note in &routing.notes {
        lines.pair("  note", note);
    }
    for (index, rule) in routing.trace.iter().enumerate() {
        let label = if index == 0 { "  rules" } else { "" };
        lines.hanging(label, &trace_words(index + 1, rule));
    }
    explain_steps(&routing.step_downs, lines);
}

/// Where a stage goes when a budget runs out, what was refused, and why each step-down matched or
/// did not.
fn explain_steps(steps: &[StepDownRouting], lines: &mut Lines) {
    for step in steps {
        let share = percent(step.above_per_mille.into());
        if let Some(route) = &step.route {
            let effort = route.effort.map_or(String::new(), |effort| format!(" {}", effort.name()));
            let (then, now) = (route.stepped_usd, route.routed_usd);
            let text = format!(
                "above {share} of a budget -> {}{effort} [{}]: {then} expected, {now} as routed",
                route.model, step.rule
            );
            lines.pair("  step-down", &text);
        }
        for refusal in &step.refusals {
            let text = format!("{} [{}]: {}", refusal.model, refusal.rule, refusal.reason);
            lines.pair("  refused", &text);
        }
        for note in &step.notes {
            lines.pair("  note", &format!("{}: {note}", step.rule));
        }
    }
    for (index, step) in steps.iter().enumerate() {
        let label = if index == 0 { "  steps" } else { "" };
        let share = percent(step.above_per_mille.into());
        let why = why(step.outcome, &step.conditions);
        let text = format!("{} {} (line {}) above {share} {why}", index + 1, step.rule, step.line);
        lines.hanging(label, &text);
    }
}

/// `2 fanout (line 22): no, role is fan-out: single`.
fn trace_words(number: usize, rule: &RuleTrace) -> String {
    let why = why(rule.outcome, &rule.conditions);
    format!("{number} {} (line {}) {why}", rule.rule, rule.line)
}

fn why(outcome: RuleOutcome, conditions: &[ConditionTrace]) -> String {
    let listed = |words: Vec<String>| words.join(", ");
    let all = conditions.is_empty();
    let conditions = conditions.iter();
    match outcome {
        RuleOutcome::Matched if all => "MATCHED: all stages".to_owned(),
        RuleOutcome::Matched => {
            format!("MATCHED: {}", listed(conditions.map(|c| c.condition.clone()).collect()))
        }
        RuleOutcome::Missed => {
            let missed = conditions.filter(|c| !c.holds);
            let words = missed.map(|c| format!("{} (it is {})", c.condition, c.found));
            format!("no: {}", listed(words.collect()))
        }
        RuleOutcome::NotReached => "not reached".to_owned(),
    }
}

/// Labelled text that wraps under itself.
struct Lines {
    page: Page,
    text: String,
}

impl Lines {
    const fn new(page: Page) -> Self {
        Self { page, text: String::new() }
    }

    /// A label and its text; a label that is too long gets a line of its own.
    fn pair(&mut self, label: &str, text: &str) {
        self.labelled(label, text, 0);
    }

    /// The same for an entry of a numbered list: its later lines stand under its words.
    fn hanging(&mut self, label: &str, text: &str) {
        self.labelled(label, text, HANG);
    }

    fn labelled(&mut self, label: &str, text: &str, hang: usize) {
        let label = clean(label);
        let fits = width_of(&label) < LABEL_WIDTH;
        if !fits {
            self.flush_left(&label);
        }
        let mut head = if fits { label } else { String::new() };
        let mut margin = LABEL_WIDTH;
        let room = self.page.message_width() - LABEL_WIDTH;
        // What fits on its first line needs no room for others.
        let lines = match wrapped(text, room) {
            one if one.len() == 1 => one,
            _ => wrapped(text, room - hang),
        };
        for line in lines {
            let gap = " ".repeat(margin - width_of(&head));
            self.push(&format!("{head}{gap}{line}"));
            head.clear();
            margin = LABEL_WIDTH + hang;
        }
    }

    /// Text under the text of a pair, `by` columns further in.
    fn indented(&mut self, by: usize, text: &str) {
        let margin = " ".repeat(LABEL_WIDTH + by);
        for line in wrapped(text, self.page.message_width() - LABEL_WIDTH - by) {
            self.push(&format!("{margin}{line}"));
        }
    }

    fn flush_left(&mut self, text: &str) {
        for line in wrapped(text, self.page.message_width()) {
            self.push(&line);
        }
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn finish(self) -> String {
        self.text
    }
}
