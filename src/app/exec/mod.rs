//! `flyball exec`: a client behind a gateway of its own, its run a scope of the ledger, and what it
//! came to.

mod account;
mod behind;
mod child;
mod elsewhere;
mod folder;
mod gather;
mod hold;
mod outcome;
mod resume;
mod seen;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use jiff::Timestamp;

use self::account::RunAccount;
use self::behind::Behind;
use self::elsewhere::Elsewhere;
use self::folder::Folder;
use self::gather::{Gathered, Places};
use self::hold::{Client, HONOURED, Held};
use self::outcome::{Outcome, Told};
use self::seen::Seen;
use super::context::Context;
use super::error::AppError;
use super::exit::Exit;
use super::{books, gateway, output};
use crate::claude::launch;
use crate::claude::outcome::SpentByAgent;
use crate::cli::exec::ExecTyped;
use crate::cli::gateway::GatewayTyped;
use crate::cli::value::PlainFormat;
use crate::gateway::Tariff;
use crate::report::exec::{ClientEnd, ExecReport, table};
use crate::report::json;

/// Where requests of the client go.
enum Gate {
    /// A gateway of this process.
    Own(Behind),
    /// One that listens already.
    Other(Box<Elsewhere>),
}

/// Runs the client, and says what it came to.
pub(super) fn run(typed: &ExecTyped, context: &Context) -> Result<Exit, AppError> {
    typed.out.as_deref().map_or(Ok(()), output::can_be_written)?;
    let client = Client::of(typed, context)?;
    client.is_there(context)?;
    let run = typed.run.clone().map_or_else(new_name, Ok)?;
    let find = |url: &String| Elsewhere::find(url, &run, context);
    let elsewhere = typed.gateway.as_ref().map(find).transpose()?;
    let project = match &elsewhere {
        Some(elsewhere) => elsewhere.project(typed.project.as_deref())?,
        None => typed.project.clone().unwrap_or_else(|| books::project_here(context)),
    };
    let tariff = tariff(typed, context)?;
    let mut account = RunAccount::look(typed, (&project, &run), elsewhere.as_ref(), context)?;
    let warning = account.unheld(&client)?;
    let folder = Folder::new(&run, context)?;
    let gate = match elsewhere {
        Some(elsewhere) => Gate::Other(Box::new(elsewhere)),
        None => Gate::Own(Behind::start(typed, &client, (&project, &run), context)?),
    };
    let url = match &gate {
        Gate::Own(behind) => behind.url(),
        Gate::Other(elsewhere) => elsewhere.url().to_owned(),
    };
    let held = Held { url: &url, run: &run, called: account.called(), project: &project };
    let command = client.command(typed, &held, &folder, context)?;
    // Whoever was refused until here has changed nothing.
    account.open()?;
    if let Gate::Other(elsewhere) = &gate {
        elsewhere.holds(account.limits())?;
    }
    announce(&client, (&run, &account), &gate, warning.as_deref());
    let (since, began) = (Timestamp::now(), Instant::now());
    let status = child::run(command)?;
    let seconds = began.elapsed().as_secs();
    let (told, mut notices) = match gate {
        Gate::Own(behind) => behind.end().map(|(seen, said)| (Told::Seen(Box::new(seen)), said))?,
        Gate::Other(elsewhere) => (Told::Counted(elsewhere.counts()), Vec::new()),
    };
    notices.extend(warning);
    let gathered = gathered(&client, told.seen(), &folder, since, &tariff, context);
    let end = ClientEnd {
        program: client.program.to_string_lossy().into_owned(),
        exit_code: status.code(),
        signal: status.signal(),
        seconds,
    };
    let outcome =
        Outcome { typed, client: &client, run: &run, project: &project, account: &account };
    let report = outcome.report(end, &told, gathered, notices)?;
    show(&report, typed, context)?;
    Ok(exit(status, &report, typed))
}

/// A name that no other run has.
fn new_name() -> Result<String, AppError> {
    let [a, b, c, d, ..] = gateway::random()?;
    Ok(format!("exec-{a:02x}{b:02x}{c:02x}{d:02x}"))
}

fn tariff(typed: &ExecTyped, context: &Context) -> Result<Tariff, AppError> {
    let untyped = GatewayTyped::untyped().map_err(AppError::bug)?;
    let typed = GatewayTyped { prices: typed.prices.clone(), ..untyped };
    gateway::tariff(&typed, context)
}

/// Says what holds the client, while it has not taken the terminal yet.
fn announce(
    client: &Client<'_>,
    (run, account): (&str, &RunAccount),
    gate: &Gate,
    warning: Option<&str>,
) {
    let watch = match gate {
        Gate::Own(behind) => behind.link().map(|link| format!("; watch it at {link}")),
        Gate::Other(_) => Some(format!(", charged to {}", account.name())),
    };
    let watch = watch.unwrap_or_default();
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
        0 if report.was_refused() == Some(true) => Exit::BudgetStopped,
        0 if report.was_refused().is_none() => Exit::Upstream,
        0 if report.nothing_was_answered() => Exit::Upstream,
        0 => Exit::Done,
        code => Exit::Client(code),
    }
}
