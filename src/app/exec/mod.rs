//! `flyball exec`: a client behind a gateway of its own, its run a scope of the ledger, and what it
//! came to.

mod account;
mod behind;
mod child;
mod folder;
mod gather;
mod hold;
mod resume;
mod seen;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use jiff::Timestamp;

use self::account::RunAccount;
use self::behind::Behind;
use self::folder::Folder;
use self::gather::{Gathered, Places};
use self::hold::{Client, HONOURED};
use self::resume::Stopped;
use self::seen::Seen;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::health::{Health, origin};
use super::{books, gateway, output};
use crate::budget::UnitBalance;
use crate::claude::launch;
use crate::claude::outcome::SpentByAgent;
use crate::cli::exec::ExecTyped;
use crate::cli::gateway::GatewayTyped;
use crate::cli::value::PlainFormat;
use crate::gateway::Tariff;
use crate::money::Picodollars;
use crate::report::exec::{Bypass, ClientEnd, EXEC_REPORT_VERSION, ExecReport, table};
use crate::report::json;

/// Where requests of the client go.
enum Gate {
    /// A gateway of this process.
    Own(Behind),
    /// One that listens already.
    Other(String),
}

/// Runs the client, and says what it came to.
pub(super) fn run(typed: &ExecTyped, context: &Context) -> Result<Exit, AppError> {
    typed.out.as_deref().map_or(Ok(()), output::can_be_written)?;
    let client = Client::of(typed, context)?;
    client.is_there(context)?;
    typed.gateway.as_deref().map_or(Ok(()), admits)?;
    let run = typed.run.clone().map_or_else(new_name, Ok)?;
    let project = typed.project.clone().unwrap_or_else(|| books::project_here(context));
    let tariff = tariff(typed)?;
    let mut account = RunAccount::look(typed, &project, &run, context)?;
    let warning = account.unheld(&client)?;
    let folder = Folder::new(&run, context)?;
    let gate = match &typed.gateway {
        Some(url) => Gate::Other(url.clone()),
        None => Gate::Own(Behind::start(typed, &client, (&project, &run), context)?),
    };
    let url = match &gate {
        Gate::Own(behind) => behind.url(),
        Gate::Other(url) => url.clone(),
    };
    let command = client.command(typed, (&url, &run, &project), &folder, context)?;
    // Whoever was refused until here has changed nothing.
    account.open()?;
    announce(&client, &run, &gate, warning.as_deref());
    let (since, began) = (Timestamp::now(), Instant::now());
    let status = child::run(command)?;
    let seconds = began.elapsed().as_secs();
    let (seen, mut notices) = match gate {
        Gate::Own(behind) => behind.end().map(|(seen, said)| (Some(seen), said))?,
        Gate::Other(_) => (None, Vec::new()),
    };
    notices.extend(warning);
    let gathered = gathered(&client, seen.as_ref(), &folder, since, &tariff, context);
    let end = ClientEnd {
        program: client.program.to_string_lossy().into_owned(),
        exit_code: status.code(),
        signal: status.signal(),
        seconds,
    };
    let outcome =
        Outcome { typed, client: &client, run: &run, project: &project, account: &account };
    let report = outcome.report(end, seen.as_ref(), gathered, notices)?;
    show(&report, typed, context)?;
    Ok(exit(status, &report, typed))
}

/// Refuses a `--gateway` that would hold nobody.
fn admits(url: &str) -> Result<(), AppError> {
    let at = origin(url).unwrap_or_else(|| "what --gateway says".to_owned());
    let (why, hint) = match Health::of(url) {
        Some(Health::Admits) => return Ok(()),
        Some(Health::Refuses(why)) => {
            (format!("the gateway at {at} admits nothing: {why}"), "see what it says where it runs")
        }
        Some(Health::IsNone(status)) => (
            format!("{at} answers with {status}, as no gateway of flyball does"),
            "nothing there would hold the client; see what listens",
        ),
        Some(Health::Silent(error)) => (
            format!("nobody answers at {at}: {error}"),
            "start one with flyball gateway, or leave --gateway out",
        ),
        None => (format!("{at} is no address of a gateway"), "write http://HOST:PORT"),
    };
    Err(AppError::new(Exit::Upstream, why).with_hint(hint))
}

/// A name that no other run has.
fn new_name() -> Result<String, AppError> {
    let [a, b, c, d, ..] = gateway::random()?;
    Ok(format!("exec-{a:02x}{b:02x}{c:02x}{d:02x}"))
}

fn tariff(typed: &ExecTyped) -> Result<Tariff, AppError> {
    let untyped = GatewayTyped::untyped().map_err(AppError::bug)?;
    gateway::tariff(&GatewayTyped { prices: typed.prices.clone(), ..untyped })
}

/// Says what holds the client, while it has not taken the terminal yet.
fn announce(client: &Client<'_>, run: &str, gate: &Gate, warning: Option<&str>) {
    let link = match gate {
        Gate::Own(behind) => behind.link(),
        Gate::Other(_) => None,
    };
    let watch = link.map_or_else(String::new, |link| format!("; watch it at {link}"));
    output::tell(&format!("flyball: run {run}{watch}\n"));
    if !client.is_claude_code {
        output::tell(&format!("flyball: this client is held only if it honours {HONOURED}\n"));
    }
    if let Some(warning) = warning {
        output::tell(&format!("flyball: {warning}\n"));
    }
}

fn gathered(
    client: &Client<'_>,
    seen: Option<&Seen>,
    folder: &Folder,
    since: Timestamp,
    tariff: &Tariff,
    context: &Context,
) -> Gathered {
    let home = context.environment.claude_folder.as_ref().filter(|_| client.is_claude_code);
    let Some(home) = home else {
        let spent = seen.map_or_else(SpentByAgent::new, |seen| seen.spent.clone());
        return Gathered { spent, ..Gathered::default() };
    };
    let places = Places {
        home,
        working_folder: &context.working_folder,
        sessions: folder.sessions(),
        launches: folder.launches(),
        named: launch::sessions(client.arguments),
        since,
    };
    gather::gather(&places, seen, tariff)
}

/// What a report is made from.
struct Outcome<'a> {
    typed: &'a ExecTyped,
    client: &'a Client<'a>,
    run: &'a str,
    project: &'a str,
    account: &'a RunAccount,
}

impl Outcome<'_> {
    fn report(
        &self,
        client: ClientEnd,
        seen: Option<&Seen>,
        gathered: Gathered,
        mut notices: Vec<String>,
    ) -> Result<ExecReport, AppError> {
        // Another process may still be writing: this waits for it, so it comes first.
        let mut bypassed = gathered.bypassed.clone();
        bypassed.extend(self.unheard_of(seen, &gathered)?);
        let (before, spent) = (self.account.before().usd, self.account.spent()?.usd);
        let stopped = Stopped {
            typed: self.typed,
            client: self.client,
            run: self.run,
            account: self.account,
            spent,
        };
        let resume = seen.and_then(|seen| stopped.resume(seen, &gathered));
        if self.client.is_claude_code {
            notices.extend(self.doubts(seen, &gathered));
        }
        let shortages = seen.into_iter().flat_map(|seen| seen.shortages.values());
        let budget: Vec<UnitBalance> = self.account.balance()?;
        let failures = seen.map_or_else(Vec::new, Seen::failures);
        Ok(ExecReport {
            version: EXEC_REPORT_VERSION,
            run: self.run.to_owned(),
            project: self.project.to_owned(),
            client,
            budget,
            spent_before_usd: before,
            spent_usd: spent - before,
            main_usd: main_loops(&gathered.spent),
            told_by: if seen.is_some() { "gateway" } else { "transcripts" }.to_owned(),
            requests: gathered.spent.values().map(|spent| spent.requests).sum(),
            refused_requests: seen.map_or(0, Seen::refused),
            refusals: shortages.map(ToString::to_string).collect(),
            failed_requests: failures.iter().map(|failure| failure.requests).sum(),
            failures,
            workflows: gathered.workflows,
            other_agents: gathered.other_agents,
            launches: gathered.launches,
            resume,
            bypassed,
            notices,
        })
    }

    /// Where the gateway is another process: messages in transcripts that the ledger has no request
    /// for. They went elsewhere, or the gateway has another ledger.
    fn unheard_of(
        &self,
        seen: Option<&Seen>,
        gathered: &Gathered,
    ) -> Result<Option<Bypass>, AppError> {
        if seen.is_some() {
            return Ok(None);
        }
        let answered = gathered.spent.values().map(|spent| spent.requests).sum();
        let requests = self.account.unheard_of(answered)?;
        if requests == 0 {
            return Ok(None);
        }
        let at_list: Picodollars = gathered.spent.values().map(|spent| spent.usd).sum();
        let charged = self.account.spent()?.usd - self.account.before().usd;
        let session = gathered.last_session.clone().unwrap_or_else(|| "unknown".to_owned());
        let usd = Some(at_list - charged).filter(|usd| *usd > Picodollars::ZERO);
        Ok(Some(Bypass { session, requests, usd, is_ours: true }))
    }

    /// What is not as it should be with what is known.
    fn doubts(&self, seen: Option<&Seen>, gathered: &Gathered) -> Vec<String> {
        let mut doubts = Vec::new();
        if seen.is_some_and(|seen| !seen.knows_all()) {
            doubts.push("too many requests to say whether others went around".to_owned());
        }
        if seen.is_none() {
            doubts.push(
                "the gateway is another process: what it refused is in its log and not here"
                    .to_owned(),
            );
        }
        if !gathered.workflows.is_empty() && !gathered.gate_was_asked && !self.typed.no_hook {
            doubts.push(
                "the launch gate was not asked, so nothing was forecast: hooks may be switched off"
                    .to_owned(),
            );
        }
        doubts
    }
}

fn main_loops(spent: &SpentByAgent) -> Picodollars {
    spent.iter().filter(|((_, agent), _)| agent.is_none()).map(|(_, spent)| spent.usd).sum()
}

fn show(report: &ExecReport, typed: &ExecTyped, context: &Context) -> Result<(), AppError> {
    output::tell(&match typed.format {
        PlainFormat::Table => table(report, context.stderr.page()),
        PlainFormat::Json => json::pretty(report),
    });
    match &typed.out {
        Some(path) => output::write_file(path, &json::pretty(report)),
        None => Ok(()),
    }
}

/// The client's own code; where that is 0, what flyball has to say.
fn exit(status: ExitStatus, report: &ExecReport, typed: &ExecTyped) -> Exit {
    let code = match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        // As shells say it.
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        (None, None) => u8::MAX,
    };
    match code {
        0 if typed.client_exit_code => Exit::Done,
        0 if report.went_around() => Exit::Upstream,
        0 if report.refused_requests > 0 => Exit::BudgetStopped,
        0 if report.nothing_was_answered() => Exit::Upstream,
        0 => Exit::Done,
        code => Exit::Client(code),
    }
}
