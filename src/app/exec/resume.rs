//! How to go on with a run that a budget has stopped: which budget to raise, by how much, and what to
//! start then.

use super::super::gateway::raising;
use super::account::RunAccount;
use super::gather::Gathered;
use super::hold::Client;
use super::seen::Seen;
use crate::amount::Amount;
use crate::budget::{Quantity, Unit};
use crate::claude::outcome::WorkflowOutcome;
use crate::claude::shell_command::shell_word;
use crate::cli::exec::ExecTyped;
use crate::cli::gateway::Guarantee;
use crate::ledger_place::LedgerPlace;
use crate::money::Picodollars;
use crate::report::exec::Resume;
use crate::report::number;

/// What to write where nobody knows how much is needed.
const UNKNOWN: &str = "AMOUNT";

/// What the advice rests on.
pub(super) struct Stopped<'a> {
    pub(super) typed: &'a ExecTyped,
    pub(super) client: &'a Client<'a>,
    pub(super) run: &'a str,
    pub(super) account: &'a RunAccount,
    /// What the run has taken in all.
    pub(super) spent: Picodollars,
}

impl Stopped<'_> {
    /// How to go on; `None` where nothing was refused.
    pub(super) fn resume(&self, seen: &Seen, gathered: &Gathered) -> Option<Resume> {
        if seen.shortages.is_empty() {
            return None;
        }
        let left = left(&gathered.workflows);
        let own = self.account.name();
        let mut commands = Vec::new();
        let mut budgets: Vec<String> = self.typed.budget.iter().map(Amount::to_string).collect();
        for (scope, shortage) in &seen.shortages {
            let needed = match (shortage.unit, shortage.needed) {
                (Unit::Usd, Quantity::Usd(usd)) => left.map(|left| left + usd),
                _ => None,
            };
            if *scope == own {
                // What is limited in another unit keeps its limit, unless that is what was short.
                budgets = self.raised(shortage.unit, needed.map(|needed| self.spent + needed));
            } else {
                let amount = needed.map_or_else(|| UNKNOWN.to_owned(), number::budget_flag);
                commands.extend(raising(scope, &amount));
            }
        }
        commands.push(self.again(&budgets, gathered));
        let tell = if self.client.prints() { Vec::new() } else { calls(&gathered.workflows) };
        Some(Resume { commands, tell })
    }

    /// The budgets with the one in `unit` at `usd`.
    fn raised(&self, unit: Unit, usd: Option<Picodollars>) -> Vec<String> {
        let is_short = |amount: &Amount| match amount {
            Amount::Usd(_) => unit == Unit::Usd,
            Amount::BilledTokens(_) => unit == Unit::BilledTokens,
            Amount::OutputTokens(_) => unit == Unit::OutputTokens,
            Amount::Agents(_) => unit == Unit::Agents,
            Amount::PlanWindow { .. } => false,
        };
        let others = self.typed.budget.iter().filter(|amount| !is_short(amount));
        let mut budgets: Vec<String> = others.map(Amount::to_string).collect();
        budgets.insert(0, usd.map_or_else(|| UNKNOWN.to_owned(), number::budget_flag));
        budgets
    }

    /// The command that goes on with the run.
    fn again(&self, budgets: &[String], gathered: &Gathered) -> String {
        let mut words = vec!["flyball".to_owned(), "exec".to_owned()];
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        flag("--run", self.run.to_owned());
        for budget in budgets {
            flag("--budget", budget.clone());
        }
        for (name, value) in flags(self.typed) {
            flag(name, value);
        }
        if self.typed.no_hook {
            words.push("--no-hook".to_owned());
        }
        words.push("--".to_owned());
        words.push(self.client.program.to_string_lossy().into_owned());
        if !self.client.is_claude_code {
            words.extend(self.client.arguments.iter().map(|word| word.to_string_lossy().into()));
        } else if let Some(session) = &gathered.last_session {
            words.extend(["--resume".to_owned(), session.clone()]);
            if self.client.prints() {
                words.extend(["-p", "--allowedTools", "Workflow", "--"].map(str::to_owned));
                let calls = calls(&gathered.workflows);
                words.push(if calls.is_empty() { "Go on".to_owned() } else { calls.join(" ") });
            }
        }
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        words.join(" ")
    }
}

/// The flags that a second command has in common with the first.
fn flags(typed: &ExecTyped) -> Vec<(&'static str, String)> {
    let mut flags = Vec::new();
    let mut add = |name, value: Option<String>| flags.extend(value.map(|value| (name, value)));
    add("--policy", typed.policy.clone());
    add("--project", typed.project.clone());
    add("--gateway", typed.gateway.clone());
    let upstream = (typed.upstream != UPSTREAM_DEFAULT).then(|| typed.upstream.clone());
    add("--upstream", upstream.filter(|_| typed.gateway.is_none()));
    let metered = (typed.guarantee == Guarantee::Metered).then(|| "metered".to_owned());
    add("--guarantee", metered);
    add("--subagent-model", typed.subagent_model.clone());
    for prices in &typed.prices {
        add("--prices", Some(prices.display().to_string()));
    }
    // The URL of a database has a password in it.
    if let Some(LedgerPlace::File(path)) = &typed.ledger.ledger {
        add("--ledger", Some(path.display().to_string()));
    }
    flags
}

/// As `--upstream` has it.
const UPSTREAM_DEFAULT: &str = "https://api.anthropic.com";

/// What finishing all workflows needs at most; `None` where one of them cannot say.
fn left(workflows: &[WorkflowOutcome]) -> Option<Picodollars> {
    let unfinished = workflows.iter().filter(|workflow| workflow.calls.left() > 0);
    unfinished.map(|workflow| Some(workflow.to_finish.as_ref()?.usd_high)).sum()
}

/// The calls that go on with workflows.
fn calls(workflows: &[WorkflowOutcome]) -> Vec<String> {
    let unfinished = workflows.iter().filter(|workflow| workflow.calls.left() > 0);
    let call = |workflow: &WorkflowOutcome| {
        let script = serde_json::to_string(workflow.script.as_ref()?).ok()?;
        Some(format!(
            "Call Workflow({{scriptPath: {script}, resumeFromRunId: \"{}\"}}), with the args it had",
            workflow.run
        ))
    };
    unfinished.filter_map(call).collect()
}
