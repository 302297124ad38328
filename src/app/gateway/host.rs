//! Who starts a gateway: a command of its own, or one that runs a client behind it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::gateway::Access;

/// Hears what a gateway has to say beside its answers: whole lines.
pub(in crate::app) type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// What ends a gateway.
pub(in crate::app) type Ends = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a gateway tells who started it, and when it ends.
pub(in crate::app) struct Host {
    /// What budgets and slices have to say.
    pub(in crate::app) say: Say,
    /// Every request that is over; may not wait.
    pub(in crate::app) on_access: Box<dyn Fn(&Access) + Send + Sync>,
    /// It listens.
    pub(in crate::app) ready: Box<dyn FnOnce(Ready) + Send>,
    /// Called where a runtime is, before `ready`: it ends with this.
    pub(in crate::app) ends: Box<dyn FnOnce() -> io::Result<Ends> + Send>,
}

/// A gateway that listens.
#[derive(Clone, Debug)]
pub(in crate::app) struct Ready {
    /// `http` or `https`.
    pub(in crate::app) scheme: &'static str,
    /// Where.
    pub(in crate::app) address: SocketAddr,
    /// The host of its upstream.
    pub(in crate::app) host: String,
    /// The address of its live page, with the token, where there is one.
    pub(in crate::app) link: Option<String>,
}
