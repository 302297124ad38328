//! What whoever watches a gateway sees of the accounts behind it, and can do to them. Whoever starts
//! a gateway brings a [`Console`]: it knows scopes and ledgers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::amount::PlanWindow;
use crate::budget::UnitBalance;
use crate::gateway::till::Later;

/// Shows accounts and changes them.
pub trait Console: Send + Sync {
    /// How the accounts stand now; what is the matter where nobody can say.
    fn accounts(&self) -> Later<Result<Accounts, String>>;

    /// Does something to one of them; why it was not done, in a sentence.
    fn act(&self, action: Action) -> Later<Result<(), String>>;
}

/// Every account that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accounts {
    /// Budgets in force, widest first.
    pub budgets: Vec<Account>,
    /// Plan windows of subscriptions, as they were seen last.
    pub plan_windows: Vec<SeenWindow>,
    /// Runs and sessions, the latest first.
    pub runs: Vec<Account>,
    /// How many older runs and sessions are not among them.
    pub runs_left_out: usize,
}

/// One plan window. Shares are thousandths of a percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenWindow {
    /// Which.
    pub window: PlanWindow,
    /// Whose: a hash that tells subscriptions apart. Null where it was never seen.
    pub account: Option<String>,
    /// Its soft limit.
    pub limit_milli_percent: Option<u64>,
    /// How far it was used when last seen; null where it was never seen or has begun anew since.
    pub used_milli_percent: Option<u64>,
    /// When that was.
    pub seen_at: Option<Timestamp>,
    /// When it begins anew.
    pub resets_at: Option<Timestamp>,
}

/// One account with its balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Names it in an [`Action`].
    pub id: String,
    /// As it is shown.
    pub name: String,
    /// Whether it admits nothing new.
    pub paused: bool,
    /// Dollars, and what else it limits.
    pub units: Vec<UnitBalance>,
}

/// What can be done to a run or a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Raise its limit.
    Raise {
        /// The [`Account::id`].
        account: String,
        /// By so much, with a unit: `5usd`.
        amount: String,
    },
    /// Admit nothing until it is resumed.
    Pause {
        /// The [`Account::id`].
        account: String,
    },
    /// Admit again.
    Resume {
        /// The [`Account::id`].
        account: String,
    },
    /// Admit nothing more.
    Stop {
        /// The [`Account::id`].
        account: String,
    },
}
