//! Keeping accounts for longer than a process. Owns the embedded ledger on SQLite, the shared one on
//! Postgres, their twin in memory, and how a ledger is read, exported, copied and verified; knows no
//! rules of a budget.
//!
//! The rules decide in [`crate::budget::Books`], within one transaction of a ledger. What cannot be
//! read or written is an error, and whoever asked is denied.

mod access;
mod borrowed;
mod boxed;
mod check;
mod clock;
mod columns;
mod copy;
mod entry_row;
mod export;
mod failure;
mod gather;
mod group_commit;
mod journal;
mod keeping;
mod lease_terms;
mod leasing;
mod memory;
mod opening;
mod owner;
mod plan_window_row;
mod plan_windows;
mod postgres;
mod reconcile;
mod remembered;
mod run_lock;
mod runs;
mod schema;
mod select;
mod sqlite;
mod sync;
mod ticket;
mod upsert;
mod verify;

pub use access::{AnyRow, EachRow, HeldRows, Ledger, Moment, ReadLedger, RowSource};
pub use clock::Clock;
pub use copy::{Copied, CopyError, copy};
pub use entry_row::{EntryFilter, EntryRow};
pub use export::{ExportError, ExportFormat, export};
pub use group_commit::{BooksError, Decided, GroupCommit};
pub use lease_terms::{LeaseTerms, SILENCE_MAX};
pub use leasing::LeaseDesk;
pub use memory::MemoryLedger;
pub use owner::{Liveness, OwnerRow};
pub use plan_window_row::{PlanWindowRow, WindowLimit};
pub use postgres::PostgresLedger;
pub use reconcile::{Holding, ReconcileError, Reconciled, Verdict, holdings, reconcile};
pub use run_lock::RunLock;
pub use runs::RunRow;
pub use schema::SCHEMA_VERSION;
pub use sqlite::{SqliteLedger, WAIT_MAX};
pub use ticket::{Now, Step, Ticket};
pub use verify::{Difference, Verified, VerifyError, verify};
