//! How far the agents of a run have come, as far as a gateway sees it, and what helps one whose
//! budget is used up.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use super::scopes::NO_SESSION;
use crate::budget::Denial;
use crate::claude::shell_command::shell_word;
use crate::gateway::Caller;

/// Runs and sessions that are counted at once; beyond so many all are forgotten.
const RUNS_MAX: usize = 1_024;
/// Agents that are counted of one; beyond so many none is added.
const AGENTS_MAX: usize = 10_000;

/// Agents by run or session.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<HashMap<String, Agents>>);

/// Agents of one run or session.
#[derive(Debug, Default)]
struct Agents {
    /// Whose last request was admitted.
    served: HashSet<String>,
    /// Whose last request was refused for good.
    refused: HashSet<String>,
}

impl Progress {
    /// A request of `caller` was admitted, or refused for good.
    pub(super) fn note(&self, caller: &Caller, admitted: bool) {
        let (Some(run), Some(agent)) = (run_of(caller), &caller.agent) else { return };
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.len() >= RUNS_MAX && !runs.contains_key(run) {
            runs.clear();
        }
        let agents = runs.entry(run.to_owned()).or_default();
        let (to, from) = if admitted {
            (&mut agents.served, &mut agents.refused)
        } else {
            (&mut agents.refused, &mut agents.served)
        };
        from.remove(agent);
        if to.len() < AGENTS_MAX && !to.contains(agent) {
            to.insert(agent.clone());
        }
    }

    /// What whoever sent a request of `caller` can do after `denial`: the command that raises the
    /// budget that is short, and how many agents that concerns.
    pub(super) fn help(&self, caller: &Caller, denial: &Denial) -> Option<String> {
        if denial.shortage.paused {
            return None;
        }
        let raise = raising(&denial.shortage.scope, "AMOUNT")?;
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = run_of(caller).and_then(|run| runs.get(run));
        let so_far = counted.filter(|agents| !agents.refused.is_empty()).map(|agents| {
            format!("{} agents served, {} refused: ", agents.served.len(), agents.refused.len())
        });
        Some(format!("{}{raise}, then resume", so_far.as_deref().map_or("", |text| text)))
    }
}

fn run_of(caller: &Caller) -> Option<&str> {
    caller.run.as_deref().or(caller.session.as_deref())
}

/// The command that raises the budget of `scope`, as a denial names it, by `amount`; `None` where
/// none does.
pub(in crate::app) fn raising(scope: &str, amount: &str) -> Option<String> {
    let mut names = scope.split(" / ");
    let root = names.next()?;
    let (name, run) = (names.next(), names.next());
    let what = match (name, run) {
        (None, _) => format!("budget raise {root}"),
        (Some(name), None) => {
            if let Some(project) = name.strip_prefix("project ") {
                format!("budget raise {}", shell_word(&format!("project:{project}")))
            } else {
                let period = name.split(' ').next()?;
                let known = ["day", "week", "month"].contains(&period);
                known.then(|| format!("budget raise {period}"))?
            }
        }
        // What lies in a run has limits of its own, which no command raises.
        (Some(_), Some(run)) if names.next().is_none() => {
            let bare = run.strip_prefix("run ").or_else(|| run.strip_prefix("session "));
            let bare = bare.or_else(|| (run == NO_SESSION).then_some(run))?;
            format!("runs raise {}", shell_word(bare))
        }
        _ => return None,
    };
    Some(format!("flyball {what} {amount}"))
}
