//! The files of the live page, and the headers that keep it to itself.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::gateway::body::ReplyBody;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Nothing from elsewhere, nothing written into the page, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// A file of the page that says nothing of anybody, so that who is not let in sees it too.
pub(crate) fn public_file(path: &str) -> Option<Response<ReplyBody>> {
    let (media, text) = match path {
        "/ui/style.css" => (CSS, include_str!("../../../assets/ui/style.css")),
        "/ui/page.js" => (SCRIPT, include_str!("../../../assets/ui/page.js")),
        "/ui/chart.js" => (SCRIPT, include_str!("../../../assets/ui/chart.js")),
        "/ui/words.js" => (SCRIPT, include_str!("../../../assets/ui/words.js")),
        "/ui/icon.svg" => ("image/svg+xml", include_str!("../../../assets/ui/icon.svg")),
        _ => return None,
    };
    Some(reply(StatusCode::OK, media, text.to_owned()))
}

/// The page itself.
pub(crate) fn page() -> Response<ReplyBody> {
    let text = include_str!("../../../assets/ui/page.html");
    reply(StatusCode::OK, HTML, text.to_owned())
}

/// The page for who is not let in: how to get in.
pub(crate) fn no_entry() -> Response<ReplyBody> {
    let text = include_str!("../../../assets/ui/no-entry.html");
    reply(StatusCode::UNAUTHORIZED, HTML, text.to_owned())
}

/// A reply with everything that keeps it to itself.
pub(crate) fn reply(status: StatusCode, media: &'static str, text: String) -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::Whole(Full::new(Bytes::from(text))));
    *reply.status_mut() = status;
    keep_to_itself(reply.headers_mut(), media);
    reply
}

pub(crate) fn keep_to_itself(headers: &mut HeaderMap, media: &'static str) {
    let all = [
        (CONTENT_TYPE, media),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        // The address may hold the token.
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
