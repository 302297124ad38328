//! Recordings of exchanges: refused with a line that is there, or read, and then written and read
//! again as the same. Nothing that is read has a header of a request beyond those that are kept.
#![no_main]

use flyball::messages::{keeps_request_header, read_recording};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match read_recording(text) {
        Err(bad) => assert!((1..=text.lines().count()).contains(&bad.line), "{bad}"),
        Ok(exchanges) => {
            for exchange in &exchanges {
                let mut names = exchange.request_headers.iter().map(|(name, _)| name);
                assert!(names.all(|name| keeps_request_header(name)));
            }
            let lines = exchanges.iter().flat_map(|exchange| exchange.line().expect("JSON"));
            let written = String::from_utf8(lines.collect()).expect("JSON is UTF-8");
            assert_eq!(read_recording(&written).as_ref(), Ok(&exchanges));
        }
    }
});
