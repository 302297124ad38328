//! A gateway of another process that a client is to use: whether it would hold the run, where it
//! charges it, and what it says afterwards of the requests that came.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::books::OpenLedger;
use super::super::context::Context;
use super::super::error::AppError;
use super::super::exit::Exit;
use super::super::health::{Health, Said, get, origin};
use crate::budget::Limits;
use crate::config::environment::{ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, Secret};
use crate::gateway::{CHARGED_RUN_VERSION, ChargedRun, RunCounts};

/// The longest wait for what it says of a run: it reads its ledger for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// A gateway that listens already.
pub(super) struct Elsewhere {
    url: String,
    /// As it is shown.
    at: String,
    run: String,
    keys: Vec<(&'static str, String)>,
    /// What it said before the client was started.
    before: ChargedRun,
}

impl Elsewhere {
    /// The gateway at `url`, if it admits requests and says where it charges `run`.
    ///
    /// # Errors
    /// It would hold nobody, or nobody can say whether it would.
    pub(super) fn find(url: &str, run: &str, context: &Context) -> Result<Self, AppError> {
        admits(url)?;
        let keys = keys(context);
        let at = origin(url).unwrap_or_else(|| "what --gateway says".to_owned());
        let before = ask(url, &at, run, &keys)?;
        Ok(Self { url: url.to_owned(), at, run: run.to_owned(), keys, before })
    }

    /// Where it goes to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The scope that it charges the run to, name by name.
    pub(super) fn scope(&self) -> &[String] {
        &self.before.to.scope
    }

    /// The project that it charges the run to.
    ///
    /// # Errors
    /// It is not the one that was asked for.
    pub(super) fn project(&self, asked: Option<&str>) -> Result<String, AppError> {
        let at = &self.at;
        let project = self.scope().get(1).and_then(|name| name.strip_prefix("project "));
        let project = project.ok_or_else(|| {
            refused(format!("the gateway at {at} does not say which project it charges"))
        })?;
        match asked {
            Some(asked) if asked != project => Err(refused(format!(
                "the gateway at {at} charges the run to the project {project}, not {asked}"
            ))
            .with_hint("leave --project out, or use a gateway or a key of that project")),
            _ => Ok(project.to_owned()),
        }
    }

    /// Refuses where its ledger is not `ours`: what it charges would be seen by nobody, and no budget
    /// that is set here would hold.
    pub(super) fn keeps(&self, ours: Option<&OpenLedger>) -> Result<(), AppError> {
        if ours.is_some_and(|ours| ours.identity() == self.before.to.ledger) {
            return Ok(());
        }
        Err(self.of_another_ledger())
    }

    /// Refuses where its ledger does not have the run with these limits, which were just set in ours.
    pub(super) fn holds(&self, limits: Limits) -> Result<(), AppError> {
        let now = ask(&self.url, &self.at, &self.run, &self.keys)?;
        let is_there = now.to.scope == self.before.to.scope && now.to.limits == Some(limits);
        if is_there { Ok(()) } else { Err(self.of_another_ledger()) }
    }

    fn of_another_ledger(&self) -> AppError {
        let at = &self.at;
        refused(format!("the gateway at {at} keeps another ledger: no budget set here would hold"))
            .with_hint("name its ledger: --ledger FILE|URL, or FLYBALL_LEDGER, as for the gateway")
    }

    /// What became of requests since the client was started; `None` where the gateway does not say,
    /// was started anew meanwhile, or has forgotten the run.
    pub(super) fn counts(&self) -> Option<RunCounts> {
        let now = ask(&self.url, &self.at, &self.run, &self.keys).ok()?;
        let before = &self.before.counts;
        if now.to.process != self.before.to.process || now.counts.since != before.since {
            return None;
        }
        let refused = now.counts.refused.checked_sub(before.refused)?;
        Some(RunCounts {
            since: before.since,
            answered: now.counts.answered.checked_sub(before.answered)?,
            refused,
            failed: now.counts.failed.checked_sub(before.failed)?,
            short: if refused > 0 { now.counts.short } else { BTreeMap::new() },
        })
    }
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
    Err(refused(why).with_hint(hint))
}

/// What the gateway at `url` says of `run`, asked with the keys that the client would send.
fn ask(
    url: &str,
    at: &str,
    run: &str,
    keys: &[(&'static str, String)],
) -> Result<ChargedRun, AppError> {
    let path = format!("/run/{run}/charged");
    let said = match get(url, &path, keys, PATIENCE) {
        Some(Ok(said)) => said,
        Some(Err(error)) => return Err(refused(format!("nobody answers at {at}: {error}"))),
        None => return Err(refused(format!("{at} is no address of a gateway"))),
    };
    let run: Option<ChargedRun> = match &said {
        Said { status: 200, body } => serde_json::from_str(body).ok(),
        Said { status: 401, .. } => {
            let why = format!("the gateway at {at} asks for keys, and knows none of those here");
            return Err(refused(why).with_hint(format!(
                "set {ANTHROPIC_API_KEY}, or {ANTHROPIC_AUTH_TOKEN}, to the key that the client \
                 sends: the run is charged to its owner"
            )));
        }
        Said { .. } => None,
    };
    run.filter(|run| run.version == CHARGED_RUN_VERSION).ok_or_else(|| {
        let status = said.status;
        refused(format!("the gateway at {at} does not say where it charges the run ({status})"))
            .with_hint("nobody can say what holds the client there; start one of this version")
    })
}

/// The headers that the client would send its key with.
fn keys(context: &Context) -> Vec<(&'static str, String)> {
    let can_be_sent = |secret: &&Secret| secret.0.bytes().all(|byte| byte.is_ascii_graphic());
    let environment = &context.environment;
    let plain = environment.api_key.as_ref().filter(can_be_sent);
    let bearer = environment.auth_token.as_ref().filter(can_be_sent);
    let plain = plain.map(|key| ("x-api-key", key.0.clone()));
    let bearer = bearer.map(|token| ("authorization", format!("Bearer {}", token.0)));
    plain.into_iter().chain(bearer).collect()
}

fn refused(why: String) -> AppError {
    AppError::new(Exit::Upstream, why)
}
