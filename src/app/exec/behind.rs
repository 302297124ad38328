//! A gateway of its own behind one client, on a thread of its own: what it saw and what it had to
//! say, while the client has the terminal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::super::context::Context;
use super::super::error::AppError;
use super::super::gateway::{self, Host, Ready};
use super::hold::Client;
use super::seen::Seen;
use crate::cli::exec::ExecTyped;
use crate::cli::gateway::{GatewayTyped, JoinTyped};
use crate::gateway::Tallies;

/// Lines that are kept of what it says; more are counted.
const LINES_MAX: usize = 50;

/// A gateway that serves one client. Dropped, it ends.
pub(super) struct Behind {
    address: SocketAddr,
    link: Option<String>,
    seen: Arc<Mutex<Seen>>,
    said: Arc<Mutex<Vec<String>>>,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<Arc<Tallies>, AppError>>>,
}

impl Behind {
    /// Starts one for `run`, and waits until it listens.
    pub(super) fn start(
        typed: &ExecTyped,
        client: &Client<'_>,
        (project, run): (&str, &str),
        context: &Context,
    ) -> Result<Self, AppError> {
        let seen = Arc::new(Mutex::new(Seen::of(run)));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (ends, ended) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let host = host(&seen, &said, tell, ended);
        // Whose agents they are stands in the client's own files.
        let home = context.environment.claude_folder.clone().filter(|_| client.is_claude_code);
        let typed = flags(typed, project, home)?;
        let context = context.clone();
        let thread = std::thread::Builder::new()
            .name("flyball behind".to_owned())
            .spawn(move || gateway::serve_until(&typed, &context, host))
            .map_err(AppError::bug)?;
        match told.recv() {
            Ok(Ready { address, link, .. }) => {
                Ok(Self { address, link, seen, said, ends: Some(ends), thread: Some(thread) })
            }
            // It ended before it listened, and says why.
            Err(_) => Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => AppError::bug("the gateway ended at once"),
            }),
        }
    }

    /// Where requests go.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of its live page.
    pub(super) fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// Lets what is in flight end, and ends it; what it saw, and what it had to say.
    pub(super) fn end(mut self) -> Result<(Seen, Vec<String>), AppError> {
        self.stop()?;
        let take = |lines: &Mutex<Vec<String>>| {
            std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((seen, take(&self.said)))
    }

    fn stop(&mut self) -> Result<(), AppError> {
        drop(self.ends.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(AppError::bug("the gateway's thread panicked")),
            Some(Ok(served)) => served.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // Whoever wanted to know why it failed has asked.
        let _ended = self.stop();
    }
}

fn host(
    seen: &Arc<Mutex<Seen>>,
    said: &Arc<Mutex<Vec<String>>>,
    tell: mpsc::Sender<Ready>,
    ended: oneshot::Receiver<()>,
) -> Host {
    let (seen, said) = (Arc::clone(seen), Arc::clone(said));
    Host {
        say: Arc::new(move |line| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < LINES_MAX {
                said.push(line.trim_end().to_owned());
            }
        }),
        on_access: Box::new(move |access| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).take(access);
        }),
        ready: Box::new(move |ready| drop(tell.send(ready))),
        ends: Box::new(move || {
            Ok(Box::pin(async move {
                let _dropped = ended.await;
            }))
        }),
    }
}

fn flags(
    typed: &ExecTyped,
    project: &str,
    claude_home: Option<PathBuf>,
) -> Result<GatewayTyped, AppError> {
    let untyped = GatewayTyped::untyped().map_err(AppError::bug)?;
    let join = JoinTyped { claude_home, ..untyped.join.clone() };
    Ok(GatewayTyped {
        listen: ([127, 0, 0, 1], 0).into(),
        upstream: typed.upstream.clone(),
        agent_budget: typed.agent_budget.clone(),
        policy: typed.policy.clone(),
        rewrite: typed.rewrite,
        join,
        project: Some(project.to_owned()),
        output_cap: typed.output_cap,
        guarantee: typed.guarantee,
        max_hold: typed.max_hold,
        prices: typed.prices.clone(),
        quiet: true,
        ledger: typed.ledger.clone(),
        ..untyped
    })
}
