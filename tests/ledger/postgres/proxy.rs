//! Stands between a ledger and its server, and cuts the line when it sees what it waits for.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// When the line is cut, once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Cut {
    /// When this is on its way to the server, which never hears of it.
    Before(&'static str),
    /// When the server has answered this, and before the answer is passed on.
    After(&'static str),
}

pub(super) struct Proxy {
    port: u16,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Proxy {
    /// To a server on this port. Its threads end with the connections.
    pub(super) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&next);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(server) = TcpStream::connect(("localhost", server)) else { continue };
                let line = Arc::new(Line { client, server, next: Arc::clone(&shared) });
                let answer_is_cut = Arc::new(Mutex::new(false));
                let (up, cut) = (Arc::clone(&line), Arc::clone(&answer_is_cut));
                thread::spawn(move || up.ask(&cut));
                thread::spawn(move || line.answer(&answer_is_cut));
            }
        });
        Self { port, next }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn cut(&self, cut: Cut) {
        *self.next.lock().unwrap() = Some(cut);
    }

    /// Whether it was cut as it was told to be.
    pub(super) fn has_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

struct Line {
    client: TcpStream,
    server: TcpStream,
    next: Arc<Mutex<Option<Cut>>>,
}

impl Line {
    fn ask(&self, answer_is_cut: &Mutex<bool>) {
        pass(&self.client, |bytes| {
            let sees = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            let mut next = self.next.lock().unwrap();
            match *next {
                Some(Cut::Before(text)) if sees(text) => {
                    *next = None;
                    return false;
                }
                Some(Cut::After(text)) if sees(text) => {
                    *next = None;
                    *answer_is_cut.lock().unwrap() = true;
                }
                _ => {}
            }
            (&self.server).write_all(bytes).is_ok()
        });
        self.end();
    }

    fn answer(&self, is_cut: &Mutex<bool>) {
        pass(&self.server, |bytes| {
            !*is_cut.lock().unwrap() && (&self.client).write_all(bytes).is_ok()
        });
        self.end();
    }

    fn end(&self) {
        // Either side may have ended it already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Hands over what arrives, until it ends or `take` has enough.
fn pass(mut from: &TcpStream, mut take: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut bytes) {
        if length == 0 || !take(&bytes[..length]) {
            return;
        }
    }
}
