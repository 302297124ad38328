//! What is recorded of one exchange while it happens. Off, it is a null pointer and does nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::gateway::access::Fate;
use crate::gateway::body::ReplyBody;
use crate::gateway::recorder::Recorder;
use crate::gateway::sent_body::SentBody;
use crate::messages::{
    Octets, RECORDED_ANSWER_BYTES_MAX, RECORDED_PIECES_MAX, RECORDING_VERSION, RecordedAnswer,
    RecordedEnding, RecordedExchange, RecordedPiece, keeps_answer_header, keeps_request_header,
};

/// A tape of one exchange: begun when the request is sent, told of what comes back, written when it
/// is dropped. Off by default.
#[derive(Default)]
pub(crate) struct Tape(Option<Box<Turning>>);

/// A tape that records.
struct Turning {
    recorder: Recorder,
    /// Until it is written, or where it is not to be.
    exchange: Option<RecordedExchange>,
    ending: Option<RecordedEnding>,
    body: Vec<u8>,
    /// When the request was sent; from the headers of its answer on, when those came.
    since: Instant,
}

impl Tape {
    /// Begins, where there is a recorder, as a request with this body is sent.
    pub(crate) fn begin(
        recorder: Option<&Recorder>,
        path_and_query: &str,
        headers: &HeaderMap,
        body: &SentBody,
    ) -> Self {
        let turning = recorder.map(|recorder| Turning {
            recorder: recorder.clone(),
            exchange: Some(RecordedExchange {
                version: RECORDING_VERSION,
                method: "POST".to_owned(),
                path: path_and_query.to_owned(),
                request_headers: kept(headers, keeps_request_header),
                request_body: Octets(body.whole()),
                answer: None,
                // Whoever drops it goes away.
                ending: RecordedEnding::ClientGone,
            }),
            ending: None,
            body: Vec::new(),
            since: Instant::now(),
        });
        Self(turning.map(Box::new))
    }

    /// The answer has begun.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let Some(turning) = &mut self.0 else { return };
        let after_milliseconds = turning.milliseconds();
        turning.since = Instant::now();
        if let Some(exchange) = &mut turning.exchange {
            exchange.answer = Some(RecordedAnswer {
                after_milliseconds,
                status: status.as_u16(),
                headers: kept(headers, keeps_answer_header),
                body: Octets::default(),
                pieces: Vec::new(),
                truncated: false,
            });
        }
    }

    /// More of the answer has come.
    pub(crate) fn piece(&mut self, chunk: &[u8]) {
        if let Some(turning) = &mut self.0 {
            turning.piece(chunk);
        }
    }

    /// How it ended; the first word counts.
    pub(crate) fn ended(&mut self, ending: RecordedEnding) {
        if let Some(turning) = &mut self.0 {
            turning.ending.get_or_insert(ending);
        }
    }

    /// How its attempt was charged, which says how it ended where nobody has said so before.
    pub(crate) fn charged(&mut self, fate: Fate) {
        match fate {
            // It never left.
            Fate::Unreachable | Fate::BadRequest => {
                if let Some(turning) = &mut self.0 {
                    turning.exchange = None;
                }
            }
            Fate::UpstreamBroke => self.ended(RecordedEnding::BrokeOff),
            Fate::TimedOut => self.ended(RecordedEnding::FellSilent),
            Fate::Cut => self.ended(RecordedEnding::Cut),
            _ => self.ended(RecordedEnding::ClientGone),
        }
    }

    /// The body of an answer that is not metered, recorded as it passes.
    pub(crate) fn over(mut self, body: Incoming) -> ReplyBody {
        if self.0.is_none() {
            return ReplyBody::Passed(body);
        }
        if body.is_end_stream() {
            // Nobody asks for it.
            self.ended(RecordedEnding::Complete);
        }
        ReplyBody::Taped(Box::new(TapedBody { inner: body, tape: self }))
    }
}

impl Turning {
    fn milliseconds(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn piece(&mut self, chunk: &[u8]) {
        let milliseconds = self.milliseconds();
        let answer = self.exchange.as_mut().and_then(|exchange| exchange.answer.as_mut());
        let Some(answer) = answer.filter(|answer| !answer.truncated) else { return };
        let room = RECORDED_ANSWER_BYTES_MAX - self.body.len();
        let fits = if answer.pieces.len() < RECORDED_PIECES_MAX { room } else { 0 };
        let recorded = chunk.get(..fits).map_or(chunk, |head| head);
        answer.truncated = recorded.len() < chunk.len();
        if !recorded.is_empty() {
            self.body.extend_from_slice(recorded);
            answer.pieces.push(RecordedPiece { milliseconds, bytes: recorded.len() as u64 });
        }
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        if let Some(answer) = &mut exchange.answer {
            answer.body = Octets(Bytes::from(std::mem::take(&mut self.body)));
        }
        if let Some(ending) = self.ending {
            exchange.ending = ending;
        }
        self.recorder.put(exchange);
    }
}

/// Headers that may be kept; one whose value is no text is left out.
fn kept(headers: &HeaderMap, keeps: fn(&str) -> bool) -> Vec<(String, String)> {
    let named = headers.iter().filter(|(name, _)| keeps(name.as_str()));
    named
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// The body of an answer that costs nothing, recorded as it passes.
pub(crate) struct TapedBody {
    inner: Incoming,
    tape: Tape,
}

impl Body for TapedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.tape.piece(data);
                }
                if this.inner.is_end_stream() {
                    this.tape.ended(RecordedEnding::Complete);
                }
            }
            Some(Err(_)) => this.tape.ended(RecordedEnding::BrokeOff),
            None => this.tape.ended(RecordedEnding::Complete),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
