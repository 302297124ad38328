//! Streams of events: any chunks of the same bytes meter the same. The first byte says how they are
//! cut.
#![no_main]

use flyball::gateway::{Reading, StreamMeter};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8], chunk_bytes: usize) -> Reading {
    let mut meter = StreamMeter::default();
    for chunk in bytes.chunks(chunk_bytes) {
        meter.read(chunk);
    }
    meter.reading().clone()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    let cut = read(stream, usize::from(*first).max(1));
    assert_eq!(whole, cut);
});
