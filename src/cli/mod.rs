//! The command line as typed: arguments, names, defaults.

pub mod pricing;
