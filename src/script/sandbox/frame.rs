//! Frames on the pipe: length, kind, payload.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// The largest payload, bytes.
pub(super) const PAYLOAD_BYTES_MAX: usize = 512 << 20;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the child: its limits. Comes first, has no reply.
    Setup = 1,
    /// To the child: read and compile a script, reply with its facts.
    Inspect = 2,
    /// To the child: compile a script to execute it.
    Open = 3,
    /// To the child: begin an execution of the open script.
    Begin = 4,
    /// To the child: resolve a call.
    Deliver = 5,
    /// To the child: move virtual time.
    Advance = 6,
    /// To the child: hand over the notes.
    Notes = 7,
    /// To the child: bytes for the handler.
    Job = 8,
    /// From the child: the answer.
    Reply = 16,
    /// From the child: it is still at work.
    Progress = 17,
    /// From the child: the handler panicked; its message.
    Panic = 18,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Setup,
        Self::Inspect,
        Self::Open,
        Self::Begin,
        Self::Deliver,
        Self::Advance,
        Self::Notes,
        Self::Job,
        Self::Reply,
        Self::Progress,
        Self::Panic,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One message.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn new(kind: Kind, payload: Vec<u8>) -> Self {
        Self { kind, payload }
    }

    pub(super) fn json<T: Serialize>(kind: Kind, value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { kind, payload: serde_json::to_vec(value)? })
    }

    pub(super) fn parse<'f, T: Deserialize<'f>>(&'f self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }

    /// Writes the frame and flushes.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "the message is too large");
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(too_large());
        }
        let length = u32::try_from(self.payload.len()).map_err(|_| too_large())?;
        let [a, b, c, d] = length.to_le_bytes();
        to.write_all(&[a, b, c, d, self.kind as u8])?;
        to.write_all(&self.payload)?;
        to.flush()
    }

    /// Reads the next frame; `None` at a clean end.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0_u8; 5];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..)
            && !rest.is_empty()
        {
            match from.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let [a, b, c, d, kind] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not a frame");
        let kind = Kind::from_byte(kind).ok_or_else(broken)?;
        if length > PAYLOAD_BYTES_MAX {
            return Err(broken());
        }
        let mut payload = Vec::new();
        // Grows with what arrives: a length alone reserves nothing.
        let read = from.take(length as u64).read_to_end(&mut payload)?;
        if read != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self { kind, payload }))
    }
}
