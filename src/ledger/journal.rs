//! The journal of a slice: what its borrower admitted and settled, written before the ledger hears
//! of it.
//!
//! It is a file of checked frames beside the ledger. Records reach the operating system soon and
//! survive the death of the process; a promise is on the disk before anything is admitted on it,
//! and survives the machine's.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::{Charge, Drawn, LeaseId, Record};
use crate::id::{AttemptId, PriceId};
use crate::money::Picodollars;

/// Length and checksum before each record.
const HEAD_BYTES: usize = 8;
/// No record is longer; a length above it is damage.
const RECORD_BYTES_MAX: u32 = 1 << 20;
const SUFFIX: &str = "journal";

/// An open journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// How far it is written.
    bytes: u64,
}

impl Journal {
    /// A new one for `lease` in `folder`, which is made where it is missing.
    pub(super) fn create(folder: &Path, lease: LeaseId) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = path_of(folder, lease);
        let mut options = OpenOptions::new();
        options.write(true).read(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        // The name has to be found again too.
        File::open(folder)?.sync_all()?;
        Ok(Self { file, path, bytes: 0 })
    }

    /// Writes frames behind those that are there. After a failure the same may be tried again.
    pub(super) fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(frames)?;
        self.bytes += frames.len() as u64;
        Ok(())
    }

    /// Waits until everything written is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// How far it is written.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn path_of(folder: &Path, lease: LeaseId) -> PathBuf {
    folder.join(format!("lease-{}.{SUFFIX}", lease.number()))
}

/// Removes the journal of a slice that is back.
pub(super) fn remove(folder: &Path, lease: LeaseId) -> io::Result<()> {
    std::fs::remove_file(path_of(folder, lease))
}

/// Everything in the journal of `lease`, up to where its writing stopped; `None` where `folder` has
/// none.
pub(super) fn read_all(folder: &Path, lease: LeaseId) -> io::Result<Option<Vec<Record>>> {
    let path = path_of(folder, lease);
    if !path.try_exists()? {
        return Ok(None);
    }
    let mut reader = JournalReader::open(&path)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    Ok(Some(records))
}

/// Reads a journal from its beginning, also while it grows.
#[derive(Debug)]
pub(super) struct JournalReader {
    file: File,
    /// Bytes that were read and not yet understood, from `position` on.
    buffer: Vec<u8>,
    start: usize,
    /// How far records were handed out.
    position: u64,
}

/// How much is read at once.
const CHUNK_BYTES: u64 = 1 << 18;

impl JournalReader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: Vec::new(), start: 0, position: 0 })
    }

    /// How far records were handed out.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// The next record; `None` where there is no whole one yet.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record>> {
        if let Some(record) = self.buffered() {
            return Ok(Some(record));
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let read = (&self.file).take(CHUNK_BYTES).read_to_end(&mut self.buffer)?;
        Ok(if read == 0 { None } else { self.buffered() })
    }

    fn buffered(&mut self) -> Option<Record> {
        let rest = self.buffer.get(self.start..)?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let (checksum, body) = rest.split_first_chunk()?;
        let (bytes, checksum) = (u32::from_le_bytes(*bytes), u32::from_le_bytes(*checksum));
        let bytes =
            usize::try_from(Some(bytes).filter(|bytes| *bytes <= RECORD_BYTES_MAX)?).ok()?;
        let body = body.get(..bytes)?;
        if crc32fast::hash(body) != checksum {
            return None;
        }
        let record = postcard::from_bytes::<Line<'_>>(body).ok()?.into();
        self.start += HEAD_BYTES + bytes;
        self.position += (HEAD_BYTES + bytes) as u64;
        Some(record)
    }
}

/// Puts a record behind others, framed.
pub(super) fn append(frames: &mut Vec<u8>, record: &Record) {
    let head = frames.len();
    frames.extend([0; HEAD_BYTES]);
    let line = Line::of(record);
    let Ok(written) = postcard::to_extend(&line, std::mem::take(frames)) else {
        return;
    };
    *frames = written;
    let Some(body) = frames.get(head + HEAD_BYTES..) else { return };
    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = crc32fast::hash(body).to_le_bytes();
    if let Some(place) = frames.get_mut(head..head + HEAD_BYTES) {
        for (to, from) in place.iter_mut().zip(bytes.into_iter().chain(checksum)) {
            *to = from;
        }
    }
}

/// A record as it is written: borrowed, and dollars as a number.
#[derive(Serialize, Deserialize)]
enum Line<'a> {
    Promise(Amounts),
    Draw(&'a str, Option<&'a str>, Option<&'a str>, Amounts),
    Settle(&'a str, Amounts),
    Release(&'a str),
    Expire(&'a str),
    WrittenOut,
}

#[derive(Serialize, Deserialize)]
struct Amounts(i128, u64, u64, u64);

impl From<Charge> for Amounts {
    fn from(charge: Charge) -> Self {
        let Charge { usd, billed_tokens, output_tokens, requests } = charge;
        Self(usd.pico(), billed_tokens, output_tokens, requests)
    }
}

impl From<Amounts> for Charge {
    fn from(Amounts(pico, billed_tokens, output_tokens, requests): Amounts) -> Self {
        Self { usd: Picodollars::from_pico(pico), billed_tokens, output_tokens, requests }
    }
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        match record {
            Record::Promise(charge) => Self::Promise((*charge).into()),
            Record::Draw(Drawn { attempt, agent, price, charge }) => Self::Draw(
                &attempt.0,
                agent.as_deref(),
                price.as_ref().map(|price| &*price.0),
                (*charge).into(),
            ),
            Record::Settle(attempt, used) => Self::Settle(&attempt.0, (*used).into()),
            Record::Release(attempt) => Self::Release(&attempt.0),
            Record::Expire(attempt) => Self::Expire(&attempt.0),
            Record::WrittenOut => Self::WrittenOut,
        }
    }
}

impl From<Line<'_>> for Record {
    fn from(line: Line<'_>) -> Self {
        let id = |text: &str| AttemptId::from(text);
        match line {
            Line::Promise(charge) => Self::Promise(charge.into()),
            Line::Draw(attempt, agent, price, charge) => Self::Draw(Drawn {
                attempt: id(attempt),
                agent: agent.map(Arc::from),
                price: price.map(PriceId::from),
                charge: charge.into(),
            }),
            Line::Settle(attempt, used) => Self::Settle(id(attempt), used.into()),
            Line::Release(attempt) => Self::Release(id(attempt)),
            Line::Expire(attempt) => Self::Expire(id(attempt)),
            Line::WrittenOut => Self::WrittenOut,
        }
    }
}
