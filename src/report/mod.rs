//! Turns plans, runs and events into text, JSON and Markdown. Computes no money.

pub mod pricing;
