//! The live page: what a gateway shows to whoever watches it in a browser of this machine, and what
//! they may do there. Knows no ledger: its [`Console`] does.

mod console;
mod door;
mod events;
mod page;
mod snapshot;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;

use self::door::{Door, Shut};
use self::events::Watchers;
use crate::gateway::body::{NotWhole, ReplyBody, whole};
use crate::gateway::server::Shared;

pub use console::{Account, Accounts, Action, Console, SeenWindow};
pub(crate) use events::Events;

/// Random bytes that the token of a page is made of.
pub const TOKEN_BYTES: usize = door::TOKEN_BYTES;
/// An action is short.
const ACTION_BYTES_MAX: usize = 4 << 10;
const ACTION_WITHIN: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";

/// The live page of one gateway.
pub struct Watching {
    console: Arc<dyn Console>,
    door: Door,
    watchers: Arc<Watchers>,
    link: String,
}

impl Watching {
    /// The page of a gateway that listens at `address`, over TLS where it is `secure`, behind a
    /// token of `random`; `None` where nobody at this machine reaches it.
    pub fn new(
        console: Arc<dyn Console>,
        address: SocketAddr,
        secure: bool,
        random: [u8; TOKEN_BYTES],
    ) -> Option<Self> {
        let address = door::seen_at(address)?;
        let token = door::token(random);
        let door = Door::new(&token, address.port(), secure);
        let link = format!("{}{address}/ui?token={token}", door.scheme());
        Some(Self { console, door, watchers: Arc::new(Watchers::new()), link })
    }

    /// The page's address with its token: whoever has it can watch and act.
    pub fn link(&self) -> &str {
        &self.link
    }

    pub(crate) fn end(&self) {
        self.watchers.end();
    }
}

/// Whether a path belongs to the live page.
pub(crate) fn is_ours(path: &str) -> bool {
    path == "/ui" || path.starts_with("/ui/")
}

/// Answers a request for something of the page.
pub(crate) async fn serve(
    shared: &Arc<Shared>,
    watching: &Watching,
    peer: IpAddr,
    parts: Parts,
    body: Incoming,
) -> Response<ReplyBody> {
    let (method, path) = (&parts.method, parts.uri.path());
    let opening = if path == "/ui" { watching.door.cookie_for(&parts.uri) } else { None };
    if let Err(shut) = watching.door.is_from_here(peer, method, &parts.headers, path == "/ui") {
        return refuse(shut);
    }
    if let (&Method::GET, Some(cookie)) = (method, opening) {
        return let_in(&cookie);
    }
    if method == Method::GET
        && let Some(file) = page::public_file(path)
    {
        return file;
    }
    if !watching.door.knows(&parts.headers) {
        return page::no_entry();
    }
    match (method, path) {
        (&Method::GET, "/ui" | "/ui/") => page::page(),
        (&Method::GET, "/ui/events") => events(shared, watching),
        (&Method::POST, "/ui/act") => act(watching, body).await,
        _ => said(StatusCode::NOT_FOUND, "the live page has nothing there"),
    }
}

fn refuse(shut: Shut) -> Response<ReplyBody> {
    let (status, why) = match shut {
        Shut::Remote => {
            (StatusCode::FORBIDDEN, "the live page is only for browsers on the gateway's machine")
        }
        Shut::OtherHost => (
            StatusCode::MISDIRECTED_REQUEST,
            "the live page has the names localhost, 127.0.0.1 and [::1] only",
        ),
        Shut::OtherSite => (StatusCode::FORBIDDEN, "only the live page itself may ask for this"),
        Shut::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "actions are sent as JSON"),
    };
    said(status, why)
}

/// Sets the cookie and leads on, so that the token leaves the address bar.
fn let_in(cookie: &str) -> Response<ReplyBody> {
    let mut reply = page::reply(StatusCode::SEE_OTHER, "text/plain", String::new());
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().insert(SET_COOKIE, cookie);
    }
    reply.headers_mut().insert(LOCATION, HeaderValue::from_static("/ui"));
    reply
}

fn events(shared: &Arc<Shared>, watching: &Watching) -> Response<ReplyBody> {
    let Some(events) = watching.watchers.join(shared, &watching.console) else {
        return said(StatusCode::SERVICE_UNAVAILABLE, "too many watch already: close a page");
    };
    let mut reply = Response::new(ReplyBody::Events(events));
    page::keep_to_itself(reply.headers_mut(), "text/event-stream");
    reply
}

async fn act(watching: &Watching, body: Incoming) -> Response<ReplyBody> {
    let body = match whole(body, ACTION_BYTES_MAX, ACTION_WITHIN).await {
        Ok(body) => body,
        Err(NotWhole::TooLarge) => {
            return said(StatusCode::PAYLOAD_TOO_LARGE, "no action is so long");
        }
        Err(why) => return said(StatusCode::BAD_REQUEST, &why.to_string()),
    };
    let action: Action = match serde_json::from_slice(&body) {
        Ok(action) => action,
        Err(why) => return said(StatusCode::BAD_REQUEST, &format!("this is no action: {why}")),
    };
    match watching.console.act(action).await {
        Ok(()) => page::reply(StatusCode::OK, JSON, json!({ "done": true }).to_string()),
        Err(why) => said(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}

/// A reply of one sentence.
fn said(status: StatusCode, why: &str) -> Response<ReplyBody> {
    page::reply(status, JSON, json!({ "error": why }).to_string())
}
