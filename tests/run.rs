//! Runs end within their budget, use it, and say truthfully what was lost.

mod endings;
mod fixture;
mod seeds;
mod usage_model;
