//! TLS on the way to clients: the certificate that is shown to them, and the handshake. Knows no
//! files and no requests.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a connection that speaks TLS.
const HANDSHAKE: u8 = 0x16;
/// What is read and thrown away of a request that came without TLS, so that its sender can read the
/// reply.
const PLAIN_BYTES_MAX: u64 = 64 << 10;
const PLAIN_REPLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 58\r\nconnection: close\r\n\r\n\
    this gateway speaks TLS: use https:// in its address here\n";

/// Why a certificate cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTls {
    /// Something is wrong with the chain.
    #[error("{0}")]
    Chain(String),
    /// Something is wrong with the key. Nothing of it is in the words.
    #[error("{0}")]
    Key(String),
}

/// A certificate with its key, which can be replaced while connections are served.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

impl ServerTls {
    /// Shows `chain` (PEM, the server's own certificate first) and proves it by `key` (PEM: PKCS#8,
    /// PKCS#1 or SEC1).
    ///
    /// # Errors
    /// One of them cannot be read, or they do not belong together.
    pub fn new(chain: &str, key: &str) -> Result<Self, BadTls> {
        Ok(Self { config: Arc::new(RwLock::new(config(chain, key)?)) })
    }

    /// Shows another certificate to connections that come from now on.
    ///
    /// # Errors
    /// As with [`new`](Self::new); then the one before stays.
    pub fn replace(&self, chain: &str, key: &str) -> Result<(), BadTls> {
        let config = config(chain, key)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Shakes hands within a time; `None` where that comes to nothing.
    pub(crate) async fn shake_hands(
        &self,
        stream: TcpStream,
        within: Duration,
    ) -> Option<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let hands = async {
            let mut first = [0];
            let read = stream.peek(&mut first).await.ok()?;
            if read > 0 && first != [HANDSHAKE] {
                say_plainly(stream).await;
                return None;
            }
            TlsAcceptor::from(config).accept(stream).await.ok()
        };
        tokio::time::timeout(within, hands).await.ok().flatten()
    }
}

/// Tells whoever speaks HTTP without TLS what to do instead.
async fn say_plainly(mut stream: TcpStream) {
    if stream.write_all(PLAIN_REPLY).await.is_ok() && stream.shutdown().await.is_ok() {
        // Closed with something unread, a connection is reset, and the reply is lost.
        let mut rest = stream.take(PLAIN_BYTES_MAX);
        let _gone = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    }
}

fn config(chain: &str, key: &str) -> Result<Arc<ServerConfig>, BadTls> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| BadTls::Chain(format!("this is no PEM file: {error}")))?;
    if chain.is_empty() {
        let why = "there is no certificate in it: it needs a line -----BEGIN CERTIFICATE-----";
        return Err(BadTls::Chain(why.to_owned()));
    }
    let key = private_key(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BadTls::Chain(format!("TLS cannot be used: {error}")))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                BadTls::Key("it is not the key of the certificate".to_owned())
            }
            rustls::Error::InvalidCertificate(_) => {
                BadTls::Chain(format!("its certificate cannot be used: {error}"))
            }
            // The words are of a library that was given the key: better none of them.
            _ => BadTls::Key("it is no key that TLS can use".to_owned()),
        })?;
    // Nothing else is spoken here, and who wants something else should hear of it at once.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, BadTls> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        let why = match error {
            pem::Error::NoItemsFound if text.contains("BEGIN ENCRYPTED PRIVATE KEY") => {
                "its key is encrypted, and nobody is asked for a password"
            }
            pem::Error::NoItemsFound => {
                "there is no key in it: it needs a line -----BEGIN PRIVATE KEY-----"
            }
            _ => "this is no PEM file",
        };
        BadTls::Key(why.to_owned())
    })
}
