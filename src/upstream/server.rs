//! The server: a thread with a runtime of its own, started and stopped from anywhere.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::bill::{Bill, Books};
use super::cache::PromptCache;
use super::catalogue::Catalogue;
use super::config::UpstreamConfig;
use super::counts::Counts;
use super::exchange::exchange;
use super::limits::{CONNECTIONS_MAX, HEAD_TIME_MAX, STOP_SECONDS_MAX};
use super::socket::{ResetSwitch, Socket};
use crate::seed::key_of_parts;

/// The key of request ids.
const REQUEST_KEY: u64 = 0x7265_7175_6573;
/// How long accepting pauses where the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Why a simulated upstream cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be reachable from other machines.
    #[error("a simulated upstream listens on loopback only, and {0} is not loopback")]
    NotLoopback(SocketAddr),
    /// The system refuses a thread or the listener.
    #[error("the simulated upstream cannot start: {0}")]
    Io(#[from] io::Error),
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: UpstreamConfig,
    pub(super) catalogue: Catalogue,
    pub(super) cache: PromptCache,
    pub(super) books: Arc<Books>,
    pub(super) counts: Counts,
    /// Plan windows begin with the server.
    pub(super) started: Timestamp,
    requests: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: UpstreamConfig) -> Self {
        Self {
            catalogue: Catalogue::new(Arc::clone(&config.prices), config.on),
            cache: PromptCache::default(),
            books: Arc::new(Books::new(config.on)),
            counts: Counts::default(),
            started: Timestamp::now(),
            requests: AtomicU64::new(0),
            config,
        }
    }

    /// The next `request-id`.
    pub(super) fn next_request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let key = key_of_parts(&[REQUEST_KEY, number]);
        format!("req_sim{:016x}", self.config.seed.stream(key).below(u64::MAX))
    }
}

/// A server that speaks the Messages API and calls no model.
#[derive(Debug)]
pub struct SimulatedUpstream;

impl SimulatedUpstream {
    /// Serves on `listener`, in threads of its own, until the handle is stopped or dropped. Goes
    /// with or without a runtime around it.
    ///
    /// # Errors
    /// [`StartError::NotLoopback`] where other machines could reach it.
    pub fn start(
        config: UpstreamConfig,
        listener: StdListener,
    ) -> Result<UpstreamHandle, StartError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        listener.set_nonblocking(true)?;
        let threads = config.threads.max(1);
        let shared = Arc::new(Shared::new(config));
        let books = Arc::clone(&shared.books);
        let (stop, stopped) = watch::channel(false);
        let (tell, told) = mpsc::channel();
        let thread =
            thread::Builder::new().name("simulated-upstream".to_owned()).spawn(move || {
                match runtime(threads, listener) {
                    Ok((runtime, listener)) => {
                        // Nobody is left to hear where the starter has gone.
                        let _ = tell.send(Ok(()));
                        runtime.block_on(accept(listener, shared, stopped));
                        runtime.shutdown_timeout(Duration::from_secs(STOP_SECONDS_MAX));
                    }
                    Err(error) => {
                        let _ = tell.send(Err(error));
                    }
                }
            })?;
        let gone = || io::Error::other("its thread ended");
        told.recv().map_err(|_| gone())??;
        Ok(UpstreamHandle { address, books, stop, thread: Some(thread) })
    }
}

fn runtime(threads: usize, listener: StdListener) -> io::Result<(Runtime, TcpListener)> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let entered = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    drop(entered);
    Ok((runtime, listener))
}

/// A simulated upstream that serves. Dropped, it stops.
#[derive(Debug)]
pub struct UpstreamHandle {
    address: SocketAddr,
    books: Arc<Books>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl UpstreamHandle {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as base URL: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bill so far; open answers are not charged yet.
    pub fn bill(&self) -> Bill {
        self.books.bill()
    }

    /// Waits until no answer is open, so that the bill is complete; `false` where one still is
    /// after `limit`. Blocks the thread.
    pub fn wait_until_idle(&self, limit: Duration) -> bool {
        self.books.wait_until_idle(limit)
    }

    /// Takes no more requests, lets open answers end for [`STOP_SECONDS_MAX`], cuts the others,
    /// and gives the final bill. Blocks the thread.
    pub fn stop(mut self) -> Bill {
        self.end();
        self.books.bill()
    }

    fn end(&mut self) {
        // It has ended already where nobody listens.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // What panicked there was told by the panic itself.
            let _ = thread.join();
        }
    }
}

impl Drop for UpstreamHandle {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stop.changed() => break,
            accepted = next_connection(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        tokio::spawn(connection(stream, Arc::clone(&shared), stop.clone(), permit));
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    // Those that are still open then are cut with the runtime.
    let _ =
        tokio::time::timeout(Duration::from_secs(STOP_SECONDS_MAX), room.acquire_many(all)).await;
}

async fn next_connection(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    Some((stream, permit))
}

async fn connection(
    stream: TcpStream,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
    permit: OwnedSemaphorePermit,
) {
    // Slower without it, and nothing else.
    let _ = stream.set_nodelay(true);
    let reset = ResetSwitch::default();
    let socket = TokioIo::new(Socket::new(stream, reset.clone()));
    let service = service_fn(move |request| exchange(Arc::clone(&shared), request, reset.clone()));
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .serve_connection(socket, service)
    );
    // How a connection ends is the client's matter; answers are counted where they are made.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = stop.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
    drop(permit);
}
