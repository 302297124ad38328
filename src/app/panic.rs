//! The last resort: a panic is a bug in flyball, and says so.

use std::io::Write;

/// Replaces Rust's message by one that says whose fault it is and what to do.
pub(super) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(
            || "an unknown place".to_owned(),
            |place| format!("{}:{}", place.file(), place.line()),
        );
        let message = info.payload_as_str().unwrap_or("no message");
        let _ = writeln!(
            std::io::stderr(),
            "bug: flyball {} failed at {place}: {message}\n  \
             this is a bug in flyball; please report it with the command you ran",
            env!("CARGO_PKG_VERSION"),
        );
    }));
}
