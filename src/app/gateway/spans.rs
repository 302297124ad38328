//! Spans of requests for a collector of OpenTelemetry, where this flyball is built for it.

use tokio::runtime::Handle;

use crate::app::error::AppError;
use crate::app::output;
use crate::config::Environment;
use crate::config::environment::OTEL_EXPORTER_OTLP_ENDPOINT;
use crate::gateway::Access;

#[cfg(feature = "otel")]
pub(super) use self::sent::Spans;
#[cfg(not(feature = "otel"))]
pub(super) use self::unsent::Spans;

#[cfg(not(feature = "otel"))]
mod unsent {
    use super::{Access, AppError, Environment, Handle, OTEL_EXPORTER_OTLP_ENDPOINT, output};

    /// Nobody's spans.
    pub(in crate::app::gateway) struct Spans;

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        clippy::unused_async,
        reason = "it is called as the one that sends"
    )]
    impl Spans {
        /// Says that there are none, where somebody waits for them.
        pub(in crate::app::gateway) fn start(
            environment: &Environment,
            _server: &str,
            _runtime: &Handle,
        ) -> Result<Self, AppError> {
            if environment.collector.is_some() {
                output::tell(&format!(
                    "flyball: {OTEL_EXPORTER_OTLP_ENDPOINT} is set, but this flyball is built \
                     without the feature `otel`: no spans are sent\n"
                ));
            }
            Ok(Self)
        }

        pub(in crate::app::gateway) fn recorder(&self) -> impl Fn(&Access) + Send + Sync + 'static {
            |_| {}
        }

        pub(in crate::app::gateway) async fn end(self) {}
    }
}

#[cfg(feature = "otel")]
mod sent {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use http::{HeaderMap, HeaderName, HeaderValue};
    use tokio::task::JoinHandle;

    use super::{Access, AppError, Environment, Handle, OTEL_EXPORTER_OTLP_ENDPOINT, output};
    use crate::config::environment::OTEL_EXPORTER_OTLP_HEADERS;
    use crate::gateway::{Collector, SpanExporter};

    /// How long the last spans may take to be sent.
    const END_WITHIN: Duration = Duration::from_secs(5);
    const SERVICE: &str = "flyball-gateway";

    /// Spans on their way to a collector, where one is named.
    pub(in crate::app::gateway) struct Spans(Option<(SpanExporter, JoinHandle<()>)>);

    impl Spans {
        /// Spans of requests to `server`.
        pub(in crate::app::gateway) fn start(
            environment: &Environment,
            server: &str,
            runtime: &Handle,
        ) -> Result<Self, AppError> {
            let Some(endpoint) = environment.collector.clone() else { return Ok(Self(None)) };
            let written = environment.collector_headers.as_ref();
            let headers = written.map_or(Some(HeaderMap::new()), |written| headers(&written.0));
            let headers = headers.ok_or_else(|| {
                AppError::usage(format!("{OTEL_EXPORTER_OTLP_HEADERS} cannot be read"))
                    .with_hint("write NAME=VALUE,NAME=VALUE with values percent-encoded")
            })?;
            let service = environment.service.clone().unwrap_or_else(|| SERVICE.to_owned());
            let collector = Collector { endpoint, headers, service };
            let started = SpanExporter::start(collector, server, runtime).map_err(|error| {
                AppError::usage(format!("{OTEL_EXPORTER_OTLP_ENDPOINT}: {error}"))
                    .with_hint("such as http://127.0.0.1:4318")
            })?;
            Ok(Self(Some(started)))
        }

        /// What is told of every request that is over.
        pub(in crate::app::gateway) fn recorder(&self) -> impl Fn(&Access) + Send + Sync + 'static {
            let exporter = self.0.as_ref().map(|(exporter, _)| exporter.clone());
            move |access| {
                if let Some(exporter) = &exporter {
                    exporter.record(access);
                }
            }
        }

        /// Sends what is left, once every recorder is gone.
        pub(in crate::app::gateway) async fn end(self) {
            let Some((exporter, sending)) = self.0 else { return };
            let lost = exporter.lost();
            drop(exporter);
            if tokio::time::timeout(END_WITHIN, sending).await.is_err() {
                output::tell("flyball: the last spans did not reach their collector\n");
            }
            let lost = lost.load(Ordering::Relaxed);
            if lost > 0 {
                output::tell(&format!("flyball: {lost} spans did not reach their collector\n"));
            }
        }
    }

    /// `name=value,name=value` with percent-encoded values; `None` where it is not that.
    fn headers(text: &str) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value = HeaderValue::from_bytes(&decoded(value.trim())?).ok()?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Some(headers)
    }

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = text.bytes();
        let mut decoded = Vec::with_capacity(text.len());
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit()? * 16 + digit()?;
                decoded.push(u8::try_from(value).ok()?);
            } else {
                decoded.push(byte);
            }
        }
        Some(decoded)
    }
}
