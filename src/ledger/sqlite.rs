//! The embedded ledger: one SQLite file that many processes write, each transaction on the disk
//! before it is acknowledged.
//!
//! One transaction at a time: `BEGIN IMMEDIATE` takes the only right to write, so that what the
//! rules read stays true until what they decided is written.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::budget::{AttemptRow, Changes, LeaseRow, Rows, ScopeRow, Store, StoreError, Wanted};
use crate::id::{AttemptId, RunId};
use crate::ledger::access::{EachRow, HeldRows, Ledger, Moment, ReadLedger, RowSource};
use crate::ledger::check::writable;
use crate::ledger::clock::Clock;
use crate::ledger::entry_row::{EntryFilter, EntryRow};
use crate::ledger::failure::{Fault, holds_something, is_busy};
use crate::ledger::gather::{Source, gather};
use crate::ledger::owner::{self, Claim, OwnerRow};
use crate::ledger::plan_window_row::PlanWindowRow;
use crate::ledger::plan_windows;
use crate::ledger::remembered::Remembered;
use crate::ledger::runs::RunRow;
use crate::ledger::{opening, schema, select, upsert};

/// How long one transaction waits for another process, where nothing else is said.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
/// A ledger in one SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {
    connection: Connection,
    /// As it was named.
    path: PathBuf,
    /// Without links, so that all who use the file look beside it in the same place.
    canonical: PathBuf,
    now: Clock,
    note: Option<String>,
    claim: Option<Claim>,
    remembered: Remembered,
}

impl SqliteLedger {
    /// Opens the ledger at `path`. It is made where it is missing, with the folders above it,
    /// readable by this user only. `now` dates its entries.
    ///
    /// # Errors
    /// It cannot be opened and written, is no ledger, or was written by a newer flyball.
    pub fn open(path: &Path, now: Clock) -> Result<Self, StoreError> {
        Self::of(opening::writable(path), path, now)
    }

    /// Opens the ledger at `path` for reading; whatever wants to write is refused.
    ///
    /// # Errors
    /// It does not exist or cannot be read, is no ledger, or needs another version of flyball.
    pub fn open_read_only(path: &Path, now: Clock) -> Result<Self, StoreError> {
        Self::of(opening::read_only(path), path, now)
    }

    fn of(opened: Result<Connection, Fault>, path: &Path, now: Clock) -> Result<Self, StoreError> {
        let opened = opened.and_then(|connection| Ok((connection, opening::canonical(path)?)));
        let (connection, canonical) = opened.map_err(|fault| fault.told(path.display()))?;
        let (path, remembered) = (path.to_owned(), Remembered::default());
        Ok(Self { connection, path, canonical, now, note: None, claim: None, remembered })
    }

    /// The same with another wait for processes that write.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn with_wait(self, wait: Duration) -> Result<Self, StoreError> {
        let set = self.connection.busy_timeout(wait);
        set.map_err(|error| Fault::from(error).told(self.path.display()))?;
        Ok(self)
    }

    /// The same with a limit on the size of its file, as far as this connection makes it grow.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn with_size_max(self, bytes: u64) -> Result<Self, StoreError> {
        let set = || {
            let page: i64 = self.connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
            let sql = format!("PRAGMA max_page_count = {}", pages.max(1));
            self.connection.query_row(&sql, [], |_| Ok(()))
        };
        set().map_err(|error| Fault::from(error).told(self.path.display()))?;
        Ok(self)
    }

    /// Where it is, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its file is known by, whatever path led to it: a hash of the device and the number that
    /// it has there.
    ///
    /// # Errors
    /// There is no such file any more.
    pub fn identity(&self) -> Result<String, StoreError> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(&self.path)
            .map_err(|error| StoreError::Unusable(format!("{}: {error}", self.path.display())))?;
        let file = format!("{}:{}", found.dev(), found.ino());
        Ok(format!("file-{:x}", Sha256::digest(file)))
    }

    /// Where the journals of borrowed slices lie.
    pub fn journals(&self) -> PathBuf {
        self.beside("-leases")
    }

    /// Where runs that are under way have their locks.
    pub fn run_locks(&self) -> PathBuf {
        self.beside("-runs")
    }

    /// Where the processes that hold something have their locks.
    fn locks(&self) -> PathBuf {
        self.beside("-owners")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.canonical.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// One transaction, whose `work` says whether there is something to keep.
    fn within(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        // Left open where an earlier one could not be undone.
        self.roll_back()?;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let worked = schema::still_known(&self.connection).and_then(|()| work(&self.connection));
        match worked {
            Ok(true) => self.commit(),
            Ok(false) => Ok(self.roll_back()?),
            Err(fault) => Err(match self.roll_back() {
                Ok(()) => fault,
                Err(second) => fault.with_failed_rollback(&second, self.path.display()),
            }),
        }
    }

    /// A commit that fails may have reached the disk and be found there after a crash.
    fn commit(&mut self) -> Result<(), Fault> {
        let commit = || self.connection.prepare_cached("COMMIT")?.execute([]);
        let Err(error) = commit() else { return Ok(()) };
        let undone = self.roll_back();
        if is_busy(&error) && undone.is_ok() {
            return Err(error.into());
        }
        let uncertain = StoreError::Uncertain(format!("{}: {error}", self.path.display()));
        Err(match undone {
            Ok(()) => Fault::Told(uncertain),
            Err(second) => {
                Fault::Told(uncertain).with_failed_rollback(&second, self.path.display())
            }
        })
    }

    /// SQLite undoes some failed transactions by itself; then there is nothing to do.
    fn roll_back(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.prepare_cached("ROLLBACK")?.execute([])?;
        Ok(())
    }

    /// Reads one moment.
    fn reading<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let reading = || {
            // Dropped at the end, which ends it; nothing was written.
            let transaction = self.connection.unchecked_transaction()?;
            schema::still_known(&transaction)?;
            read(&transaction)
        };
        reading().map_err(|fault| fault.told(self.path.display()))
    }
}

impl SqliteLedger {
    /// Processes, and whether their locks are held.
    fn seen(&self, found: Vec<(OwnerRow, String)>) -> Vec<OwnerRow> {
        let locks = self.locks();
        let seen = |(row, token): (OwnerRow, String)| {
            let liveness = owner::liveness(&locks, &token);
            OwnerRow { liveness, ..row }
        };
        found.into_iter().map(seen).collect()
    }
}

impl Store for SqliteLedger {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        let (now, note, locks) = (self.now, self.note.take(), self.locks());
        let mut claim = self.claim.take();
        let mut remembered = std::mem::take(&mut self.remembered);
        let mut kept = None;
        let done = self.within(|connection| {
            remembered.look(connection)?;
            let changes = work(gather(&remembered.over(connection), wanted)?);
            if changes.is_empty() {
                return Ok(false);
            }
            writable(&changes)?;
            let mut own = None;
            if changes.is_held_by_nobody() {
                // The lock that says that this process lives, from what it first holds on.
                if claim.is_none() {
                    claim = Some(Claim::take(&locks, now())?);
                }
                own = match (&claim, remembered.own()) {
                    (Some(claim), None) => {
                        Some(upsert::write_owner(connection, claim.token(), now())?)
                    }
                    (_, own) => own,
                };
            }
            let first = remembered.next_sequence();
            let number_of = |attempt: &AttemptId| remembered.number_of(attempt);
            let stamp =
                upsert::Stamp { own, at: now(), note: note.as_deref(), number_of: &number_of };
            let written = upsert::write(connection, &changes, first, stamp)?;
            kept = Some((changes, own, written));
            Ok(true)
        });
        match (&done, kept) {
            (Ok(()), Some((changes, own, written))) => remembered.learn(changes, own, written),
            (Ok(()), None) => {}
            (Err(_), _) => remembered.forget(),
        }
        (self.note, self.claim, self.remembered) = (note, claim, remembered);
        done.map_err(|fault| fault.told(self.path.display()))
    }
}

impl Ledger for SqliteLedger {
    fn record_run(&mut self, run: &RunRow) -> Result<(), StoreError> {
        let done = self.within(|connection| upsert::write_run(connection, run).map(|()| true));
        done.map_err(|fault| fault.told(self.path.display()))
    }

    fn record_plan_windows(&mut self, rows: &[PlanWindowRow]) -> Result<(), StoreError> {
        let done = self.within(|connection| {
            rows.iter().try_for_each(|row| plan_windows::write(connection, row))?;
            Ok(!rows.is_empty())
        });
        done.map_err(|fault| fault.told(self.path.display()))
    }

    fn fill(&mut self, rows: RowSource<'_>) -> Result<(), StoreError> {
        let place = self.path.clone();
        let done = self.within(|connection| {
            if !select::is_empty(connection)? {
                return Err(holds_something());
            }
            rows(&mut |row| {
                let written = upsert::write_row(connection, &row);
                written.map_err(|fault| fault.told(place.display()))
            })?;
            Ok(true)
        });
        // Rows that came past the rules are not among those that are remembered.
        self.remembered.forget();
        done.map_err(|fault| fault.told(self.path.display()))
    }

    fn set_note(&mut self, note: Option<String>) {
        self.note = note;
    }
}

impl ReadLedger for SqliteLedger {
    fn scopes(&self) -> Result<Vec<ScopeRow>, StoreError> {
        self.reading(select::every_scope)
    }

    fn upper_scopes(&self, levels: usize) -> Result<Vec<ScopeRow>, StoreError> {
        self.reading(|connection| select::upper_scopes(connection, levels))
    }

    fn scope_by_path(&self, path: &str) -> Result<Option<ScopeRow>, StoreError> {
        self.reading(|connection| connection.scope_at(path))
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, StoreError> {
        self.reading(|connection| Source::attempt(connection, id))
    }

    fn in_flight(&self) -> Result<Vec<AttemptRow>, StoreError> {
        self.reading(select::every_attempt_in_flight)
    }

    fn entries(&self, filter: &EntryFilter, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        let mut entries =
            self.reading(|connection| select::last_entries(connection, filter, limit))?;
        entries.reverse();
        Ok(entries)
    }

    fn stream(
        &self,
        each: &mut dyn FnMut(EntryRow) -> ControlFlow<()>,
    ) -> Result<Moment, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(select::ALL_ENTRIES)?;
            let mut rows = statement.query([])?;
            let mut reader = select::EntryReader::default();
            while let Some(row) = rows.next()? {
                if each(reader.read(row)?).is_break() {
                    break;
                }
            }
            Ok(Moment {
                scopes: select::every_scope(connection)?,
                in_flight: select::every_attempt_in_flight(connection)?,
            })
        })
    }

    fn every_row(&self, each: EachRow<'_>) -> Result<(), StoreError> {
        self.reading(|connection| select::every_row(connection, each))
    }

    fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        self.reading(select::every_lease_held)
    }

    fn owners(&self) -> Result<Vec<OwnerRow>, StoreError> {
        Ok(self.seen(self.reading(select::every_owner)?))
    }

    fn held(&self) -> Result<HeldRows, StoreError> {
        let (owners, attempts, leases) = self.reading(|connection| {
            Ok((
                select::every_owner(connection)?,
                select::every_attempt_in_flight(connection)?,
                select::every_lease_held(connection)?,
            ))
        })?;
        Ok(HeldRows { owners: self.seen(owners), attempts, leases })
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.reading(|connection| select::last_runs(connection, limit))
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.reading(|connection| select::run(connection, id))
    }

    fn check_storage(&self) -> Result<(), StoreError> {
        self.reading(|connection| {
            let ask = "PRAGMA quick_check(1)";
            let said: String = connection.query_row(ask, [], |row| row.get(0))?;
            if said == "ok" { Ok(()) } else { Err(Fault::Damaged(said)) }
        })
    }

    fn plan_windows(&self, last: usize) -> Result<Vec<PlanWindowRow>, StoreError> {
        self.reading(|connection| plan_windows::read(connection, last))
    }
}
