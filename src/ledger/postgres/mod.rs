//! The shared ledger: a Postgres database that the gateways of many machines write, each transaction
//! on the server's disk before it is acknowledged.
//!
//! One transaction per batch: `locked` takes what the batch needs, the rules decide, `write` writes
//! it. Batches that share a scope come one after the other; those that share none meet only where
//! entries are numbered. Whatever fails before the commit was sent left nothing behind; whatever
//! fails after that is uncertain, unless the server says that it was undone.

mod claim;
mod copies;
mod locked;
mod pages;
mod plan_windows;
mod schema;
mod select;
mod server;
mod session;
mod tls;
mod trouble;
mod write;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use crate::budget::{AttemptRow, Changes, LeaseRow, Rows, ScopeRow, Store, StoreError, Wanted};
use crate::id::{AttemptId, OwnerId, RunId};
use crate::ledger::access::{EachRow, HeldRows, Ledger, Moment, ReadLedger, RowSource};
use crate::ledger::check::writable;
use crate::ledger::clock::Clock;
use crate::ledger::entry_row::{EntryFilter, EntryRow};
use crate::ledger::failure::Fault;
use crate::ledger::owner::{Liveness, OwnerRow};
use crate::ledger::plan_window_row::PlanWindowRow;
use crate::ledger::postgres::locked::Locked;
use crate::ledger::postgres::schema::{not_newer, version_question};
use crate::ledger::postgres::server::Server;
use crate::ledger::postgres::session::{Commit, Question, Session};
use crate::ledger::postgres::trouble::Trouble;
use crate::ledger::postgres::write::Writes;
use crate::ledger::runs::RunRow;
use crate::ledger::sqlite::WAIT_MAX;

/// How often a transaction is begun anew where somebody else was faster or the connection is gone,
/// before anything was decided.
const TRIES_MAX: u32 = 4;
/// Between two tries at a server that is about to be ready.
const RETRY: Duration = Duration::from_millis(50);
/// After this long without a word within a transaction, the server ends it and sets its locks free:
/// a process that is stopped, or cut off, keeps nobody else waiting for longer.
const SILENT_MAX: Duration = Duration::from_secs(10);
/// What a statement of a writing transaction may take besides waiting for locks.
const STATEMENT_MAX: Duration = Duration::from_secs(2);

/// A ledger in a Postgres database.
///
/// It waits for its answers on the calling thread, which must not drive an asynchronous runtime. One
/// that has never held anything may be dropped on such a thread.
pub struct PostgresLedger {
    server: Server,
    /// Taken out for each use, so that whatever goes wrong leaves none in an unknown state.
    session: RefCell<Option<Session>>,
    wait: Duration,
    now: Clock,
    note: Option<String>,
    /// Names this opening of the ledger among all.
    token: String,
    /// The number that goes with it, once it is kept.
    own: Cell<Option<OwnerId>>,
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLedger").field("server", &self.server).finish_non_exhaustive()
    }
}

impl PostgresLedger {
    /// Opens the ledger in the database that `url` names, and makes its tables where there are none.
    /// `now` dates its entries.
    ///
    /// # Errors
    /// The database cannot be reached or written, or a newer flyball wrote the ledger. No error
    /// holds the password, or any part of a URL that cannot be read.
    pub fn open(url: &str, now: Clock) -> Result<Self, StoreError> {
        let ledger = Self::of(url, now)?;
        ledger.prepared(true).map_err(|trouble| trouble.told(ledger.place()))?;
        Ok(ledger)
    }

    /// Opens the ledger in the database that `url` names; `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_existing(url: &str, now: Clock) -> Result<Option<Self>, StoreError> {
        let ledger = Self::of(url, now)?;
        let found = ledger.prepared(false).map_err(|trouble| trouble.told(ledger.place()))?;
        Ok(found.then_some(ledger))
    }

    fn of(url: &str, now: Clock) -> Result<Self, StoreError> {
        let server = Server::named_by(url)?;
        Ok(Self {
            server,
            session: RefCell::default(),
            wait: WAIT_MAX,
            now,
            note: None,
            token: claim::token(now()),
            own: Cell::default(),
        })
    }

    /// The same with another wait: for other processes that write, and for the server to be there.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Host and database in words, such as "Postgres database `shop` at db.example:5432".
    pub fn place(&self) -> &str {
        self.server.place()
    }

    /// What it is known by: a hash of its server, port and database as they were named.
    pub fn identity(&self) -> String {
        format!("postgres-{:x}", Sha256::digest(self.place()))
    }

    /// Where the journals of borrowed slices lie, below the folder of what flyball remembers on a
    /// machine.
    pub fn journals(&self) -> PathBuf {
        PathBuf::from(format!("postgres-{:x}-leases", Sha256::digest(self.place())))
    }

    /// Where runs of a machine that are under way have their locks, below the same folder.
    pub fn run_locks(&self) -> PathBuf {
        PathBuf::from(format!("postgres-{:x}-runs", Sha256::digest(self.place())))
    }

    /// Whether the tables are there; made where `create` is set.
    fn prepared(&self, create: bool) -> Result<bool, Trouble> {
        let (session, found) = self.begun(|session| schema::prepare(session, create, self.wait))?;
        self.session.replace(Some(session));
        Ok(found)
    }

    /// A session on which `first` went well: the last one, or a new one. What fails since somebody
    /// else was faster or since the session was dead is tried again, so `first` must decide nothing.
    fn begun<T>(
        &self,
        mut first: impl FnMut(&Session) -> Result<T, Trouble>,
    ) -> Result<(Session, T), Trouble> {
        let (since, mut tries) = (Instant::now(), 0);
        loop {
            tries += 1;
            match self.begun_once(&mut first) {
                Err(Trouble::Conflict(_) | Trouble::Lost(_)) if tries < TRIES_MAX => {}
                Err(Trouble::NotReady(_)) if since.elapsed() < self.wait => thread::sleep(RETRY),
                done => return done,
            }
        }
    }

    fn begun_once<T>(
        &self,
        first: &mut impl FnMut(&Session) -> Result<T, Trouble>,
    ) -> Result<(Session, T), Trouble> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connected()?,
        };
        match first(&session) {
            Ok(done) => Ok((session, done)),
            Err(trouble) => Err(self.undone(session, trouble)),
        }
    }

    /// A new session; it has the lock of this process where that holds something.
    fn connected(&self) -> Result<Session, Trouble> {
        let session = Session::open(&self.server, self.wait)?;
        if let Some(own) = self.own.get() {
            claim::lock(&session, own, self.wait)?;
        }
        Ok(session)
    }

    /// Undoes what a session has begun. One that cannot be asked any more is dropped, which undoes
    /// it as well.
    fn undo(&self, session: Session) {
        if session.roll_back(self.wait).is_ok() {
            self.session.replace(Some(session));
        }
    }

    /// The same because of `trouble`.
    fn undone(&self, session: Session, trouble: Trouble) -> Trouble {
        if !matches!(trouble, Trouble::Lost(_) | Trouble::Silent(_)) {
            self.undo(session);
        }
        trouble
    }

    /// What a writing transaction begins with. Locks are waited for as long as the caller wants; a
    /// commit is acknowledged once it is on the disk, whatever the database's default is. Rows are
    /// looked up one by one through an index: plans stay as they were made, and those made while a
    /// table was small would go on reading all of it.
    fn begin_writing(&self) -> String {
        let wait = self.wait.as_millis().max(1);
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL lock_timeout = {wait}; \
             SET LOCAL statement_timeout = {}; \
             SET LOCAL enable_seqscan = off; \
             SET LOCAL enable_hashjoin = off; \
             SET LOCAL enable_mergejoin = off; \
             SET LOCAL jit = off; \
             SET LOCAL idle_in_transaction_session_timeout = {}; \
             SELECT set_config('synchronous_commit', 'on', true) \
             WHERE current_setting('synchronous_commit') = 'off'",
            wait + STATEMENT_MAX.as_millis(),
            SILENT_MAX.as_millis(),
        )
    }

    /// Keeps what `session` has written.
    fn commit(&self, session: Session) -> Result<(), Trouble> {
        match session.commit(self.wait) {
            Commit::Kept => {
                self.session.replace(Some(session));
                Ok(())
            }
            Commit::Undone(trouble) => Err(self.undone(session, trouble)),
            Commit::Unknown(reason) => {
                let uncertain = StoreError::Uncertain(format!("{}: {reason}", self.place()));
                Err(Trouble::Fault(Fault::Told(uncertain)))
            }
        }
    }

    fn transacted(
        &self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), Trouble> {
        let begin = self.begin_writing();
        let (session, locked) =
            self.begun(|session| Locked::take(session, &begin, wanted, self.wait))?;
        let mut own = self.own.get();
        let written = locked.rows(wanted).map_err(Trouble::from).and_then(|rows| {
            let changes = work(rows);
            if changes.is_empty() {
                return Ok(false);
            }
            writable(&changes)?;
            let now = (self.now)();
            if changes.is_held_by_nobody() && own.is_none() {
                let number = claim::number(&session, &self.token, now, self.wait)?;
                // From what it first holds on.
                claim::lock(&session, number, self.wait)?;
                own = Some(number);
            }
            let writes = Writes::of(&changes, &locked, own, now, self.note.as_deref())?;
            writes.write(&session, self.wait)?;
            Ok(true)
        });
        match written {
            Ok(true) => {
                self.commit(session)?;
                self.own.set(own);
                Ok(())
            }
            Ok(false) => {
                self.undo(session);
                Ok(())
            }
            Err(trouble) => Err(self.undone(session, trouble)),
        }
    }

    /// Writes rows that no balance depends on.
    fn recorded(&self, rows: impl Fn() -> Result<Vec<Question>, Fault>) -> Result<(), Trouble> {
        let begin = self.begin_writing();
        let (session, ()) = self.begun(|session| {
            let mut questions = vec![version_question()];
            questions.extend(rows()?);
            let answers = session.ask(Some(&begin), questions, self.wait)?;
            not_newer(answers.first().map_or(&[], |answer| &answer.rows)).map(drop)
        })?;
        self.commit(session)
    }

    fn filled(&self, rows: RowSource<'_>) -> Result<(), Trouble> {
        let begin = self.begin_writing();
        let (session, ()) = self.begun(|session| copies::begin(session, &begin, self.wait))?;
        match copies::write(&session, rows, self.place(), self.wait) {
            Ok(()) => self.commit(session),
            Err(trouble) => Err(self.undone(session, trouble)),
        }
    }

    /// Reads one moment.
    fn reading<T>(
        &self,
        read: impl FnOnce(&Session) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}",
            pages::READING_MAX.as_millis()
        );
        let reading = || {
            let (session, ()) = self.begun(|session| {
                let answers = session.ask(Some(&begin), vec![version_question()], self.wait)?;
                not_newer(answers.first().map_or(&[], |answer| &answer.rows)).map(drop)
            })?;
            match read(&session) {
                Ok(done) => {
                    self.undo(session);
                    Ok(done)
                }
                Err(trouble) => Err(self.undone(session, trouble)),
            }
        };
        reading().map_err(|trouble| trouble.told(self.place()))
    }

    /// Reads the rows of one question.
    fn read<T>(
        &self,
        question: Question,
        decode: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Vec<T>, StoreError> {
        self.reading(|session| Ok(select::all(&pages::rows(session, question)?, decode)?))
    }
}

impl Drop for PostgresLedger {
    /// Who cannot say that it ends is found silent, and dead a while later.
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        if let Some(own) = self.own.get() {
            let _silent = claim::end(&session, own, self.wait);
        }
        session.close();
    }
}

impl Store for PostgresLedger {
    fn transact(
        &mut self,
        wanted: &Wanted,
        work: &mut dyn FnMut(Rows) -> Changes,
    ) -> Result<(), StoreError> {
        self.transacted(wanted, work).map_err(|trouble| trouble.told(self.place()))
    }
}

impl Ledger for PostgresLedger {
    fn record_run(&mut self, run: &RunRow) -> Result<(), StoreError> {
        self.recorded(|| Ok(vec![write::run(run)])).map_err(|trouble| trouble.told(self.place()))
    }

    fn record_plan_windows(&mut self, rows: &[PlanWindowRow]) -> Result<(), StoreError> {
        let recorded = self.recorded(|| rows.iter().map(plan_windows::insert).collect());
        recorded.map_err(|trouble| trouble.told(self.place()))
    }

    fn fill(&mut self, rows: RowSource<'_>) -> Result<(), StoreError> {
        self.filled(rows).map_err(|trouble| trouble.told(self.place()))
    }

    fn set_note(&mut self, note: Option<String>) {
        self.note = note;
    }
}

impl ReadLedger for PostgresLedger {
    fn scopes(&self) -> Result<Vec<ScopeRow>, StoreError> {
        self.read(select::every_scope(), select::scope_row)
    }

    fn upper_scopes(&self, levels: usize) -> Result<Vec<ScopeRow>, StoreError> {
        self.read(select::upper_scopes(levels), select::scope_row)
    }

    fn scope_by_path(&self, path: &str) -> Result<Option<ScopeRow>, StoreError> {
        self.read(select::scope_at(path), select::scope_row).map(|mut rows| rows.pop())
    }

    fn attempt(&self, id: &AttemptId) -> Result<Option<AttemptRow>, StoreError> {
        self.read(select::attempt(id), select::attempt_row).map(|mut rows| rows.pop())
    }

    fn in_flight(&self) -> Result<Vec<AttemptRow>, StoreError> {
        self.read(select::in_flight(), select::attempt_row)
    }

    fn entries(&self, filter: &EntryFilter, limit: usize) -> Result<Vec<EntryRow>, StoreError> {
        self.read(select::last_entries(filter, limit), select::entry_row)
    }

    fn stream(
        &self,
        each: &mut dyn FnMut(EntryRow) -> ControlFlow<()>,
    ) -> Result<Moment, StoreError> {
        self.reading(|session| {
            pages::entries(session, |entry| Ok(each(entry)))?;
            let questions = vec![select::every_scope(), select::in_flight()];
            let answers = session.ask(None, questions, pages::READING_MAX)?;
            let [scopes, in_flight] = &answers[..] else { return Ok(Moment::default()) };
            Ok(Moment {
                scopes: select::all(&scopes.rows, select::scope_row)?,
                in_flight: select::all(&in_flight.rows, select::attempt_row)?,
            })
        })
    }

    fn leases(&self) -> Result<Vec<LeaseRow>, StoreError> {
        self.read(select::leases_held(), select::lease_row)
    }

    fn owners(&self) -> Result<Vec<OwnerRow>, StoreError> {
        let owners = self.read(select::owners(), select::owner_row)?;
        let silent = owners.iter().filter(|owner| owner.liveness == Liveness::Silent);
        let silent: Vec<OwnerId> = silent.map(|owner| owner.id).collect();
        if !silent.is_empty()
            && let Some(session) = self.session.take()
            && claim::seem_silent(&session, &silent, self.wait).is_ok()
        {
            // Who may not write this down sees them silent for ever, which frees nothing.
            self.session.replace(Some(session));
        }
        Ok(owners)
    }

    fn held(&self) -> Result<HeldRows, StoreError> {
        self.reading(|session| {
            let owners = pages::rows(session, select::owners())?;
            let attempts = pages::rows(session, select::in_flight())?;
            let leases = pages::rows(session, select::leases_held())?;
            Ok(HeldRows {
                owners: select::all(&owners, select::owner_row)?,
                attempts: select::all(&attempts, select::attempt_row)?,
                leases: select::all(&leases, select::lease_row)?,
            })
        })
    }

    fn every_row(&self, each: EachRow<'_>) -> Result<(), StoreError> {
        self.reading(|session| copies::every_row(session, each))
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.read(select::last_runs(limit), select::run_row)
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.read(select::run(id), select::run_row).map(|mut rows| rows.pop())
    }

    fn plan_windows(&self, last: usize) -> Result<Vec<PlanWindowRow>, StoreError> {
        self.read(plan_windows::last(last), plan_windows::row)
    }
}
