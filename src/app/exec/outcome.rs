//! What a command came to: the ledger, what the gateway saw or counted, and the client's own files
//! put together.

use super::account::RunAccount;
use super::gather::Gathered;
use super::hold::Client;
use super::resume::Stopped;
use super::seen::Seen;
use crate::app::error::AppError;
use crate::budget::UnitBalance;
use crate::claude::outcome::SpentByAgent;
use crate::cli::exec::ExecTyped;
use crate::gateway::RunCounts;
use crate::money::Picodollars;
use crate::report::exec::{Bypass, ClientEnd, EXEC_REPORT_VERSION, ExecReport};

/// What a gateway told of the requests.
pub(super) enum Told {
    /// One of this process: everything.
    Seen(Box<Seen>),
    /// One of another process: its counts, where it still had them.
    Counted(Option<RunCounts>),
}

impl Told {
    /// What a gateway of this process saw.
    pub(super) fn seen(&self) -> Option<&Seen> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::Counted(_) => None,
        }
    }

    /// Requests that were refused for good; `None` where nobody knows.
    fn refused(&self) -> Option<u64> {
        match self {
            Self::Seen(seen) => Some(seen.refused()),
            Self::Counted(counts) => counts.as_ref().map(|counts| counts.refused),
        }
    }

    /// What was short, in words.
    fn refusals(&self) -> Vec<String> {
        match self {
            Self::Seen(seen) => seen.shortages.values().map(ToString::to_string).collect(),
            Self::Counted(counts) => {
                counts.iter().flat_map(|counts| counts.short.values().cloned()).collect()
            }
        }
    }
}

/// What a report is made from.
pub(super) struct Outcome<'a> {
    pub(super) typed: &'a ExecTyped,
    pub(super) client: &'a Client<'a>,
    pub(super) run: &'a str,
    pub(super) project: &'a str,
    pub(super) account: &'a RunAccount,
}

impl Outcome<'_> {
    pub(super) fn report(
        &self,
        client: ClientEnd,
        told: &Told,
        gathered: Gathered,
        mut notices: Vec<String>,
    ) -> Result<ExecReport, AppError> {
        let seen = told.seen();
        // Another process may still be writing: this waits for it, so it comes first.
        let requests = self.requests(told, &gathered, &mut notices)?;
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
        notices.extend(self.doubts(told, requests, &gathered));
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
            main_usd: self.knows_agents(told).then(|| main_loops(&gathered.spent)),
            told_by: self.told_by(told).to_owned(),
            requests,
            refused_requests: told.refused(),
            refusals: told.refusals(),
            failed_requests: match told {
                Told::Seen(_) => Some(failures.iter().map(|failure| failure.requests).sum()),
                Told::Counted(counts) => counts.as_ref().map(|counts| counts.failed),
            },
            failures,
            workflows: gathered.workflows,
            other_agents: gathered.other_agents,
            launches: gathered.launches,
            resume,
            bypassed,
            notices,
        })
    }

    fn told_by(&self, told: &Told) -> &'static str {
        match told {
            Told::Seen(_) => "gateway",
            Told::Counted(_) if self.client.is_claude_code => "transcripts",
            Told::Counted(_) => "ledger",
        }
    }

    /// Whether it is known which agent took what.
    fn knows_agents(&self, told: &Told) -> bool {
        self.told_by(told) != "ledger"
    }

    /// Requests that were answered: by a gateway of this process, else by whoever has heard of more,
    /// the other gateway or the ledger. What the ledger lacks of them after a while is said.
    fn requests(
        &self,
        told: &Told,
        gathered: &Gathered,
        notices: &mut Vec<String>,
    ) -> Result<u64, AppError> {
        let counts = match told {
            Told::Seen(_) => {
                return Ok(gathered.spent.values().map(|spent| spent.requests).sum());
            }
            Told::Counted(counts) => counts,
        };
        let answered = counts.as_ref().map_or(0, |counts| counts.answered);
        let missing = self.account.unheard_of(answered)?;
        if missing > 0 {
            notices.push(format!(
                "{missing} of the requests that the gateway answered are not in the ledger yet: more \
                 was spent than is told here"
            ));
        }
        Ok(self.account.requests()?.max(answered))
    }

    /// Where the gateway is another process: messages in transcripts that the ledger has no request
    /// for. They went elsewhere, or were charged to the owner of another key.
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
    fn doubts(&self, told: &Told, requests: u64, gathered: &Gathered) -> Vec<String> {
        let mut doubts = Vec::new();
        match told {
            Told::Seen(seen) if self.client.is_claude_code && !seen.knows_all() => {
                doubts.push("too many requests to say whether others went around".to_owned());
            }
            Told::Counted(None) => doubts.push(
                "the gateway no longer says what it refused: it was started anew, or has ended; \
                 its log has it"
                    .to_owned(),
            ),
            Told::Counted(Some(_)) if requests == 0 => doubts.push(
                "no request of this run came to the gateway with the key that is set here: what \
                 the client sent otherwise is not known"
                    .to_owned(),
            ),
            Told::Seen(_) | Told::Counted(Some(_)) => {}
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
