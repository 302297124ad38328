//! Ledgers to test, each kind made and opened again in the same way.

use std::path::PathBuf;

use flyball::budget::{
    Admission, Answer, Applied, Ask, Books, Bound, Charge, Limits, Operation, OutputCap, ScopeId,
    ScopeRow,
};
use flyball::id::AttemptId;
use flyball::ledger::{Ledger, MemoryLedger, PostgresLedger, SqliteLedger};
use flyball::money::{Picodollars, Rate};
use jiff::Timestamp;
use tempfile::TempDir;

use super::postgres::server::{self, Database};

/// A place in which one ledger lives.
pub(super) trait Stand {
    type Ledger: Ledger;
    fn new() -> Self;
    /// The same ledger, as another process would open it.
    fn open(&self) -> Self::Ledger;

    fn books(&self) -> Books<Self::Ledger> {
        Books::new(self.open(), usize::MAX)
    }
}

pub(super) struct InMemory(MemoryLedger);

impl Stand for InMemory {
    type Ledger = MemoryLedger;

    fn new() -> Self {
        Self(MemoryLedger::new(noon))
    }

    fn open(&self) -> MemoryLedger {
        self.0.clone()
    }
}

pub(super) struct OnDisk {
    folder: TempDir,
}

impl OnDisk {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("deep/down/ledger.db")
    }
}

impl Stand for OnDisk {
    type Ledger = SqliteLedger;

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> SqliteLedger {
        SqliteLedger::open(&self.path(), noon).unwrap()
    }
}

pub(super) struct InPostgres {
    pub(super) database: Database<'static>,
}

impl Stand for InPostgres {
    type Ledger = PostgresLedger;

    fn new() -> Self {
        Self { database: server::shared().database() }
    }

    fn open(&self) -> PostgresLedger {
        PostgresLedger::open(&self.database.url(), noon).unwrap()
    }
}

/// Runs every test on every kind of ledger.
macro_rules! on_every_stand {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name::<crate::ledger::stand::InMemory>(); })*
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name::<crate::ledger::stand::OnDisk>(); })*
        }
        mod postgres {
            $(#[test] fn $name() {
                if crate::ledger::postgres::server::is_wanted() {
                    super::$name::<crate::ledger::stand::InPostgres>();
                }
            })*
        }
    };
}
pub(super) use on_every_stand;

pub(super) fn noon() -> Timestamp {
    "2026-11-24T12:00:00.25Z".parse().unwrap()
}

pub(super) const fn pico(amount: i128) -> Picodollars {
    Picodollars::from_pico(amount)
}

pub(super) fn id(attempt: &str) -> AttemptId {
    AttemptId::from(attempt)
}

pub(super) fn charge(usd: i128) -> Charge {
    Charge { usd: pico(usd), billed_tokens: 5, output_tokens: 1, requests: 1 }
}

/// A request that costs `usd` whatever it answers.
pub(super) fn ask(attempt: &str, scope: ScopeId, usd: i128) -> Ask {
    Ask {
        price: None,
        windows: Vec::new(),
        attempt: id(attempt),
        scope,
        agent: None,
        order: 0,
        bound: Bound { fixed: charge(usd), output_rate: Rate::from_pico_per_token(0) },
        cap: OutputCap { standing_tokens: 1, floor_tokens: 1 },
    }
}

pub(super) fn by_agent(agent: &str, ask: Ask) -> Ask {
    Ask { agent: Some(agent.into()), ..ask }
}

pub(super) fn apply<L: Ledger>(books: &mut Books<L>, operation: Operation) -> Applied {
    books.apply(&[operation]).unwrap()
}

pub(super) fn answer<L: Ledger>(books: &mut Books<L>, operation: Operation) -> Answer {
    apply(books, operation).answers.remove(0).unwrap()
}

pub(super) fn open<L: Ledger>(books: &mut Books<L>, path: &[&str], limits: Limits) -> ScopeId {
    let path = path.iter().map(|name| (*name).to_owned()).collect();
    match answer(books, Operation::Open { path, limits }) {
        Answer::Scope(id) => id,
        other => panic!("no scope: {other:?}"),
    }
}

pub(super) fn reserve<L: Ledger>(books: &mut Books<L>, ask: Ask) -> Admission {
    match answer(books, Operation::Reserve(ask)) {
        Answer::Admission(admission) => admission,
        other => panic!("no admission: {other:?}"),
    }
}

pub(super) fn admitted<L: Ledger>(books: &mut Books<L>, ask: Ask) {
    let admission = reserve(books, ask);
    assert!(matches!(admission, Admission::Admitted(_)), "{admission:?}");
}

pub(super) fn settle<L: Ledger>(books: &mut Books<L>, attempt: &str, usd: i128) -> bool {
    match answer(books, Operation::Settle(id(attempt), charge(usd))) {
        Answer::Done { already_closed } => already_closed,
        other => panic!("not done: {other:?}"),
    }
}

pub(super) fn row<L: Ledger>(books: &mut Books<L>, scope: ScopeId) -> ScopeRow {
    books.store().scopes().unwrap().into_iter().find(|row| row.id == scope).unwrap()
}

/// Settled and reserved dollars of a scope.
pub(super) fn usd<L: Ledger>(books: &mut Books<L>, scope: ScopeId) -> (i128, i128) {
    let row = row(books, scope);
    (row.settled.usd.pico(), row.reserved.usd.pico())
}
