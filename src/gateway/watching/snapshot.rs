//! What the live page shows of one moment: accounts, and what the gateway counted itself. Names and
//! reasons, never a prompt or a key.

use jiff::Timestamp;
use serde::Serialize;

use crate::gateway::access::Fate;
use crate::gateway::tallies::{Recent, Tallies};
use crate::gateway::watching::console::Accounts;
use crate::money::Picodollars;

/// So many of the last requests are shown.
const REQUESTS_MAX: usize = 40;
/// So many of the last refusals are shown.
const DENIALS_MAX: usize = 20;
/// The version of the format.
const VERSION: u32 = 1;

/// One moment of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Snapshot {
    version: u32,
    /// Why nothing is admitted, or why no accounts can be shown.
    trouble: Option<String>,
    /// Null where nobody can say.
    accounts: Option<Accounts>,
    now: Now,
    since_start: SinceStart,
    /// The last requests, latest first.
    requests: Vec<ShownRequest>,
    /// The last requests that were refused, latest first.
    denials: Vec<ShownRequest>,
}

/// Requests that are not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Now {
    in_flight: u64,
    waiting: u64,
}

/// Sums over requests that are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct SinceStart {
    requests: u64,
    answered: u64,
    refused: u64,
    charged_usd: Picodollars,
    /// Requests whose `max_tokens` was lowered.
    caps_lowered: u64,
    /// Of those, answers that reached it.
    cut_by_cap: u64,
}

/// One request that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ShownRequest {
    at: Timestamp,
    ending: &'static str,
    status: u16,
    /// The owner of its key, where keys are asked for.
    key: Option<String>,
    run: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    /// Of a workflow, where that is known.
    phase: Option<String>,
    model: String,
    /// The model that it was sent to, where that is another.
    sent_model: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    charged_usd: Option<Picodollars>,
    waited_milliseconds: u64,
    took_milliseconds: u64,
    cut_by_cap: bool,
    note: Option<String>,
}

impl Snapshot {
    /// What `tallies` have, with `accounts`; `trouble` is why nothing can be admitted.
    pub(crate) fn of(
        tallies: &Tallies,
        accounts: Result<Accounts, String>,
        trouble: Option<String>,
    ) -> Self {
        let recent = tallies.recent();
        let latest = || recent.iter().rev();
        let refused = latest().filter(|recent| recent.access.fate.is_refused());
        let (accounts, why) = match accounts {
            Ok(accounts) => (Some(accounts), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            version: VERSION,
            trouble: trouble.or(why),
            accounts,
            now: Now { in_flight: tallies.in_flight(), waiting: tallies.waiting() },
            since_start: SinceStart::of(tallies),
            requests: latest().take(REQUESTS_MAX).map(ShownRequest::of).collect(),
            denials: refused.take(DENIALS_MAX).map(ShownRequest::of).collect(),
        }
    }
}

impl SinceStart {
    fn of(tallies: &Tallies) -> Self {
        let tally = tallies.tally();
        let count = |is: fn(Fate) -> bool| {
            tally.fates.iter().filter(|(fate, _)| is(**fate)).map(|(_, count)| count).sum()
        };
        Self {
            requests: count(|_| true),
            answered: count(|fate| matches!(fate, Fate::Complete | Fate::Drained)),
            refused: count(Fate::is_refused),
            charged_usd: tally.charged,
            caps_lowered: tally.clamped,
            cut_by_cap: tally.cut_by_cap,
        }
    }
}

impl ShownRequest {
    fn of(recent: &Recent) -> Self {
        let (access, caller) = (&recent.access, &recent.access.caller);
        let milliseconds =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            at: recent.at,
            ending: access.fate.name(),
            status: access.status,
            key: caller.key.as_ref().map(|owner| owner.name.clone()),
            run: caller.run.clone(),
            session: caller.session.clone(),
            agent: caller.agent.clone(),
            phase: caller.origin.as_ref().and_then(|origin| origin.phase.clone()),
            model: access.model.clone(),
            sent_model: access
                .routed
                .as_ref()
                .and_then(|routed| routed.sent_model())
                .map(str::to_owned),
            input_tokens: access.usage.map(|usage| usage.prompt()),
            output_tokens: access.usage.map(|usage| usage.output),
            charged_usd: access.charged,
            waited_milliseconds: milliseconds(access.waited),
            took_milliseconds: milliseconds(access.took),
            cut_by_cap: access.cut_by_cap,
            note: access.note.clone(),
        }
    }
}
