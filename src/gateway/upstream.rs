//! The API behind the gateway.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use crate::gateway::sent_body::SentBody;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection that nobody uses is kept for so long; servers keep theirs longer.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Connections that nobody uses are kept, at most.
const IDLE_CONNECTIONS_MAX: usize = 1_024;

/// An address that cannot be an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUpstream {
    /// It is not `http://…` or `https://…`.
    #[error("`{0}` is not an upstream: give it as https://HOST or http://HOST:PORT")]
    NotAnAddress(String),
    /// There are no certificates to check it by.
    #[error("no certificate authorities to check the upstream by: {0}")]
    NoCertificates(String),
    /// TLS cannot be used.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
}

/// The API that requests are forwarded to.
#[derive(Clone)]
pub struct Upstream {
    scheme: Scheme,
    authority: Authority,
    /// What stands before every path; without a slash at its end.
    base: String,
    credential: Option<HeaderValue>,
    connector: HttpsConnector<HttpConnector>,
    client: Client<HttpsConnector<HttpConnector>, SentBody>,
}

impl Upstream {
    /// The upstream at `address`, such as `https://api.anthropic.com`. Its key replaces the
    /// client's, where one is given.
    ///
    /// # Errors
    /// The address makes no sense, or TLS has no certificate authorities.
    pub fn new(address: &str, key: Option<&str>) -> Result<Self, BadUpstream> {
        let bad = || BadUpstream::NotAnAddress(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| bad())?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(bad)?;
        let authority = parts.authority.ok_or_else(bad)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS || authority.as_str().contains('@') {
            return Err(bad());
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path);
        let mut credential = key.map(HeaderValue::from_str).transpose().map_err(|_| bad())?;
        if let Some(credential) = &mut credential {
            credential.set_sensitive(true);
        }
        let connector = connector(&scheme)?;
        let client = client(&connector);
        let base = path.trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, base, credential, connector, client })
    }

    /// The same upstream with connections of its own, for another thread.
    pub(crate) fn apart(&self) -> Self {
        Self { client: client(&self.connector), ..self.clone() }
    }

    /// The key that replaces the client's.
    pub(crate) const fn credential(&self) -> Option<&HeaderValue> {
        self.credential.as_ref()
    }

    /// The host, to be shown.
    pub fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// Where `path` lies, with its query.
    pub(crate) fn uri(&self, path_and_query: &str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path_and_query}", self.base))
            .build()
    }

    /// Sends. A connection that turns out to be closed before anything was written to it is
    /// replaced by another; nothing else is sent twice.
    pub(crate) fn send(&self, request: Request<SentBody>) -> ResponseFuture {
        self.client.request(request)
    }
}

fn client(
    connector: &HttpsConnector<HttpConnector>,
) -> Client<HttpsConnector<HttpConnector>, SentBody> {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .build(connector.clone())
}

fn connector(scheme: &Scheme) -> Result<HttpsConnector<HttpConnector>, BadUpstream> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_WITHIN));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadUpstream::Tls(error.to_string()))?
        .with_root_certificates(roots(scheme)?)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

/// The system's authorities; none are read where none are needed.
fn roots(scheme: &Scheme) -> Result<RootCertStore, BadUpstream> {
    let mut roots = RootCertStore::empty();
    if *scheme == Scheme::HTTPS {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found
                .errors
                .first()
                .map_or_else(|| "the system has none".to_owned(), std::string::ToString::to_string);
            return Err(BadUpstream::NoCertificates(why));
        }
    }
    Ok(roots)
}
