//! Which headers pass.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::gateway::caller::RUN;

/// Headers of one connection, not of the message.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes off what is of one connection.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// The headers of a request as the upstream gets them. The answer has to be readable as it passes,
/// so none is asked for that is compressed.
pub(crate) fn to_upstream(mut headers: HeaderMap, credential: Option<&HeaderValue>) -> HeaderMap {
    strip(&mut headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    headers.remove(RUN);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(credential) = credential {
        headers.remove(header::AUTHORIZATION);
        headers.insert("x-api-key", credential.clone());
    }
    headers
}

/// The headers of an answer as the client gets them.
pub(crate) fn to_client(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers);
    headers
}
