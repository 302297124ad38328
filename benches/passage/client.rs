//! The client: connections that are kept, and requests one after another on each.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) connections: usize,
    /// Requests over all connections.
    pub(super) count: usize,
    pub(super) body_bytes: usize,
}

/// Times of one arm.
#[derive(Debug, Default)]
pub(super) struct Sample {
    times: Vec<Duration>,
    took: Duration,
    /// What the process that answered computed.
    pub(super) computed: Duration,
}

impl Sample {
    pub(super) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.took += other.took;
        self.computed += other.computed;
    }

    /// P50, P99 and the longest, milliseconds.
    pub(super) fn quantiles(&mut self) -> [f64; 3] {
        self.times.sort_unstable();
        let at = |share: usize| {
            let position = (self.times.len() * share / 100).min(self.times.len() - 1);
            self.times[position].as_secs_f64() * 1_000.0
        };
        [at(50), at(99), at(100)]
    }

    /// What each took to compute, microseconds.
    pub(super) fn computed_microseconds(&self) -> f64 {
        self.computed.as_secs_f64() * 1e6 / self.times.len() as f64
    }

    /// Times per second.
    pub(super) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }
}

async fn connect(to: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(to: SocketAddr, session: usize, body: &Bytes) -> Request<Full<Bytes>> {
    Request::post("/v1/messages?beta=true")
        .header("host", to.to_string())
        .header("content-type", "application/json")
        .header("x-api-key", "sk-of-a-benchmark")
        .header("anthropic-version", "2023-06-01")
        .header("x-claude-code-session-id", format!("session-{}", session % 8))
        .body(Full::new(body.clone()))
        .unwrap()
}

/// A conversation of so many bytes.
fn body(bytes: usize, stream: bool) -> Bytes {
    let line = "The quick brown fox \\\"jumps\\\" over the lazy dog.\\n";
    let mut messages = String::new();
    while messages.len() + 200 < bytes {
        let text = line.repeat(((bytes - messages.len()) / line.len()).min(40));
        let _ =
            write!(messages, r#"{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}},"#);
    }
    messages.push_str(r#"{"role":"user","content":"go on"}"#);
    Bytes::from(format!(
        r#"{{"model":"claude-haiku-4-5","max_tokens":128000,"stream":{stream},"messages":[{messages}]}}"#
    ))
}

/// Asks `load` of the server at `to`.
pub(super) async fn requests(to: SocketAddr, load: Load) -> Sample {
    let body = body(load.body_bytes, false);
    let mut senders = Vec::new();
    for _ in 0..load.connections {
        senders.push(connect(to).await);
    }
    let each = load.count.div_ceil(load.connections);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for (number, mut sender) in senders.into_iter().enumerate() {
        let body = body.clone();
        clients.spawn(async move {
            let mut times = Vec::with_capacity(each);
            for _ in 0..each {
                let sent = Instant::now();
                sender.ready().await.unwrap();
                let answer = sender.send_request(request(to, number, &body)).await.unwrap();
                let status = answer.status();
                let whole = answer.into_body().collect().await.unwrap().to_bytes();
                assert!(status == 200, "{status}: {whole:?}");
                times.push(sent.elapsed());
            }
            times
        });
    }
    let mut sample = Sample::default();
    while let Some(times) = clients.join_next().await {
        sample.times.extend(times.unwrap());
    }
    sample.took = began.elapsed();
    sample
}

/// Has `streams` open at once, their frames spread over the pause between two; the time of each frame
/// from the upstream's hand to here.
pub(super) async fn frames(
    to: SocketAddr,
    streams: usize,
    frames: usize,
    pause: Duration,
) -> Sample {
    let body = body(2_000, true);
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..streams {
        let mut sender = connect(to).await;
        let mut request = request(to, number, &body);
        let wanted = format!("{frames} {}", pause.as_millis());
        request.headers_mut().insert("x-frames", wanted.parse().unwrap());
        let offset = pause * number as u32 / streams as u32;
        clients.spawn(async move {
            tokio::time::sleep(offset).await;
            let mut body = sender.send_request(request).await.unwrap().into_body();
            let (mut times, mut seen) = (Vec::with_capacity(frames), Vec::new());
            while let Some(frame) = body.frame().await {
                seen.extend_from_slice(frame.unwrap().data_ref().unwrap());
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                while let Some(end) = seen.windows(2).position(|pair| pair == b"\n\n") {
                    let event = String::from_utf8(seen.drain(..end + 2).collect()).unwrap();
                    if let Some((_, sent)) = event.split_once("\"sent\":") {
                        let nanoseconds: u64 = sent.split('}').next().unwrap().parse().unwrap();
                        times.push(now.saturating_sub(Duration::from_nanos(nanoseconds)));
                    }
                }
            }
            assert_eq!(times.len(), frames, "frames were lost");
            times
        });
    }
    let mut sample = Sample::default();
    while let Some(times) = clients.join_next().await {
        sample.times.extend(times.unwrap());
    }
    sample.took = began.elapsed();
    sample
}
