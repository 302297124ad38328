//! Runs end within their budget, use it, and say truthfully what was lost.

mod conversations;
mod endings;
mod fixture;
mod odd_backends;
mod seeds;
mod steps;
mod usage_model;
