//! flyball shows what an agent workflow will cost before it starts, routes each stage to the
//! cheapest model its policy allows, and holds the run under a hard budget.
//!
//! Layers only import downwards; `tests/tidy.rs` holds the table. See ARCHITECTURE.md.

// L0: units
pub mod amount;
pub mod band;
pub mod diagnostic;
pub mod effort;
pub mod gate;
pub mod id;
pub mod ledger_place;
pub mod money;
pub mod role;
pub mod seed;
pub mod tokens;

// L1: knowledge, parsed from text that callers pass in
pub mod messages;
pub mod policy;
pub mod pricing;
pub mod usage;
pub mod workflow;

// L2: the small traits between decisions and IO
pub mod ports;

// L3: decisions; pure, synchronous, seeded
pub mod budget;
pub mod calibrate;
pub mod event;
pub mod plan;

// L4: IO; siblings never import each other
pub mod agents;
pub mod causes;
pub mod claude;
pub mod config;
pub mod gateway;
pub mod ledger;
pub mod script;
pub mod upstream;

// L5
pub mod report;
pub mod run;

// L6
pub mod app;
pub mod cli;
