//! Bodies of requests to the gateway: what is read of one holds of the body that is sent.
#![no_main]

use bytes::Bytes;
use flyball::gateway::MessagesRequest;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Ok(request) = MessagesRequest::read(body) else { return };
    let edited = request.with_max_tokens(Bytes::copy_from_slice(body), 4_321).whole();
    let mut asked: Value = serde_json::from_slice(body).expect("what was read is JSON");
    let sent: Value = serde_json::from_slice(&edited).expect("what is sent is JSON");
    assert_eq!(sent["max_tokens"], 4_321);
    asked["max_tokens"] = sent["max_tokens"].clone();
    assert_eq!(asked, sent, "only max_tokens changes");
    MessagesRequest::read(&edited).expect("what is sent can be read");
    assert_eq!(MessagesRequest::fingerprint(&edited), MessagesRequest::fingerprint(body));
});
