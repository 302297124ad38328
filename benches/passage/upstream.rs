//! An upstream that does as little as one can: a fixed answer, or frames that say when they were sent.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval};

const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"done"}],"stop_reason":"end_turn","usage":{"input_tokens":500,"output_tokens":20}}"#;
const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-haiku-4-5\",\"usage\":{\"input_tokens\":500,\"output_tokens\":1}}}\n\n";
const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Serves for as long as the process lives; where.
pub(super) fn start() -> SocketAddr {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                stream.set_nodelay(true).unwrap();
                tokio::spawn(
                    http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(answer)),
                );
            }
        });
    });
    address
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let wanted = request.headers().get("x-frames").and_then(|value| value.to_str().ok());
    let wanted = wanted.and_then(|value| {
        let (count, pause) = value.split_once(' ')?;
        Some((count.parse().ok()?, Duration::from_millis(pause.parse().ok()?)))
    });
    let _read = request.into_body().collect().await;
    let reply = Response::builder();
    Ok(match wanted {
        None => reply
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from_static(ANSWER.as_bytes())).boxed())
            .unwrap(),
        Some((count, pause)) => reply
            .header(CONTENT_TYPE, "text/event-stream")
            .body(Frames::new(count, pause).boxed())
            .unwrap(),
    })
}

/// So many frames, with a pause between two.
struct Frames {
    left: usize,
    started: bool,
    ended: bool,
    ticks: Interval,
}

impl Frames {
    fn new(left: usize, pause: Duration) -> Self {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { left, started: false, ended: false, ticks }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: Bytes| Poll::Ready(Some(Ok(Frame::data(text))));
        if !self.started {
            self.started = true;
            return frame(Bytes::from_static(START.as_bytes()));
        }
        if self.left == 0 {
            if std::mem::replace(&mut self.ended, true) {
                return Poll::Ready(None);
            }
            return frame(Bytes::from_static(END.as_bytes()));
        }
        if self.ticks.poll_tick(cx).is_pending() {
            return Poll::Pending;
        }
        self.left -= 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        frame(Bytes::from(format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"word\"}},\"sent\":{now}}}\n\n"
        )))
    }
}
