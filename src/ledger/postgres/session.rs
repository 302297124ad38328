//! One connection to a server, used as if it were a function: questions go out together, the answers
//! come back in order, and every wait has a limit.
//!
//! The connection lives on a small runtime of its own, which turns only while somebody waits for an
//! answer. So it must not be used on a thread that already drives another one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

use crate::ledger::failure::Fault;
use crate::ledger::postgres::server::Server;
use crate::ledger::postgres::tls;
use crate::ledger::postgres::trouble::{Trouble, is_undone};

/// How long an answer may take beyond what the server itself was told to wait. A server that says
/// nothing for longer is as good as gone.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Statements that stay planned on a connection.
const STATEMENTS_MAX: usize = 64;

/// A parameter of a question, with its type.
type Parameter = (Box<dyn ToSql + Sync + Send>, Type);

/// One statement with its parameters.
pub(super) struct Question {
    sql: String,
    parameters: Vec<Parameter>,
}

impl Question {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    pub(super) fn number(self, number: impl Into<Option<i64>>) -> Self {
        self.with(number.into(), Type::INT8)
    }

    pub(super) fn text(self, text: impl Into<Option<String>>) -> Self {
        self.with(text.into(), Type::TEXT)
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.with(flag, Type::BOOL)
    }

    pub(super) fn numbers(self, numbers: Vec<i64>) -> Self {
        self.with(numbers, Type::INT8_ARRAY)
    }

    pub(super) fn texts(self, texts: Vec<String>) -> Self {
        self.with(texts, Type::TEXT_ARRAY)
    }

    fn with(mut self, value: impl ToSql + Sync + Send + 'static, of: Type) -> Self {
        self.parameters.push((Box::new(value), of));
        self
    }
}

/// What a statement led to.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// How many rows it returned or changed.
    pub(super) count: u64,
}

/// What became of a commit.
pub(super) enum Commit {
    Kept,
    /// Undone for certain.
    Undone(Trouble),
    /// It was sent, and nobody knows.
    Unknown(String),
}

/// A connection. Dropped within a transaction, it takes the transaction with it.
pub(super) struct Session {
    // Before the runtime, so that it is dropped before it.
    client: Client,
    /// Those that the server knows already, by their text.
    statements: RefCell<HashMap<String, Statement>>,
    runtime: Runtime,
}

impl Session {
    /// Connects and logs in, within `wait`.
    pub(super) fn open(server: &Server, wait: Duration) -> Result<Self, Trouble> {
        let tls = tls::connector(&server.trust)?;
        let unavailable = |error: std::io::Error| Fault::Unusable(error.to_string());
        let runtime = Builder::new_current_thread().enable_all().build().map_err(unavailable)?;
        let connected = runtime.block_on(async {
            let connecting = timeout(wait, server.config.connect(tls)).await;
            let (client, connection) = connecting.map_err(|_| silent(wait))?.map_err(unreached)?;
            // Its errors come up again where somebody waits for an answer.
            tokio::spawn(async move { connection.await.is_ok() });
            Ok(client)
        });
        match connected {
            Ok(client) => Ok(Self { client, statements: RefCell::default(), runtime }),
            Err(trouble) => {
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
                Err(trouble)
            }
        }
    }

    /// Runs `script`, several statements without parameters, then asks `questions`: one way there,
    /// one way back. `wait` is what the server was told to wait for others at most.
    ///
    /// # Errors
    /// The first one in order; those after it were not answered.
    pub(super) fn ask(
        &self,
        script: Option<&str>,
        questions: Vec<Question>,
        wait: Duration,
    ) -> Result<Vec<Answer>, Trouble> {
        type Asking<'a> = Pin<Box<dyn Future<Output = Result<Answer, tokio_postgres::Error>> + 'a>>;
        self.prepare(&questions, script.is_some(), wait)?;
        let mut asking: Vec<Asking<'_>> = Vec::new();
        let scripted = usize::from(script.is_some());
        if let Some(script) = script {
            asking.push(Box::pin(async move {
                self.client.batch_execute(script).await?;
                Ok(Answer { rows: Vec::new(), count: 0 })
            }));
        }
        for question in questions {
            asking.push(Box::pin(self.answer(question)));
        }
        let limit = wait + ANSWER_MAX;
        // Polled in order, so sent in order; answered in order by the server.
        let answers = self.runtime.block_on(async { timeout(limit, join_all(asking)).await });
        let answers = answers.map_err(|_| silent(limit))?;
        let answers: Result<Vec<Answer>, _> = answers.into_iter().collect();
        Ok(answers?.split_off(scripted))
    }

    /// Has the server plan what it has not seen yet. Before the questions themselves, which go out
    /// in order and together. What it refuses may make sense once a script has run (`before_script`),
    /// and is asked unplanned.
    fn prepare(
        &self,
        questions: &[Question],
        before_script: bool,
        wait: Duration,
    ) -> Result<(), Trouble> {
        let limit = wait + ANSWER_MAX;
        for question in questions {
            let mut statements = self.statements.borrow_mut();
            if statements.contains_key(&question.sql) || statements.len() >= STATEMENTS_MAX {
                continue;
            }
            let types: Vec<Type> = question.parameters.iter().map(|(_, of)| of.clone()).collect();
            let preparing = self.client.prepare_typed(&question.sql, &types);
            let prepared = self.runtime.block_on(async { timeout(limit, preparing).await });
            match prepared.map_err(|_| silent(limit))? {
                Ok(statement) => drop(statements.insert(question.sql.clone(), statement)),
                Err(error) if before_script && error.as_db_error().is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn answer(&self, question: Question) -> Result<Answer, tokio_postgres::Error> {
        let known = self.statements.borrow().get(&question.sql).cloned();
        let parameters = question.parameters.iter();
        let stream = if let Some(statement) = known {
            let values = parameters.map(|(value, _)| &**value as &(dyn ToSql + Sync));
            self.client.query_raw(&statement, values).await?
        } else {
            let typed = parameters.map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone()));
            self.client.query_typed_raw(&question.sql, typed).await?
        };
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        let count = stream.rows_affected();
        Ok(Answer { count: count.unwrap_or(rows.len() as u64), rows })
    }

    /// Commits.
    pub(super) fn commit(&self, wait: Duration) -> Commit {
        if self.client.is_closed() {
            return Commit::Undone(Trouble::Lost("it ended before the commit".to_owned()));
        }
        let limit = wait + ANSWER_MAX;
        let committing = self.client.batch_execute("COMMIT");
        match self.runtime.block_on(async { timeout(limit, committing).await }) {
            Ok(Ok(())) => Commit::Kept,
            Ok(Err(error)) if is_undone(&error) => Commit::Undone(error.into()),
            Ok(Err(error)) => Commit::Unknown(match Trouble::from(error) {
                Trouble::Lost(reason)
                | Trouble::Busy(reason)
                | Trouble::Conflict(reason)
                | Trouble::Silent(reason)
                | Trouble::NotReady(reason) => reason,
                Trouble::Fault(fault) => fault.told("commit").to_string(),
            }),
            Err(_) => Commit::Unknown(format!("the server did not answer within {limit:?}")),
        }
    }

    /// Ends the connection and waits for nothing, which a runtime that is just dropped would: that
    /// is a panic on a thread of another runtime.
    pub(super) fn close(self) {
        let Self { client, statements, runtime } = self;
        drop((client, statements));
        runtime.shutdown_background();
    }

    /// Undoes the transaction. A session that cannot is to be dropped, which does the same.
    pub(super) fn roll_back(&self, wait: Duration) -> Result<(), Trouble> {
        self.ask(Some("ROLLBACK"), Vec::new(), wait).map(drop)
    }
}

fn silent(limit: Duration) -> Trouble {
    Trouble::Silent(format!("the server did not answer within {limit:?}"))
}

fn unreached(error: tokio_postgres::Error) -> Trouble {
    match Trouble::from(error) {
        Trouble::Lost(reason) => Trouble::unusable(format!("it cannot be reached ({reason})")),
        other => other,
    }
}
