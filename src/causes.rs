//! An error with everything that lies behind it, as one line.

use std::error::Error;

/// What `error` says, and after it what each of its causes says.
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
