//! A gateway in a process of its own, before a simulated upstream in this one.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use flyball::budget::Charge;
use flyball::budget::ScopeRow;
use flyball::ledger::{EntryFilter, PostgresLedger, ReadLedger, SqliteLedger};
use flyball::money::Picodollars;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::foreground::in_foreground;
use crate::upstream::client::{Response, Sent, send};
use crate::upstream::stand::Stand as Upstream;

/// Nothing here takes so long; a test that hangs fails instead.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A ledger for any number of gateways, and the folder that is their home.
pub(super) struct Books {
    folder: TempDir,
    /// Of a database, where the ledger is not in the folder.
    url: Option<String>,
}

impl Books {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), url: None }
    }

    /// In the Postgres database at `url`.
    pub(super) fn at(url: String) -> Self {
        Self { url: Some(url), ..Self::new() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Runs another command of flyball on the ledger; what it printed.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {error}");
        text
    }

    /// Runs a command that is to fail; its exit code and what it said.
    pub(super) fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("FLYBALL_LEDGER", self.place());
        command
    }

    fn place(&self) -> OsString {
        self.url.as_ref().map_or_else(|| self.path().into(), OsString::from)
    }

    pub(super) fn ledger(&self) -> Box<dyn ReadLedger> {
        match &self.url {
            Some(url) => Box::new(PostgresLedger::open(url, Timestamp::now).unwrap()),
            None => Box::new(SqliteLedger::open(&self.path(), Timestamp::now).unwrap()),
        }
    }

    pub(super) fn scopes(&self) -> Vec<ScopeRow> {
        self.ledger().scopes().unwrap()
    }

    /// The scope above all others.
    pub(super) fn org(&self) -> ScopeRow {
        self.scopes().into_iter().find(|row| &*row.path == "org").expect("something was charged")
    }

    pub(super) fn spent(&self) -> Picodollars {
        self.org().settled.usd
    }

    /// Kinds of entries about attempts, in order.
    pub(super) fn kinds(&self) -> Vec<String> {
        let entries = self.ledger().entries(&EntryFilter::default(), 10_000).unwrap();
        let about = entries.into_iter().filter(|entry| entry.kind.attempt().is_some());
        about.map(|entry| entry.kind.name().to_owned()).collect()
    }

    /// The billed tokens of every reservation, in order.
    pub(super) fn reserved_tokens(&self) -> Vec<u64> {
        self.reservations().iter().map(|charge| charge.billed_tokens).collect()
    }

    /// Every reservation, in order.
    pub(super) fn reservations(&self) -> Vec<Charge> {
        let entries = self.ledger().entries(&EntryFilter::default(), 10_000).unwrap();
        let reserves = entries.into_iter().filter(|entry| entry.kind.name() == "reserve");
        reserves.map(|entry| entry.kind.charge().unwrap()).collect()
    }

    /// Nothing is reserved and nothing is lent.
    pub(super) fn assert_all_settled(&self) {
        let ledger = self.ledger();
        assert!(ledger.in_flight().unwrap().is_empty(), "something is still reserved");
        assert!(ledger.leases().unwrap().is_empty(), "a slice is still out");
        for row in ledger.scopes().unwrap() {
            assert!(row.reserved.is_zero() && row.leased.is_zero(), "{}: {row:?}", row.path);
        }
    }
}

/// A gateway.
pub(super) struct Gateway {
    child: Child,
    address: SocketAddr,
    /// What it said before it listened.
    first: Vec<String>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

/// What a gateway has left behind.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) log: Vec<String>,
}

impl Gateway {
    pub(super) fn start(books: &Books, upstream: &Upstream, flags: &[&str]) -> Self {
        Self::before(books, upstream.address(), flags)
    }

    pub(super) fn before(books: &Books, upstream: SocketAddr, flags: &[&str]) -> Self {
        Self::within(books, upstream, flags, &[])
    }

    /// One that finds more in its environment.
    pub(super) fn within(
        books: &Books,
        upstream: SocketAddr,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Self::command(books, upstream, flags);
        command.envs(environment.iter().copied());
        Self::started(in_foreground(command))
    }

    /// One that is to outlive its terminal.
    pub(super) fn nohup(books: &Books, upstream: &Upstream) -> Self {
        let own = Self::command(books, upstream.address(), &[]);
        let mut command = Command::new("nohup");
        command.arg(own.get_program()).args(own.get_args());
        command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::started(command)
    }

    fn command(books: &Books, upstream: SocketAddr, flags: &[&str]) -> Command {
        let upstream = format!("http://{upstream}");
        let mut arguments = vec!["gateway", "--listen", "127.0.0.1:0", "--upstream", &upstream];
        arguments.extend(flags);
        let mut command = books.command(&arguments);
        command.env("FLYBALL_UPSTREAM_KEY", "sk-of-the-team");
        command
    }

    fn started(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _gone = tell.send(line);
            }
        });
        let (address, first) = (([127, 0, 0, 1], 0).into(), Vec::new());
        let mut gateway = Self { child, address, first, lines, reader: Some(reader) };
        let line = loop {
            let line = gateway.wait_for("");
            if line.contains("gateway on http") {
                break line;
            }
            gateway.first.push(line);
        };
        let address = line.split("://").nth(1).and_then(|rest| rest.split(' ').next());
        gateway.address = address.unwrap().parse().unwrap();
        gateway
    }

    /// What it said before it listened.
    pub(super) fn said_first(&self) -> &[String] {
        &self.first
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line of its log that has `words` in it.
    pub(super) fn wait_for(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the gateway never said `{words}`"));
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(super) fn send(&self, body: &Value, headers: &[(&str, &str)]) -> Sent {
        let body = body.to_string();
        send(self.address, "POST /v1/messages?beta=true", headers, Some(body.as_bytes()))
    }

    pub(super) fn ask(&self, body: &Value, headers: &[(&str, &str)]) -> Response {
        ask(self.address, body, headers)
    }

    pub(super) fn raw(&self, line: &str, body: Option<&[u8]>) -> Response {
        send(self.address, line, &[], body).receive()
    }

    /// The token of its live page, from the address that it prints.
    pub(super) fn token(&self) -> String {
        let line = self.wait_for("watch it at http://");
        let before = format!("http://{}/ui?token=", self.address);
        line.split_once(&before).expect(&line).1.to_owned()
    }

    /// Tells it to end, and waits for that.
    pub(super) fn stop(self) -> Ended {
        self.stop_with(rustix::process::Signal::TERM)
    }

    /// The same with another signal.
    pub(super) fn stop_with(mut self, signal: rustix::process::Signal) -> Ended {
        self.signal(signal);
        // Its log ends with it.
        let mut log = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => log.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("{signal:?} does not end the gateway"),
            }
        }
        let code = self.child.wait().unwrap().code();
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.reader.take().unwrap().join().unwrap();
        Ended { code, stdout, log }
    }

    /// Ends it at once, as a power cut would.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended where the test came to its end.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Asks the gateway at an address.
pub(super) fn ask(gateway: SocketAddr, body: &Value, headers: &[(&str, &str)]) -> Response {
    let body = body.to_string();
    send(gateway, "POST /v1/messages?beta=true", headers, Some(body.as_bytes())).receive()
}

/// A request of so many characters for at most so many tokens of answer.
pub(super) fn request(text: &str, max_tokens: u64) -> Value {
    json!({
        "model": "claude-haiku-4-5",
        "max_tokens": max_tokens,
        "messages": [{ "role": "user", "content": text }],
    })
}

/// The same, answered with a stream.
pub(super) fn streaming(text: &str, max_tokens: u64) -> Value {
    let mut request = request(text, max_tokens);
    request["stream"] = json!(true);
    request
}
