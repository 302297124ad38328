//! Who may watch: whoever sits at this machine and has the token that was printed at the start. No
//! page of another site may look or act in their browser.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, Method, Uri};
use sha2::{Digest, Sha256};

/// Random bytes of a token.
pub(crate) const TOKEN_BYTES: usize = 24;

/// Lets in.
#[derive(Debug)]
pub(crate) struct Door {
    /// SHA-256: comparing hashes tells nobody how much of a token was right.
    token: [u8; 32],
    /// Ports of one machine share their cookies, so each has a name of its own.
    cookie: String,
    /// Whether the page is served over TLS.
    secure: bool,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    /// Asked from another machine.
    Remote,
    /// Asked under a name that is not this machine's: a name of somebody else may lead here.
    OtherHost,
    /// Asked by a page of another site.
    OtherSite,
    /// What is sent is not JSON, which a form of another site could be.
    NotJson,
}

impl Door {
    pub(crate) fn new(token: &str, port: u16, secure: bool) -> Self {
        Self { token: hash(token), cookie: format!("flyball-{port}"), secure }
    }

    /// How addresses of the page begin.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.secure { "https://" } else { "http://" }
    }

    /// Whether the address that was asked for carries the token; if so, the cookie to set.
    pub(crate) fn cookie_for(&self, uri: &Uri) -> Option<String> {
        let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
        let cookie = &self.cookie;
        let secure = if self.secure { "; Secure" } else { "" };
        self.opens(token)
            .then(|| format!("{cookie}={token}; Path=/ui; HttpOnly; SameSite=Strict{secure}"))
    }

    /// Whether `headers` have the cookie.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).map(str::trim);
        pairs.any(|pair| {
            let value = pair.strip_prefix(&self.cookie).and_then(|rest| rest.strip_prefix('='));
            value.is_some_and(|token| self.opens(token))
        })
    }

    /// Whether a request comes from this machine, under its name, and from no page of another site;
    /// those may only link to what `may_be_linked_to`.
    pub(crate) fn is_from_here(
        &self,
        peer: IpAddr,
        method: &Method,
        headers: &HeaderMap,
        may_be_linked_to: bool,
    ) -> Result<(), Shut> {
        if !peer.to_canonical().is_loopback() {
            return Err(Shut::Remote);
        }
        let text =
            |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        // Of two names nobody knows which the browser meant.
        let is_one = headers.get_all(HOST).iter().count() == 1;
        let host = text(HOST).filter(|host| is_one && is_local(host)).ok_or(Shut::OtherHost)?;
        let site = text(http::HeaderName::from_static("sec-fetch-site"));
        let own_site = site.map(|site| site == "same-origin" || site == "none");
        let own_origin = headers.get(ORIGIN).map(|origin| {
            let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix(self.scheme()));
            origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        });
        if method == Method::POST {
            // Every browser sends one of them; whoever sends neither cannot be told from another site.
            if own_site == Some(false)
                || own_origin == Some(false)
                || own_site.or(own_origin).is_none()
            {
                return Err(Shut::OtherSite);
            }
            let media = text(CONTENT_TYPE).and_then(|media| media.split(';').next());
            if !media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")) {
                return Err(Shut::NotJson);
            }
        } else if own_site == Some(false) && !may_be_linked_to {
            return Err(Shut::OtherSite);
        }
        Ok(())
    }

    fn opens(&self, token: &str) -> bool {
        hash(token) == self.token
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A token of random bytes.
pub(crate) fn token(random: [u8; TOKEN_BYTES]) -> String {
    random.iter().fold(String::with_capacity(2 * TOKEN_BYTES), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where a gateway that listens at `address` can be watched; `None` where only other machines reach
/// it.
pub(crate) fn seen_at(address: SocketAddr) -> Option<SocketAddr> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    ip.is_loopback().then(|| SocketAddr::new(ip, address.port()))
}

/// Whether a `Host` names this machine itself.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || bare.map_or(name, |bare| bare).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
