//! Bodies of replies: whole ones, and answers that are metered while they pass.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::gateway::access::Fate;
use crate::gateway::attempt::Attempt;
use crate::gateway::growing::Growing;
use crate::gateway::meter::Meter;
use crate::gateway::settings::{GatewayLimits, MeteredTerms};
use crate::gateway::tape::TapedBody;
use crate::gateway::till::Refused;
use crate::gateway::watching::Events;
use crate::messages::{ErrorKind, RecordedEnding, error_body};

/// How often what is reserved is looked at while nothing comes.
const TICK: Duration = Duration::from_millis(250);

/// The body of a reply.
pub(crate) enum ReplyBody {
    /// Of our own.
    Whole(Full<Bytes>),
    /// The upstream's, of something that costs nothing.
    Passed(Incoming),
    /// The same, recorded.
    Taped(Box<TapedBody>),
    /// An answer that costs something.
    Metered(Box<MeteredBody>),
    /// What goes on, for who watches.
    Events(Events),
}

/// Why the body of a reply broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the upstream broke off: {0}")]
    Upstream(#[from] hyper::Error),
    #[error("the upstream fell silent")]
    Silent,
}

impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Passed(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Self::Taped(body) => Pin::new(&mut **body).poll_frame(cx).map_err(BodyError::from),
            Self::Metered(body) => Pin::new(&mut **body).poll_frame(cx),
            Self::Events(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passed(body) => body.is_end_stream(),
            Self::Taped(body) => body.is_end_stream(),
            Self::Metered(body) => body.is_end_stream(),
            Self::Events(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passed(body) => body.size_hint(),
            Self::Taped(body) => body.size_hint(),
            Self::Metered(body) => body.size_hint(),
            Self::Events(body) => body.size_hint(),
        }
    }
}

/// An answer on its way to the client. Where the client goes away, it is read on in the background
/// to learn what it took.
pub(crate) struct MeteredBody {
    /// Until somebody else reads it on.
    inner: Option<Incoming>,
    /// Until the answer is charged.
    open: Option<Open>,
    /// Told once what came before it is on its way to the client.
    broke: Option<hyper::Error>,
    silence: Pin<Box<Sleep>>,
    /// Looks at what is reserved though nothing comes: thinking can be silent.
    tick: Option<Pin<Box<Sleep>>>,
    limits: GatewayLimits,
    ends_at: Instant,
}

struct Open {
    attempt: Attempt,
    meter: Meter,
    /// Where more is reserved while it comes.
    growing: Option<Growing>,
}

impl Open {
    fn read(&mut self, chunk: &[u8]) {
        self.attempt.tape.piece(chunk);
        self.meter.read(chunk);
        self.attempt.begun(self.meter.reading());
    }

    /// The body ended as it should: so did the answer, unless it says otherwise.
    fn ended(mut self, complete: Fate) {
        self.attempt.tape.ended(RecordedEnding::Complete);
        self.meter.end();
        let reading = self.meter.reading();
        let fate = if reading.error.is_some() {
            Fate::ErrorInStream
        } else if reading.is_final() {
            complete
        } else if reading.broken.is_some() {
            Fate::Unmetered
        } else {
            Fate::UpstreamBroke
        };
        self.attempt.end(reading, fate);
    }

    /// Charges an answer that is cut off; the event that tells the client.
    fn cut(self, refused: &Refused) -> Bytes {
        let why = match refused {
            Refused::Denied(denial) => denial.shortage.to_string(),
            Refused::Unavailable(why) => why.clone(),
        };
        let reading = self.meter.reading();
        let taken = self.growing.as_ref().map_or(0, |growing| growing.taken_tokens(reading));
        if let Some(fingerprint) = self.attempt.fingerprint {
            self.attempt.shared.cuts.put(fingerprint, why.clone());
        }
        let id = self.attempt.id.0.clone();
        let message = format!("flyball: the answer was cut off, spend limit reached ({why})");
        let body = error_body(ErrorKind::Billing, &message, &id);
        self.attempt.cut(reading, taken, Fate::Cut, Some(why));
        Bytes::from(format!("event: error\ndata: {body}\n\n"))
    }

    fn failed(self, fate: Fate) {
        self.attempt.end(self.meter.reading(), fate);
    }
}

impl MeteredBody {
    pub(crate) fn new(
        inner: Incoming,
        attempt: Attempt,
        meter: Meter,
        metered: Option<MeteredTerms>,
    ) -> Self {
        let limits = attempt.shared.settings.limits;
        let growing = metered.map(|terms| Growing::new(terms, &attempt));
        let growing_tick = growing.is_some().then(|| Box::pin(tokio::time::sleep(TICK)));
        Self {
            inner: Some(inner),
            open: Some(Open { attempt, meter, growing }),
            broke: None,
            tick: growing_tick,
            silence: Box::pin(tokio::time::sleep(limits.silence)),
            limits,
            ends_at: Instant::now() + limits.answer_in_all,
        }
    }

    /// Reserves more where the answer needs it; where that is refused, cuts the answer off and says
    /// with what words.
    fn poll_growing(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(open) = &mut self.open else { return Poll::Ready(None) };
        let Some(growing) = &mut open.growing else { return Poll::Ready(None) };
        if let Some(tick) = &mut self.tick {
            while tick.as_mut().poll(cx).is_ready() {
                tick.as_mut().reset(Instant::now() + TICK);
            }
        }
        match ready!(growing.poll(cx, &mut open.attempt, open.meter.reading())) {
            Ok(()) => Poll::Ready(None),
            Err(refused) => {
                // The connection goes with it, so the upstream stops.
                self.inner = None;
                Poll::Ready(self.open.take().map(|open| open.cut(&refused)))
            }
        }
    }

    fn finish(&mut self) {
        if let Some(open) = self.open.take() {
            open.ended(Fate::Complete);
        }
    }
}

impl Body for MeteredBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Some(cut) = ready!(this.poll_growing(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(cut))));
        }
        if let Some(error) = this.broke.take() {
            return Poll::Ready(Some(Err(error.into())));
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let Poll::Ready(polled) = Pin::new(&mut *inner).poll_frame(cx) else {
            ready!(this.silence.as_mut().poll(cx));
            if let Some(open) = this.open.take() {
                open.failed(Fate::TimedOut);
            }
            return Poll::Ready(Some(Err(BodyError::Silent)));
        };
        match polled {
            Some(Ok(frame)) => {
                if let (Some(open), Some(data)) = (&mut this.open, frame.data_ref()) {
                    open.read(data);
                }
                let silent_at = Instant::now() + this.limits.silence;
                this.silence.as_mut().reset(silent_at.min(this.ends_at));
                if inner.is_end_stream() {
                    // Whoever knows the length asks for no more.
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                if let Some(open) = this.open.take() {
                    open.failed(Fate::UpstreamBroke);
                }
                this.broke = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => {
                this.finish();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for MeteredBody {
    fn drop(&mut self) {
        let (Some(mut open), Some(inner)) = (self.open.take(), self.inner.take()) else { return };
        if let Some(growing) = &open.growing {
            // The upstream stops when its connection ends, and what it can have written is known.
            let reading = open.meter.reading();
            let taken = growing.taken_tokens(reading);
            return open.attempt.cut(open.meter.reading(), taken, Fate::ClientGone, None);
        }
        let within = self.limits.drain;
        let shared = std::sync::Arc::clone(&open.attempt.shared);
        shared.spawn(async move {
            match tokio::time::timeout(within, drain(inner, &mut open)).await {
                Ok(Ok(())) => open.ended(Fate::Drained),
                Ok(Err(_)) | Err(_) => open.failed(Fate::ClientGone),
            }
        });
    }
}

async fn drain(mut inner: Incoming, open: &mut Open) -> Result<(), hyper::Error> {
    while let Some(frame) = inner.frame().await {
        if let Some(data) = frame?.data_ref() {
            open.read(data);
        }
    }
    Ok(())
}

/// Reads a body of at most `bytes_max` bytes within a time.
pub(crate) async fn whole(
    mut body: Incoming,
    bytes_max: usize,
    within: Duration,
) -> Result<Bytes, NotWhole> {
    let hint = body.size_hint();
    if usize::try_from(hint.lower()).map_or(true, |lower| lower > bytes_max) {
        return Err(NotWhole::TooLarge);
    }
    let read = async {
        let mut all = bytes::BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if all.len().saturating_add(data.len()) > bytes_max {
                return Err(NotWhole::TooLarge);
            }
            if all.is_empty() {
                if body.is_end_stream() {
                    return Ok(data);
                }
                let known = usize::try_from(hint.lower()).map_or(0, |lower| lower);
                all.reserve(known.max(data.len()));
            }
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    };
    tokio::time::timeout(within, read).await.map_err(|_| NotWhole::TooSlow)?
}

/// Why there is no whole body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWhole {
    #[error("too large")]
    TooLarge,
    #[error("too slow")]
    TooSlow,
    #[error(transparent)]
    Broke(#[from] hyper::Error),
}
