//! An upstream that answers what it is told to, one connection after the other, and keeps what it got.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it got: the head, and the body.
pub(super) struct Got {
    pub(super) head: String,
    pub(super) body: String,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    }
}

pub(super) struct Canned {
    address: SocketAddr,
    serving: JoinHandle<Vec<Got>>,
}

impl Canned {
    /// Answers with these bytes, in this order, and closes each connection after its answer.
    pub(super) fn new(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    let got = read(&mut stream);
                    stream.write_all(answer.as_bytes()).unwrap();
                    got
                })
                .collect()
        });
        Self { address, serving }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it got, once all of its answers are given.
    pub(super) fn got(self) -> Vec<Got> {
        self.serving.join().unwrap()
    }
}

fn read(stream: &mut TcpStream) -> Got {
    let mut seen = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let got = Got { head: head.to_owned(), body: body.to_owned() };
            let length = got.header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return got;
            }
        }
        let more = stream.read(&mut buffer).unwrap();
        assert!(more > 0, "it ended: {text}");
        seen.extend(&buffer[..more]);
    }
}

/// A reply of these lines and this body.
pub(super) fn reply(status: &str, headers: &[&str], body: &str) -> String {
    let length = format!("content-length: {}", body.len());
    let first = format!("HTTP/1.1 {status}");
    let mut lines = vec![first.as_str()];
    lines.extend(headers);
    lines.extend([length.as_str(), "connection: close", "", body]);
    lines.join("\r\n")
}

/// A message of a few tokens, by this model.
pub(super) fn message(model: &str) -> String {
    let body = format!(
        "{{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"{model}\",\
         \"content\":[],\"stop_reason\":\"end_turn\",\"usage\":{{\"input_tokens\":1000,\
         \"output_tokens\":100}}}}"
    );
    reply("200 OK", &["content-type: application/json"], &body)
}

/// A refusal in the API's words.
pub(super) fn refusal(status: &str, headers: &[&str]) -> String {
    let own = ["content-type: application/json", "request-id: req_canned"];
    let headers: Vec<&str> = headers.iter().copied().chain(own).collect();
    let body = r#"{"type":"error","error":{"type":"api_error","message":"canned"}}"#;
    reply(status, &headers, body)
}
