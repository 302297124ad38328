//! Writes recordings: one file, one thread, one line per exchange.
//!
//! No request waits for it. What cannot be written is lost, and said once.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::messages::RecordedExchange;

/// Exchanges that wait to be written have so many bytes at most; what comes beyond is lost.
const QUEUED_BYTES_MAX: usize = 256 << 20;
/// What an exchange takes beside its bodies and pieces, about, bytes.
const EXCHANGE_BYTES: usize = 1 << 10;

/// Takes exchanges to be written to one file. They are, once all of its clones are gone and its
/// thread has ended.
#[derive(Clone)]
pub struct Recorder(Arc<Inbox>);

struct Inbox {
    exchanges: Sender<RecordedExchange>,
    queue: Arc<Queue>,
}

/// What both ends know.
struct Queue {
    bytes: AtomicUsize,
    has_told: AtomicBool,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Appends to the file at `path`; a new one can be read by its owner only. `tell` is told
    /// once, in a sentence, where something cannot be written.
    ///
    /// # Errors
    /// The file cannot be written to, or there is no thread.
    pub fn open(
        path: &Path,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let is_torn = ends_within_a_line(&mut file)?;
        let (exchanges, inbox) = channel();
        let queue = Arc::new(Queue {
            bytes: AtomicUsize::new(0),
            has_told: AtomicBool::new(false),
            tell: Box::new(tell),
        });
        let of_thread = Arc::clone(&queue);
        let builder = std::thread::Builder::new().name("flyball recorder".to_owned());
        let thread = builder.spawn(move || write(file, is_torn, &inbox, &of_thread))?;
        Ok((Self(Arc::new(Inbox { exchanges, queue })), thread))
    }

    /// Writes `exchange`, soon.
    pub(crate) fn put(&self, exchange: RecordedExchange) {
        let (queue, bytes) = (&self.0.queue, bytes_of(&exchange));
        let before = queue.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before.saturating_add(bytes) > QUEUED_BYTES_MAX {
            queue.bytes.fetch_sub(bytes, Ordering::Relaxed);
            queue.tell_once("they come faster than they can be written");
        } else if self.0.exchanges.send(exchange).is_err() {
            queue.tell_once("the thread that writes them has ended");
        }
    }
}

impl Queue {
    fn tell_once(&self, why: &str) {
        if !self.has_told.swap(true, Ordering::Relaxed) {
            (self.tell)(why);
        }
    }
}

/// What an exchange takes in memory, about.
fn bytes_of(exchange: &RecordedExchange) -> usize {
    let answer = exchange.answer.as_ref();
    let answer = answer.map_or(0, |answer| answer.body.0.len() + 16 * answer.pieces.len());
    EXCHANGE_BYTES + exchange.request_body.0.len() + answer
}

/// Whether something stands there that was not written to its end. What comes next begins a line
/// of its own all the same.
fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn write(mut file: File, mut is_torn: bool, inbox: &Receiver<RecordedExchange>, queue: &Queue) {
    for exchange in inbox {
        let line = exchange.line().map_err(io::Error::other);
        // In one piece, so that several gateways can write to one file.
        let written = line.and_then(|mut line| {
            if is_torn {
                line.insert(0, b'\n');
            }
            file.write_all(&line)
        });
        is_torn = written.is_err();
        if let Err(error) = written {
            queue.tell_once(&error.to_string());
        }
        queue.bytes.fetch_sub(bytes_of(&exchange), Ordering::Relaxed);
    }
}
