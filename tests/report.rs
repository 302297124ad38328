//! Plans as text.

mod fixtures;
mod golden;
mod laws;
mod numbers;
mod pointing;
