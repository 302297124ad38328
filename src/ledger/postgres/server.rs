//! Which server and database a URL names, and how the way there is kept private. Holds the password
//! and shows it to nobody.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::budget::StoreError;

/// After this long without a word, the system asks whether the other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Bytes that the other end has not confirmed for this long end the connection.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(30);

const FORM: &str = "a URL has the form postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require, \
                    with %XX for everything in a password but letters and digits";

/// Who must be at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers.
    Anybody,
    /// A certificate for this host by an authority in the file, or one that the system trusts.
    Certificate(Option<PathBuf>),
}

/// A server, a database there, and how to log in.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) trust: Trust,
    place: String,
}

impl Server {
    /// The server that `url` names.
    ///
    /// # Errors
    /// It names none, or asks for something that is not known. The error quotes nothing of it: where
    /// a password is not written as a URL wants it, any part may be the password's.
    pub(super) fn named_by(url: &str) -> Result<Self, StoreError> {
        let refused = |reason: &str| StoreError::Unusable(format!("{reason}; {FORM}"));
        let (url, mode, authorities) = without_trust(url);
        let mut config: Config =
            url.parse().map_err(|_| refused("the URL of a Postgres ledger cannot be read"))?;
        let trust = match mode.as_deref() {
            None | Some("prefer") => Trust::Anybody,
            Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                Trust::Anybody
            }
            Some("require") => {
                config.ssl_mode(SslMode::Require);
                Trust::Anybody
            }
            Some("verify-full") => {
                config.ssl_mode(SslMode::Require);
                Trust::Certificate(authorities)
            }
            Some(_) => {
                return Err(refused(
                    "the sslmode of a Postgres ledger is disable, prefer, require or verify-full",
                ));
            }
        };
        if config.get_hosts().is_empty() || !config.get_hosts().iter().all(is_plain) {
            return Err(refused("the URL of a Postgres ledger names no host that can be one"));
        }
        let Some(database) = config.get_dbname() else {
            return Err(refused("the URL of a Postgres ledger names no database"));
        };
        let place = format!("Postgres database `{database}` at {}", hosts(&config));
        if config.get_application_name().is_none() {
            config.application_name("flyball");
        }
        config.keepalives_idle(KEEPALIVE_IDLE);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNCONFIRMED_MAX);
        }
        Ok(Self { config, trust, place })
    }

    /// Host and database in words, for errors.
    pub(super) fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.place)
    }
}

/// The URL without `sslmode` and `sslrootcert`, and their values.
fn without_trust(url: &str) -> (String, Option<String>, Option<PathBuf>) {
    let host = url.find('@').map_or(0, |at| at + 1);
    let Some(question) = url.get(host..).and_then(|rest| rest.find('?')).map(|at| host + at) else {
        return (url.to_owned(), None, None);
    };
    let (head, query) = url.split_at(question);
    let (mut mode, mut authorities, mut others) = (None, None, Vec::new());
    for part in query.trim_start_matches('?').split('&') {
        match part.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", "system")) => {}
            Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(value)),
            _ => others.push(part),
        }
    }
    let query = others.join("&");
    let url = if query.is_empty() { head.to_owned() } else { format!("{head}?{query}") };
    (url, mode, authorities)
}

/// Whether it can be the name of a host, and no part of a password that was not escaped.
fn is_plain(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let fits = |sign: char| sign.is_ascii_alphanumeric() || ".-_:".contains(sign);
            !name.is_empty() && name.chars().all(fits)
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let named = config.get_hosts().iter().enumerate().map(|(position, host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        // One port stands for all hosts.
        match ports.get(position).or(ports.first()) {
            Some(port) => format!("{name}:{port}"),
            None => name,
        }
    });
    named.collect::<Vec<_>>().join(", ")
}
