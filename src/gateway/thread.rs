//! A thread that serves connections, with a runtime of its own: a request, its answer and the
//! connections on both sides stay on one core, and nobody is woken across.

use std::io;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, watch};

use crate::gateway::server::{Shared, connection};

/// Holds a place among the connections.
type Place = Result<OwnedSemaphorePermit, AcquireError>;

/// A thread that serves.
pub(crate) struct Thread {
    connections: UnboundedSender<(StdStream, Place)>,
    /// Whether connections are to end with their requests.
    ending: watch::Sender<bool>,
    /// Whether the thread is to end with what it has.
    ended: watch::Sender<bool>,
    handle: JoinHandle<()>,
}

impl Thread {
    /// Starts one.
    ///
    /// # Errors
    /// The system has no thread or no runtime for it.
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, inbox) = unbounded_channel();
        let (ending, ends) = watch::channel(false);
        let (ended, mut is_over) = watch::channel(false);
        let builder = std::thread::Builder::new().name("flyball gateway".to_owned());
        let handle = builder.spawn(move || {
            runtime.block_on(async move {
                let serving = tokio::spawn(serve(shared, inbox, ends));
                let _over = is_over.wait_for(|over| *over).await;
                serving.abort();
            });
        })?;
        Ok(Self { connections, ending, ended, handle })
    }

    /// Hands it a connection; those at work are bounded by their places.
    pub(crate) fn take(&self, stream: StdStream, place: Place) {
        let _ended = self.connections.send((stream, place));
    }

    /// Lets its connections end with the requests that they are at.
    pub(crate) fn end_soon(&self) {
        let _nobody = self.ending.send(true);
    }

    /// Ends it with what it has.
    pub(crate) fn end(self) {
        let _nobody = self.ended.send(true);
        drop(self.handle.join());
    }
}

async fn serve(
    shared: Arc<Shared>,
    mut inbox: UnboundedReceiver<(StdStream, Place)>,
    ends: watch::Receiver<bool>,
) {
    while let Some((stream, place)) = inbox.recv().await {
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let (shared, ends) = (Arc::clone(&shared), ends.clone());
        drop(tokio::spawn(async move {
            let _place = place;
            connection(shared, stream, ends).await;
        }));
    }
}
