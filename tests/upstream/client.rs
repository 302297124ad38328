//! A client that sees every byte: one connection, one request, no library between.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes so long; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As its length or its last chunk said.
    Whole,
    /// The connection was closed before that.
    Closed,
    /// The connection was reset.
    Reset,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// 0 where no head came.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The body as it came, chunk by chunk.
    pub(crate) chunks: Vec<Vec<u8>>,
    pub(crate) end: End,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    }

    /// Every event with its data; `Null` where that is no JSON.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let text = self.text();
        text.split("\n\n")
            .filter(|event| !event.is_empty())
            .map(|event| {
                let (name, data) = event.split_once('\n').expect("an event and its data");
                let data = data.strip_prefix("data: ").expect("data");
                let name = name.strip_prefix("event: ").expect("a name");
                (name.to_owned(), serde_json::from_str(data).unwrap_or(Value::Null))
            })
            .collect()
    }
}

/// A connection with a request on its way.
pub(crate) struct Sent(TcpStream);

/// Sends a request; its response is not read yet.
pub(crate) fn send(
    to: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Sent {
    let mut stream = TcpStream::connect(to).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if let Some(body) = body {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend(body.unwrap_or(&[]));
    // A server may refuse before it has read all of it.
    let _ = stream.write_all(&bytes);
    Sent(stream)
}

impl Sent {
    /// Waits until the response has so many bytes or ends.
    pub(crate) fn read_some(&mut self, bytes: usize) -> Vec<u8> {
        let mut seen = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match self.0.read(&mut seen[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(more) => filled += more,
            }
        }
        seen.truncate(filled);
        seen
    }

    /// Reads on until `seen` has `words` in it.
    pub(crate) fn read_until(&mut self, seen: &mut String, words: &str) {
        let mut buffer = [0; 4_096];
        while !seen.contains(words) {
            match self.0.read(&mut buffer) {
                Ok(0) => panic!("it ended before `{words}`: {seen}"),
                Ok(more) => *seen += &String::from_utf8_lossy(&buffer[..more]),
                Err(error) => panic!("no `{words}` for {PATIENCE:?}: {error}: {seen}"),
            }
        }
    }

    /// Waits for the end of a response in chunks of which some was read; how it ended.
    pub(crate) fn receive_rest(mut self) -> End {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) if rest.ends_with(b"0\r\n\r\n") => End::Whole,
            Ok(_) => End::Closed,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("nothing for {PATIENCE:?}: {error}"),
        }
    }

    /// Waits for the end of the response.
    pub(crate) fn receive(mut self) -> Response {
        let mut seen = Vec::new();
        let mut buffer = [0; 4_096];
        let end = loop {
            match self.0.read(&mut buffer) {
                Ok(0) => break End::Closed,
                Ok(more) => seen.extend(&buffer[..more]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
                Err(error) => panic!("nothing for {PATIENCE:?}: {error}"),
            }
        };
        parsed(&seen, end)
    }
}

fn parsed(bytes: &[u8], end: End) -> Response {
    let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        let (head, body) = (String::new(), bytes.to_vec());
        return Response { status: 0, head, body, chunks: Vec::new(), end };
    };
    let head = String::from_utf8(bytes[..at].to_vec()).expect("a head in UTF-8");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let mut response =
        Response { status, head, body: bytes[at + 4..].to_vec(), chunks: Vec::new(), end };
    if response.header("transfer-encoding").as_deref() == Some("chunked") {
        let (chunks, whole) = unchunked(&response.body);
        response.body = chunks.concat();
        response.chunks = chunks;
        if whole {
            response.end = End::Whole;
        }
    } else if let Some(length) = response.header("content-length")
        && length.parse::<usize>().unwrap() == response.body.len()
    {
        response.end = End::Whole;
    }
    response
}

/// The chunks, and whether the last one came.
fn unchunked(mut rest: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut chunks = Vec::new();
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return (chunks, true);
        }
        let Some(chunk) = rest.get(at + 2..at + 2 + size) else { break };
        chunks.push(chunk.to_vec());
        rest = rest.get(at + 4 + size..).unwrap_or(&[]);
    }
    (chunks, false)
}
