//! Listens, and serves every connection until told to end.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::gateway::access::Access;
use crate::gateway::body::ReplyBody;
use crate::gateway::charged_run::RunCounters;
use crate::gateway::conversation::Conversations;
use crate::gateway::cuts::Cuts;
use crate::gateway::geography::Geography;
use crate::gateway::origin::Origins;
use crate::gateway::plan_watch::PlanWatch;
use crate::gateway::refusal::Refusal;
use crate::gateway::route::ModelRouter;
use crate::gateway::service;
use crate::gateway::settings::GatewaySettings;
use crate::gateway::tallies::Tallies;
use crate::gateway::tariff::Tariff;
use crate::gateway::thread::Thread;
use crate::gateway::till::Till;
use crate::gateway::tls::ServerTls;
use crate::gateway::upstream::Upstream;
use crate::gateway::watching::Watching;

/// Work that goes on without a connection is waited for at the end, up to so many pieces of it.
const BACKGROUND_MAX: u32 = 1 << 20;
/// More threads than this do not serve more.
const THREADS_MAX: usize = 16;
/// Where no connection can be taken, such as for want of file descriptors, the next try is later.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What is told of every request that is over.
type OnAccess = Arc<dyn Fn(&Access) + Send + Sync>;

/// What the connections of one thread share; most of it with those of all others.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Arc<GatewaySettings>,
    /// With connections of this thread's own.
    pub(crate) upstream: Upstream,
    pub(crate) tariff: Tariff,
    pub(crate) till: Arc<dyn Till>,
    /// Who decides where requests go, where somebody does.
    pub(crate) router: Option<Arc<dyn ModelRouter>>,
    pub(crate) tallies: Arc<Tallies>,
    /// What became of requests, by the runs that somebody asks for.
    pub(crate) runs: Arc<RunCounters>,
    pub(crate) conversations: Arc<Conversations>,
    pub(crate) geography: Arc<Geography>,
    pub(crate) cuts: Arc<Cuts>,
    /// The live page, where there is one.
    pub(crate) watching: Option<Arc<Watching>>,
    /// How far plan windows are used.
    pub(crate) plan: Arc<PlanWatch>,
    /// Who knows where agents come from, where somebody does.
    pub(crate) origins: Option<Arc<dyn Origins>>,
    on_access: OnAccess,
    replies: Arc<AtomicU64>,
    background: Arc<Semaphore>,
}

/// A gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("upstream", &self.shared.upstream.host()).finish()
    }
}

impl Gateway {
    /// A gateway before `upstream` that asks `till` for money, with a live page where `watching` says
    /// so. `on_access` is told of every request that is over; it may not wait.
    pub fn new(
        settings: GatewaySettings,
        upstream: Upstream,
        tariff: Tariff,
        till: Arc<dyn Till>,
        watching: Option<Watching>,
        on_access: impl Fn(&Access) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            settings: Arc::new(settings),
            upstream,
            tariff,
            till,
            router: None,
            tallies: Arc::default(),
            runs: Arc::default(),
            conversations: Arc::default(),
            geography: Arc::default(),
            cuts: Arc::default(),
            watching: watching.map(Arc::new),
            plan: Arc::default(),
            origins: None,
            on_access: Arc::new(on_access),
            replies: Arc::default(),
            background: Arc::new(Semaphore::new(usize::try_from(BACKGROUND_MAX).unwrap_or(1))),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The same gateway, which asks `origins` where agents come from before it admits them.
    #[must_use]
    pub fn with_origins(self, origins: Arc<dyn Origins>) -> Self {
        let shared = Shared { origins: Some(origins), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// The same gateway with `router` to decide where requests go.
    #[must_use]
    pub fn with_router(self, router: Arc<dyn ModelRouter>) -> Self {
        let shared = Shared { router: Some(router), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// The same gateway, which tells `plan` what answers say of plan windows, and refuses what that
    /// stands against.
    #[must_use]
    pub fn with_plan_watch(self, plan: Arc<PlanWatch>) -> Self {
        let shared = Shared { plan, ..(*self.shared).clone() };
        Self { shared: Arc::new(shared) }
    }

    /// What has happened so far.
    pub fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.shared.tallies)
    }

    /// Serves what comes to `listener` until `ends` does; then requests in flight are waited for,
    /// for as long as the settings say. What is not over by then expires.
    ///
    /// # Errors
    /// No thread can be started.
    pub async fn serve(
        &self,
        listener: TcpListener,
        ends: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let limits = self.shared.settings.limits;
        let connections = Arc::new(Semaphore::new(limits.connections));
        let threads = self.threads()?;
        let mut turns = threads.iter().cycle();
        tokio::pin!(ends);
        loop {
            let permit = tokio::select! {
                () = &mut ends => break,
                permit = Arc::clone(&connections).acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = &mut ends => break,
                accepted = listener.accept() => accepted.and_then(|(stream, _)| stream.into_std()),
            };
            let Ok(stream) = accepted else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            if let Some(thread) = turns.next() {
                thread.take(stream, permit);
            }
        }
        drop(listener);
        threads.iter().for_each(Thread::end_soon);
        if let Some(watching) = &self.shared.watching {
            watching.end();
        }
        let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
        let over = async {
            let _connections = connections.acquire_many(all).await;
            let _background = self.shared.background.acquire_many(BACKGROUND_MAX).await;
        };
        let _late = tokio::time::timeout(limits.grace, over).await;
        // What is left expires with its thread.
        tokio::task::spawn_blocking(move || threads.into_iter().for_each(Thread::end)).await?;
        Ok(())
    }

    fn threads(&self) -> io::Result<Vec<Thread>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = || Shared { upstream: self.shared.upstream.apart(), ..(*self.shared).clone() };
        (0..cores.min(THREADS_MAX)).map(|_| Thread::start(Arc::new(shared()))).collect()
    }
}

/// Serves one connection until it ends, or until its request does once `ended` says so.
pub(super) async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    ended: watch::Receiver<bool>,
) {
    let Ok(peer) = stream.peer_addr() else { return };
    // Frames are small and wait for nobody.
    let _slower = stream.set_nodelay(true);
    match shared.settings.tls.clone() {
        None => requests(shared, peer.ip(), stream, ended).await,
        // In a box, so that connections without TLS are no larger for it.
        Some(tls) => Box::pin(encrypted(shared, tls, peer.ip(), stream, ended)).await,
    }
}

/// Serves a connection that begins with a handshake; ends with it once `ended` says so.
async fn encrypted(
    shared: Arc<Shared>,
    tls: ServerTls,
    peer: IpAddr,
    stream: TcpStream,
    mut ended: watch::Receiver<bool>,
) {
    let within = shared.settings.limits.handshake_within;
    let stream = tokio::select! {
        stream = tls.shake_hands(stream, within) => stream,
        _ending = ended.wait_for(|ended| *ended) => None,
    };
    if let Some(stream) = stream {
        requests(shared, peer, stream, ended).await;
    }
}

/// Serves the requests that come over `stream`.
async fn requests(
    shared: Arc<Shared>,
    peer: IpAddr,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut ended: watch::Receiver<bool>,
) {
    let limits = shared.settings.limits;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(service::serve(shared, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_buf_size(limits.header_bytes.max(8_192))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let finished = tokio::select! {
        _broken = connection.as_mut() => true,
        _ending = ended.wait_for(|ended| *ended) => false,
    };
    if !finished {
        connection.as_mut().graceful_shutdown();
        let _broken = connection.await;
    }
}

impl Shared {
    /// Tells whoever keeps count.
    pub(crate) fn tell(&self, access: Access) {
        (self.on_access)(&access);
        self.runs.take(&access);
        self.tallies.record(access);
    }

    /// A reply that refuses, and what is taken down of it.
    pub(crate) fn refuse(&self, refusal: &Refusal, access: Option<Access>) -> Response<ReplyBody> {
        if let Some(access) = access {
            self.tell(access);
        }
        let number = self.replies.fetch_add(1, Ordering::Relaxed);
        let reply = refusal.reply(&format!("req_flyball_{}_{number}", std::process::id()));
        reply.map(|body| ReplyBody::Whole(Full::new(body)))
    }

    /// Goes on with something that no connection waits for.
    pub(crate) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let permit = Arc::clone(&self.background).try_acquire_owned();
        drop(runtime.spawn(async move {
            let _held = permit;
            work.await;
        }));
    }
}
