//! Recordings, played again: which exchange answers a request, and its answer on the way.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Uri};
use http_body::SizeHint;
use tokio::time::Sleep;

use super::bill::{Books, Ending};
use super::envelope::Refusal;
use super::limits::SILENCE_SECONDS_MAX;
use super::messages::Outcome;
use super::pace::Pace;
use super::reply::{Cut, ReplyBody};
use super::server::Shared;
use super::socket::ResetSwitch;
use crate::messages::{RecordedAnswer, RecordedEnding, RecordedExchange, RecordedPiece};

/// What a request that was not recorded is told.
const NOT_RECORDED: &str = "this request is not in the recording: nothing was recorded with its \
                            path, its query and exactly its body";

/// What was recorded, by what was asked.
pub struct Replay {
    exchanges: HashMap<(String, Bytes), Takes>,
}

/// The exchanges of equal requests, in their order.
#[derive(Default)]
struct Takes {
    all: Vec<Arc<RecordedExchange>>,
    next: AtomicUsize,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("requests", &self.exchanges.len()).finish()
    }
}

impl Replay {
    /// Answers each request as it was answered in `exchanges`, equal ones in their order; once
    /// they are through, the last one again.
    pub fn new(exchanges: Vec<RecordedExchange>) -> Self {
        let mut all: HashMap<(String, Bytes), Takes> = HashMap::new();
        for exchange in exchanges {
            let asked = (exchange.path.clone(), exchange.request_body.0.clone());
            all.entry(asked).or_default().all.push(Arc::new(exchange));
        }
        Self { exchanges: all }
    }

    fn take(&self, uri: &Uri, body: Bytes) -> Option<Arc<RecordedExchange>> {
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let takes = self.exchanges.get(&(path.to_owned(), body))?;
        let next = takes.next.fetch_add(1, Ordering::Relaxed);
        takes.all.get(next).or(takes.all.last()).cloned()
    }

    /// Answers one request; a refusal is counted by the caller.
    pub(super) async fn serve(
        &self,
        shared: &Arc<Shared>,
        uri: &Uri,
        body: Bytes,
        reset: ResetSwitch,
    ) -> Outcome {
        let Some(exchange) = self.take(uri, body) else {
            return Refusal::new(StatusCode::NOT_FOUND, NOT_RECORDED).into();
        };
        let pace = shared.config.pace;
        let open = OpenReplay::new(&shared.books, exchange.answer.as_ref());
        let Some(answer) = &exchange.answer else {
            if exchange.ending == RecordedEnding::FellSilent {
                tokio::time::sleep(Duration::from_secs(SILENCE_SECONDS_MAX)).await;
            }
            open.end(Ending::Broken);
            return Outcome::Cut;
        };
        let wait = pace.stretched(answer.after_milliseconds);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut response = Response::new(());
        if let Ok(status) = StatusCode::from_u16(answer.status) {
            *response.status_mut() = status;
        }
        for (name, value) in &answer.headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), HeaderValue::from_str(value))
            {
                response.headers_mut().append(name, value);
            }
        }
        let body = ReplayedAnswer::new(answer, exchange.ending, pace, open, reset);
        Outcome::Answered(response.map(|()| ReplyBody::Replayed(Box::new(body))))
    }
}

/// A request that is being answered from a recording. It is counted, and charged nothing: nobody
/// generates anything. Dropped before its end, the client went away.
struct OpenReplay {
    books: Option<Arc<Books>>,
    is_refusal: bool,
}

impl OpenReplay {
    fn new(books: &Arc<Books>, answer: Option<&RecordedAnswer>) -> Self {
        books.opened();
        let is_refusal = answer.is_some_and(|answer| answer.status >= 400);
        Self { books: Some(Arc::clone(books)), is_refusal }
    }

    fn end(mut self, ending: Ending) {
        self.tell(ending);
    }

    fn tell(&mut self, ending: Ending) {
        if let Some(books) = self.books.take() {
            books.replayed((!self.is_refusal).then_some(ending));
        }
    }
}

impl Drop for OpenReplay {
    fn drop(&mut self) {
        self.tell(Ending::Aborted);
    }
}

/// What comes once all pieces are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The end of the body.
    End,
    /// Silence, and then a cut.
    Silence,
    /// A reset.
    Reset,
}

/// An answer on its way, as it was recorded: cut where it was cut.
pub(super) struct ReplayedAnswer {
    /// What is not sent yet.
    rest: Bytes,
    pieces: std::vec::IntoIter<RecordedPiece>,
    last: Last,
    /// Whether the client is told the length before it gets the first byte, as it was then.
    has_length: bool,
    pace: Pace,
    begun: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether what was sent last is on its way, so that the next piece is one of its own.
    is_flushed: bool,
    /// Until the end.
    open: Option<OpenReplay>,
    reset: ResetSwitch,
}

type Piece = Poll<Option<Result<Bytes, Cut>>>;

impl ReplayedAnswer {
    fn new(
        answer: &RecordedAnswer,
        ending: RecordedEnding,
        pace: Pace,
        open: OpenReplay,
        reset: ResetSwitch,
    ) -> Self {
        let last = match ending {
            RecordedEnding::Complete if !answer.truncated => Last::End,
            RecordedEnding::FellSilent => Last::Silence,
            // What came after is not known.
            _ => Last::Reset,
        };
        let mut headers = answer.headers.iter();
        let streams = headers
            .any(|(name, value)| name == "content-type" && value.starts_with("text/event-stream"));
        let mut replayed = Self {
            rest: answer.body.0.clone(),
            pieces: answer.pieces.clone().into_iter(),
            last,
            has_length: last == Last::End && !streams,
            pace,
            begun: Instant::now(),
            timer: None,
            is_flushed: true,
            open: Some(open),
            reset,
        };
        replayed.end_if_over();
        replayed
    }

    /// The next bytes.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Piece {
        if !self.is_flushed {
            self.is_flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(piece) = self.pieces.as_slice().first().copied() {
            let left = self.pace.stretched(piece.milliseconds);
            ready!(self.poll_wait(left.saturating_sub(self.begun.elapsed()), context));
            self.pieces.next();
            let bytes = usize::try_from(piece.bytes).unwrap_or(usize::MAX).min(self.rest.len());
            self.is_flushed = false;
            self.end_if_over();
            return Poll::Ready(Some(Ok(self.rest.split_to(bytes))));
        }
        if self.open.is_none() {
            return Poll::Ready(None);
        }
        if self.last == Last::Silence {
            ready!(self.poll_wait(Duration::from_secs(SILENCE_SECONDS_MAX), context));
        } else {
            self.reset.turn_on();
        }
        self.end(Ending::Broken);
        Poll::Ready(Some(Err(Cut)))
    }

    /// Ends it with its last piece: whoever knows its length asks for no more.
    fn end_if_over(&mut self) {
        if self.is_over() {
            self.end(Ending::Complete);
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Some(open) = self.open.take() {
            open.end(ending);
        }
    }

    /// Waits for so long from the first time that it is asked on.
    fn poll_wait(&mut self, left: Duration, context: &mut Context<'_>) -> Poll<()> {
        if left.is_zero() {
            self.timer = None;
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
        ready!(timer.as_mut().poll(context));
        self.timer = None;
        Poll::Ready(())
    }

    /// Whether nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        self.last == Last::End && self.pieces.as_slice().is_empty()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        if self.has_length {
            SizeHint::with_exact(self.rest.len() as u64)
        } else {
            SizeHint::default()
        }
    }
}
