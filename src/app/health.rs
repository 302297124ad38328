//! Whether a gateway listens at an address, and admits requests; what else it says of itself.

use std::io::{Error, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is read of it, bytes.
const BYTES_MAX: u64 = 64 << 10;

/// What `GET /health` says.
pub(super) enum Health {
    /// It admits requests.
    Admits,
    /// It is a gateway that admits nothing, in its words.
    Refuses(String),
    /// It answers as no gateway does, with this status.
    IsNone(u16),
    /// Nobody answers.
    Silent(Error),
}

impl Health {
    /// Asks at `url`; `None` where that is not an address with `http://`.
    pub(super) fn of(url: &str) -> Option<Self> {
        Some(match get(url, "/health", &[], PATIENCE)? {
            Ok(Said { status: 200, body }) if body.trim() == "ok" => Self::Admits,
            Ok(Said { status: 503, body }) => Self::Refuses(body.trim().to_owned()),
            Ok(Said { status, .. }) => Self::IsNone(status),
            Err(error) => Self::Silent(error),
        })
    }
}

/// An answer.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Asks for `path` at the host that `url` names, with `headers` besides, and waits for at most
/// `patience`; `None` where that is not an address with `http://`.
pub(super) fn get(
    url: &str,
    path: &str,
    headers: &[(&str, String)],
    patience: Duration,
) -> Option<Result<Said>> {
    let shown = origin(url)?;
    let host = shown.strip_prefix("http://")?;
    let address = if has_port(host) { host.to_owned() } else { format!("{host}:80") };
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    Some(ask(&address, &request, patience))
}

/// `http://host:port` of a URL, without whatever could be a secret in it.
pub(super) fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}

/// Whether a host ends in its port; `[::1]` has none.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().is_some_and(|tail| tail.contains(':'))
}

fn ask(address: &str, request: &str, patience: Duration) -> Result<Said> {
    let found = address.to_socket_addrs()?.next();
    let found = found.ok_or_else(|| Error::other("no such host"))?;
    let mut stream = TcpStream::connect_timeout(&found, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // In one piece: whoever answers early may not read a second.
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::other("it does not speak HTTP"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(Said { status, body: body.to_owned() })
}
