//! The body of a response: all there, or still on its way.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use super::replay::ReplayedAnswer;
use super::stream::AnswerStream;

/// The body of a response.
pub(super) enum ReplyBody {
    /// All of it.
    Whole(Full<Bytes>),
    /// Generated on the way.
    Streamed(Box<AnswerStream>),
    /// Played from a recording.
    Replayed(Box<ReplayedAnswer>),
}

/// The connection is to be cut here.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the simulated upstream cuts this connection")]
pub(super) struct Cut;

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(body) => {
                let never = |error: Infallible| match error {};
                Pin::new(body).poll_frame(context).map(|frame| frame.map(|got| got.map_err(never)))
            }
            Self::Streamed(stream) => {
                stream.poll_piece(context).map(|piece| piece.map(|got| got.map(Frame::data)))
            }
            Self::Replayed(answer) => {
                answer.poll_piece(context).map(|piece| piece.map(|got| got.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(_) => false,
            Self::Replayed(answer) => answer.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
            Self::Replayed(answer) => answer.size_hint(),
        }
    }
}
