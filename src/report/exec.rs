//! What a client came to that ran under a budget. Owns the published shape of that report.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number;
use super::page::{Page, clean, fitted, width_of};
use super::sheet::Sheet;
use crate::budget::{Quantity, Unit, UnitBalance};
use crate::claude::outcome::{AgentOutcome, CallEnding, Forecast, PhaseOutcome, WorkflowOutcome};
use crate::money::Picodollars;

/// The version of the JSON shape; grows when a field changes its meaning or goes away.
pub const EXEC_REPORT_VERSION: u32 = 1;

/// Labels of agents that are named; more are counted.
const NAMED_MAX: usize = 8;
/// Columns of a title.
const TITLE_WIDTH_MAX: usize = 24;

/// What a client came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecReport {
    /// [`EXEC_REPORT_VERSION`].
    pub version: u32,
    /// The run.
    pub run: String,
    /// The project that is charged.
    pub project: String,
    /// The client, and how it ended.
    pub client: ClientEnd,
    /// The balance of the run: dollars, and what else is limited; what it took before included.
    pub budget: Vec<UnitBalance>,
    /// What the run had taken before.
    pub spent_before_usd: Picodollars,
    /// What this command was charged.
    pub spent_usd: Picodollars,
    /// What main loops were charged, of that; null where nobody tells which agent took what.
    pub main_usd: Option<Picodollars>,
    /// What it is told by agent from: `gateway`; where the gateway is another process, `transcripts`,
    /// then at list price, or `ledger`, which knows no agents.
    pub told_by: String,
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that were refused for good; null where the gateway is another process and no longer
    /// says.
    pub refused_requests: Option<u64>,
    /// Scopes that were short of something, each as its last refusal said it.
    pub refusals: Vec<String>,
    /// Requests that failed: neither answered nor short of a budget; null as above.
    pub failed_requests: Option<u64>,
    /// Why they did, the most frequent cause first; none where the gateway is another process.
    pub failures: Vec<Failure>,
    /// Workflows, in the order of their sessions and ids.
    pub workflows: Vec<WorkflowOutcome>,
    /// Agents that no workflow started.
    pub other_agents: Vec<AgentOutcome>,
    /// Launches that were not let through as they were.
    pub launches: Vec<LaunchDecided>,
    /// How to go on; null where nothing was refused, or the gateway is another process.
    pub resume: Option<Resume>,
    /// Requests that went around the gateway.
    pub bypassed: Vec<Bypass>,
    /// What else is to be said.
    pub notices: Vec<String>,
}

/// A client that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientEnd {
    /// The program.
    pub program: String,
    /// Its exit code; null where a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it ran, seconds.
    pub seconds: u64,
}

/// Requests that failed of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What that was.
    pub cause: String,
    /// How many.
    pub requests: u64,
}

/// A launch that was decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchDecided {
    /// The workflow; null for a single agent.
    pub workflow: Option<String>,
    /// `rewrite`, `ask` or `deny`.
    pub decision: String,
    /// Why.
    pub reason: Option<String>,
}

/// How to raise what was short, and go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// The commands, in order.
    pub commands: Vec<String>,
    /// What to tell the model then.
    pub tell: Vec<String>,
}

/// Requests of one session that the gateway never saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bypass {
    /// The session.
    pub session: String,
    /// How many.
    pub requests: u64,
    /// What they took at list price; null where one has none.
    pub usd: Option<Picodollars>,
    /// Whether the session is one of this command. If not, another client was at work in the same
    /// folder, or one that the client started.
    pub is_ours: bool,
}

impl ExecReport {
    /// Whether a request of this client went around the gateway.
    pub fn went_around(&self) -> bool {
        self.bypassed.iter().any(|bypass| bypass.is_ours)
    }

    /// Whether requests were refused for good; `None` where nobody knows.
    pub fn was_refused(&self) -> Option<bool> {
        self.refused_requests.map(|refused| refused > 0)
    }

    /// Whether requests failed, and none was answered.
    pub fn nothing_was_answered(&self) -> bool {
        self.failed_requests.is_some_and(|failed| failed > 0) && self.requests == 0
    }

    /// Whether a gateway of another process has heard of nothing: it says little of the client then.
    fn nothing_came(&self) -> bool {
        self.told_by != "gateway" && self.requests == 0
    }
}

/// The report for people.
pub fn table(report: &ExecReport, page: Page) -> String {
    let mut sheet = Sheet::new(page);
    headline(report, &mut sheet);
    spending(report, &mut sheet);
    for workflow in &report.workflows {
        of_workflow(workflow, &mut sheet);
    }
    others(report, &mut sheet);
    going_on(report, &mut sheet);
    around(report, &mut sheet);
    for notice in &report.notices {
        sheet.section("note");
        sheet.text(&clean(notice), 0);
    }
    sheet.finish()
}

fn headline(report: &ExecReport, sheet: &mut Sheet) {
    let page = sheet.page();
    let verdict = if report.went_around() {
        page.red("WENT AROUND THE GATEWAY")
    } else if report.was_refused() == Some(true) {
        page.yellow("STOPPED BY A BUDGET")
    } else if report.nothing_was_answered() {
        page.red("NOTHING WAS ANSWERED")
    } else if report.was_refused().is_none() {
        page.red("NOBODY KNOWS WHAT WAS REFUSED")
    } else if report.nothing_came() {
        page.yellow("NOTHING CAME TO THE GATEWAY")
    } else {
        page.green("WITHIN ITS BUDGET")
    };
    let usd = report.budget.iter().find(|balance| balance.unit == Unit::Usd);
    let spent = usd.map_or_else(String::new, |usd| match (usd.settled, usd.limit) {
        (Quantity::Usd(spent), Some(Quantity::Usd(limit))) => {
            let (spent, limit) = number::of_limit(spent, limit);
            format!(": {spent} of {limit}")
        }
        (spent, _) => format!(": {}", money(spent)),
    });
    sheet.line(&format!(
        "run {} in {}  {verdict}{spent}",
        clean(&report.run),
        clean(&report.project)
    ));
    let client = &report.client;
    let ended = match (client.exit_code, client.signal) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    sheet.section("client");
    let program = clean(&client.program);
    sheet.text(&format!("{program} {ended} after {}", number::duration(client.seconds)), 0);
}

fn money(quantity: Quantity) -> String {
    match quantity {
        Quantity::Usd(usd) => number::dollars(usd),
        Quantity::Count(count) => number::digits(count),
    }
}

fn spending(report: &ExecReport, sheet: &mut Sheet) {
    sheet.section("charged");
    let requests = number::plural(report.requests, "request", "requests");
    let mut text = format!("{} for {requests}", number::dollars(report.spent_usd));
    if let Some(main) = report.main_usd {
        let _ = write!(text, ", main loop {}", number::dollars(main));
    }
    if report.told_by == "transcripts" {
        text += "; shares of agents by their transcripts, at list price";
    }
    if !report.spent_before_usd.is_zero() {
        let before = number::dollars(report.spent_before_usd);
        let _ = write!(text, "; before that, the run took {before}");
    }
    sheet.text(&text, 0);
    for balance in &report.budget {
        let held = !matches!(balance.reserved, Quantity::Count(0))
            && balance.reserved != Quantity::Usd(Picodollars::ZERO);
        if held {
            sheet.text(&format!("{} are still reserved", balance.unit.say(balance.reserved)), 0);
        }
        if balance.unit != Unit::Usd
            && let Some(limit) = balance.limit
        {
            let (spent, limit) = (money(balance.settled), money(limit));
            sheet.text(&format!("{spent} of {limit} {}", balance.unit.name()), 0);
        }
    }
    if let Some(refused) = report.refused_requests.filter(|refused| *refused > 0) {
        sheet.section("refused");
        sheet.text(&number::plural(refused, "request", "requests"), 0);
        for refusal in &report.refusals {
            sheet.text(&clean(refusal), 2);
        }
    }
    failed(report, sheet);
}

fn failed(report: &ExecReport, sheet: &mut Sheet) {
    let Some(failed) = report.failed_requests.filter(|failed| *failed > 0) else { return };
    sheet.section("failed");
    let requests = number::plural(failed, "request", "requests");
    let Some(first) = report.failures.first() else {
        return sheet.text(&format!("{requests}: the log of the gateway says of what"), 0);
    };
    if first.requests == failed {
        sheet.text(&format!("{requests}: {}", clean(&first.cause)), 0);
        return;
    }
    sheet.text(&requests, 0);
    for failure in report.failures.iter().take(NAMED_MAX) {
        let requests = number::digits(failure.requests);
        sheet.text(&format!("{requests}: {}", clean(&failure.cause)), 2);
    }
}

fn of_workflow(workflow: &WorkflowOutcome, sheet: &mut Sheet) {
    sheet.line("");
    let name = workflow.workflow.as_deref().unwrap_or("a workflow");
    let status = workflow.status.as_deref().map(|status| format!(", {}", clean(status)));
    let forecast = workflow.forecast.as_ref().map_or_else(
        || "no forecast".to_owned(),
        |forecast| format!("forecast {}", foreseen(forecast)),
    );
    sheet.line(&format!(
        "{} {}{}: charged {}, {forecast}",
        clean(name),
        clean(&workflow.run),
        status.unwrap_or_default(),
        number::dollars(workflow.spent_usd),
    ));
    sheet.line(&row(["phase", "done", "refused", "open", "charged", "each", "forecast"]));
    for phase in &workflow.phases {
        sheet.line(&of_phase(phase));
    }
    let without = |ending: CallEnding| {
        let agents = workflow.phases.iter().flat_map(|phase| &phase.agents);
        agents.filter(move |agent| agent.ending == Some(ending)).map(|agent| &agent.label)
    };
    for (word, ending) in [("refused", CallEnding::Refused), ("open", CallEnding::Unfinished)] {
        let labels: Vec<&String> = without(ending).collect();
        if !labels.is_empty() {
            sheet.section(word);
            sheet.text(&named(&labels), 0);
        }
    }
    if let Some(left) = &workflow.to_finish {
        sheet.section("finish");
        let agents = number::plural(left.agents, "agent needs", "agents need");
        sheet.text(
            &format!(
                "{agents} about {}, rarely more than {}: {}",
                number::dollars(left.usd),
                number::dollars(left.usd_high),
                left.basis
            ),
            0,
        );
    } else if workflow.calls.left() > 0 {
        sheet.section("finish");
        sheet.text("nobody can say what finishing needs: none of its agents ended", 0);
    }
}

/// `20 agents, $1.02 ($0.90-$1.31)`.
fn foreseen(forecast: &Forecast) -> String {
    let agents = number::plural(forecast.agents.p50, "agent", "agents");
    let Some(cost) = forecast.cost_usd else { return format!("{agents}, without a price") };
    let (low, high) = (number::dollars(cost.p10), number::dollars(cost.p90));
    format!("{agents}, {} ({})", number::dollars(cost.p50), number::range(&low, &high))
}

fn of_phase(phase: &PhaseOutcome) -> String {
    let title = if phase.title.is_empty() { "(no phase)" } else { &phase.title };
    let ended = phase.calls.done - phase.calls.done_before;
    let before = phase.calls.done_before;
    let done = if before > 0 { format!("{ended}+{before}") } else { ended.to_string() };
    let of_done = phase.agents.iter().filter(|agent| agent.ending == Some(CallEnding::Done));
    let taken: Picodollars = of_done.map(|agent| agent.spent_usd).sum();
    let each = (ended > 0).then(|| number::dollars(taken.scale_ceil(1, i128::from(ended))));
    row([
        &fitted(title, TITLE_WIDTH_MAX),
        &done,
        &phase.calls.refused.to_string(),
        &phase.calls.unfinished.to_string(),
        &number::dollars(phase.spent_usd),
        each.as_deref().unwrap_or("-"),
        &phase.forecast.as_ref().map_or_else(|| "-".to_owned(), foreseen),
    ])
}

fn row(cells: [&str; 7]) -> String {
    let [title, done, refused, open, charged, each, forecast] = cells;
    let gap = " ".repeat(TITLE_WIDTH_MAX.saturating_sub(width_of(title)));
    let title = format!("{title}{gap}");
    format!("  {title} {done:>7} {refused:>8} {open:>5} {charged:>9} {each:>8}  {forecast}")
}

fn named(labels: &[&String]) -> String {
    let mut names: Vec<String> =
        labels.iter().take(NAMED_MAX).map(|label| fitted(label, TITLE_WIDTH_MAX)).collect();
    let more = labels.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

fn others(report: &ExecReport, sheet: &mut Sheet) {
    if !report.other_agents.is_empty() {
        let spent: Picodollars = report.other_agents.iter().map(|agent| agent.spent_usd).sum();
        sheet.line("");
        sheet.section("agents");
        let number = u64::try_from(report.other_agents.len()).unwrap_or(u64::MAX);
        let agents = number::plural(number, "agent", "agents");
        sheet.text(&format!("{agents} outside workflows: {}", number::dollars(spent)), 0);
        for agent in report.other_agents.iter().take(NAMED_MAX) {
            let refused = if agent.refused_requests > 0 { "refused, " } else { "" };
            let spent = format!("{refused}{}", number::dollars(agent.spent_usd));
            sheet.pair(&fitted(&agent.label, 48), &spent, 2);
        }
    }
    for launch in &report.launches {
        sheet.section("launch");
        let name = launch.workflow.as_deref().unwrap_or("an agent");
        let why = launch.reason.as_deref().map_or_else(String::new, |why| format!(": {why}"));
        sheet.text(&clean(&format!("{name}: {}{why}", launch.decision)), 2);
    }
}

fn going_on(report: &ExecReport, sheet: &mut Sheet) {
    let Some(resume) = &report.resume else { return };
    sheet.line("");
    sheet.line("To go on:");
    // Commands stand on lines of their own, unbroken, so that they can be copied.
    for command in &resume.commands {
        sheet.line(&format!("  {}", clean(command)));
    }
    if !resume.tell.is_empty() {
        sheet.line("and tell it:");
        for tell in &resume.tell {
            sheet.line(&format!("  {}", clean(tell)));
        }
    }
}

fn around(report: &ExecReport, sheet: &mut Sheet) {
    for bypass in &report.bypassed {
        sheet.line("");
        sheet.section("around");
        let requests = number::plural(bypass.requests, "request", "requests");
        let usd = bypass.usd.map_or_else(
            || "without a price".to_owned(),
            |usd| format!("{} at list price", number::dollars(usd)),
        );
        let session = clean(&bypass.session);
        sheet.text(
            &if bypass.is_ours {
                format!("{requests} ({usd}) of session {session} went around the gateway")
            } else {
                format!(
                    "{requests} ({usd}) of session {session} in this folder went elsewhere: \
                     another client, or one that this one started"
                )
            },
            0,
        );
    }
}
