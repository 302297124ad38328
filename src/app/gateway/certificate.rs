//! `--tls-cert` and `--tls-key`: the files, read at the start and again on SIGHUP.

use std::path::{Path, PathBuf};

use tokio::signal::unix::Signal;

use crate::app::error::AppError;
use crate::app::output;
use crate::cli::gateway::TlsTyped;
use crate::config::SourceFile;
use crate::config::source::TEXT_BYTES_MAX;
use crate::gateway::{BadTls, ServerTls};
use crate::report::page::clean;

/// What clients are spoken TLS to with.
#[derive(Debug)]
pub(super) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    tls: ServerTls,
}

impl Certificate {
    /// The certificate of the files that were named; `None` where none were.
    pub(super) fn read(typed: &TlsTyped) -> Result<Option<Self>, AppError> {
        let (Some(chain), Some(key)) = (&typed.tls_cert, &typed.tls_key) else { return Ok(None) };
        let tls = texts(chain, key, ServerTls::new)?;
        Ok(Some(Self { chain: chain.clone(), key: key.clone(), tls }))
    }

    pub(super) fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Reads the files again whenever `hangups` comes. Where they cannot be used, what was read
    /// before stays in force.
    pub(super) async fn renew(self, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            let read = texts(&self.chain, &self.key, |chain, key| self.tls.replace(chain, key));
            output::tell(&match read {
                Ok(()) => {
                    "flyball: the certificate was read again; new connections get it\n".into()
                }
                Err(error) => format!(
                    "flyball: the certificate stays as it was: {}\n",
                    clean(&error.sentence())
                ),
            });
        }
    }
}

/// Hands the texts of both files to `take`, and says which file is at fault.
fn texts<T>(
    chain: &Path,
    key: &Path,
    take: impl FnOnce(&str, &str) -> Result<T, BadTls>,
) -> Result<T, AppError> {
    let chain = SourceFile::read(chain, TEXT_BYTES_MAX)?;
    warn_if_open(key);
    let key = SourceFile::read(key, TEXT_BYTES_MAX)?;
    take(&chain.text, &key.text).map_err(|error| {
        let (name, flag) = match error {
            BadTls::Chain(_) => (&chain.name, "--tls-cert"),
            BadTls::Key(_) => (&key.name, "--tls-key"),
        };
        AppError::bad_input(format!("{name}: {error}"))
            .with_hint(format!("{flag} takes a PEM file; nothing is served without it"))
    })
}

/// A key that everybody can read is everybody's.
fn warn_if_open(key: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        const OTHERS_MAY_READ: u32 = 0o004;
        if std::fs::metadata(key).is_ok_and(|file| file.mode() & OTHERS_MAY_READ != 0) {
            let shown = clean(&key.display().to_string());
            output::tell(&format!(
                "flyball: every user of this machine can read the key in {shown}: chmod 600\n"
            ));
        }
    }
}
