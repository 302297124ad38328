//! The stream of snapshots: server-sent events, one watcher each. A snapshot is taken for all of
//! them together, only while somebody watches, and not more often than it is worth.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

use crate::gateway::server::Shared;
use crate::gateway::watching::console::Console;
use crate::gateway::watching::snapshot::Snapshot;

/// So many watch at once.
const WATCHERS_MAX: usize = 16;
/// Between one snapshot and the next at least.
const EVERY: Duration = Duration::from_secs(1);
/// Taking snapshots of a large ledger takes at most one part of so many of the time.
const SHARE: u32 = 5;
/// While a snapshot is taken that takes long, whoever watches is told that somebody is there.
const BEAT: Duration = Duration::from_secs(10);
/// A comment: it keeps the connection, and shows whether anybody still reads.
const HEARTBEAT: &str = ": as before\n\n";
/// How soon a browser connects again, milliseconds.
const AGAIN: &str = "retry: 2000\n\n";

/// Those who watch.
pub(crate) struct Watchers {
    places: Arc<Semaphore>,
    latest: Mutex<Latest>,
    over: watch::Sender<bool>,
}

/// The last snapshot.
#[derive(Clone, Debug, Default)]
struct Latest {
    /// When a next one is due.
    due: Option<Instant>,
    /// Goes up with every one that differs from the one before.
    number: u64,
    snapshot: Option<Snapshot>,
    event: Bytes,
}

/// The events that one watcher gets.
pub(crate) struct Events(mpsc::Receiver<Bytes>);

impl Watchers {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(WATCHERS_MAX)),
            latest: Mutex::default(),
            over: watch::Sender::new(false),
        }
    }

    /// Ends every stream: no gateway waits for those who watch it.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
    }

    /// One more watcher; `None` where there are too many.
    pub(crate) fn join(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        console: &Arc<dyn Console>,
    ) -> Option<Events> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (tell, told) = mpsc::channel(1);
        let (watchers, console) = (Arc::clone(self), Arc::clone(console));
        // What is shared holds the gateway's till, so nobody who only watches may keep it.
        let shared = Arc::downgrade(shared);
        let mut over = self.over.subscribe();
        drop(tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                _gone = watchers.feed(&shared, &*console, &tell) => {}
                () = tell.closed() => {}
                _over = over.wait_for(|over| *over) => {}
            }
        }));
        Some(Events(told))
    }

    /// Tells a watcher of everything new until it goes away or the gateway ends.
    async fn feed(
        &self,
        shared: &Weak<Shared>,
        console: &dyn Console,
        tell: &mpsc::Sender<Bytes>,
    ) -> Option<Infallible> {
        tell.send(Bytes::from_static(AGAIN.as_bytes())).await.ok()?;
        let mut seen = None;
        loop {
            let next = self.next(shared.upgrade()?, console);
            tokio::pin!(next);
            let latest = loop {
                match tokio::time::timeout(BEAT, &mut next).await {
                    Ok(latest) => break latest,
                    Err(_slow) => beat(tell).await?,
                }
            };
            if seen == Some(latest.number) {
                beat(tell).await?;
            } else {
                seen = Some(latest.number);
                tell.send(latest.event).await.ok()?;
            }
            let now = Instant::now();
            let wait = latest.due.map_or(EVERY, |due| due.saturating_duration_since(now));
            tokio::time::sleep(wait).await;
        }
    }

    /// The last snapshot, or a new one where that is due.
    async fn next(&self, shared: Arc<Shared>, console: &dyn Console) -> Latest {
        let mut latest = self.latest.lock().await;
        if latest.due.is_some_and(|due| Instant::now() < due) {
            return latest.clone();
        }
        let began = Instant::now();
        let accounts = console.accounts().await;
        let snapshot = Snapshot::of(&shared.tallies, accounts, shared.till.trouble());
        if latest.snapshot.as_ref() != Some(&snapshot) {
            latest.number += 1;
            // A snapshot has nothing in it that JSON cannot say.
            let json = serde_json::to_string(&snapshot).unwrap_or_else(|_| "null".to_owned());
            latest.event = Bytes::from(format!("event: snapshot\ndata: {json}\n\n"));
            latest.snapshot = Some(snapshot);
        }
        let took = began.elapsed();
        latest.due = Some(Instant::now() + EVERY.max(took * (SHARE - 1)));
        latest.clone()
    }
}

async fn beat(tell: &mpsc::Sender<Bytes>) -> Option<()> {
    tell.send(Bytes::from_static(HEARTBEAT.as_bytes())).await.ok()
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.get_mut().0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
