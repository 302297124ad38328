//! Backends that carry out agent calls.
