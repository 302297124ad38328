//! Which headers pass.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::gateway::caller::RUN;
use crate::gateway::route::Routed;
use crate::id::AttemptId;

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

/// Says which attempt an answer belongs to, and which model it was asked of, where that is not the
/// one that the client asked for.
pub(crate) fn name_attempt(headers: &mut HeaderMap, id: &AttemptId, routed: Option<&Routed>) {
    let mut set = |name: &'static str, text: &str| {
        // What a header cannot hold is left out: a name of a rule can have any letters.
        let text = text.replace(|letter: char| !(' '..='~').contains(&letter), "?");
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    };
    set("x-flyball-attempt", &id.0);
    if let Some(Routed::Sent { model, rule, .. }) = routed {
        set("x-flyball-model", model);
        set("x-flyball-rule", rule);
    }
}
