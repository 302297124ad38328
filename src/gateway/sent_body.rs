//! The body of a request as the upstream gets it: what the client sent, with another number in it.
//! Nothing is copied, however long it is and whoever else still has it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// A body in up to three pieces, sent one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentBody([Bytes; 3]);

impl SentBody {
    /// These pieces in their order; any may be empty.
    pub const fn new(pieces: [Bytes; 3]) -> Self {
        Self(pieces)
    }

    /// All that is left of it in one piece; a copy where there are several.
    pub fn whole(&self) -> Bytes {
        let mut pieces = self.0.iter().filter(|piece| !piece.is_empty());
        match (pieces.next(), pieces.next()) {
            (Some(only), None) => only.clone(),
            _ => self.0.iter().fold(BytesMut::new(), join).freeze(),
        }
    }

    fn left_bytes(&self) -> u64 {
        self.0.iter().fold(0, |sum, piece| sum + piece.len() as u64)
    }
}

fn join(mut all: BytesMut, piece: &Bytes) -> BytesMut {
    all.extend_from_slice(piece);
    all
}

impl From<Bytes> for SentBody {
    fn from(whole: Bytes) -> Self {
        Self([whole, Bytes::new(), Bytes::new()])
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.iter_mut().find(|piece| !piece.is_empty());
        Poll::Ready(next.map(|piece| Ok(Frame::data(std::mem::take(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes())
    }
}
