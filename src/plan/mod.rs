//! Planning: a seeded Monte Carlo over a workflow script.
//! Pure: no clock, no environment, no threads; cannot spend, since it sees no backend or ledger.

pub mod fit;
pub mod report;
