//! Turns plans, runs and events into text, JSON and Markdown. Computes no money.
//!
//! Owns layout, wording and number formats. Must not know where text goes: a [`Page`] says how
//! wide it is and whether it may be coloured. Text from scripts is shown without its control
//! characters, so that a label cannot move the cursor or hide what follows.

mod alike;
pub mod bill;
pub mod budget;
pub mod checkup;
pub mod diagnostics;
pub mod entries;
pub mod exec;
pub mod gateway;
pub mod holdings;
pub mod json;
pub mod launch;
pub mod line_diff;
pub mod markdown;
pub mod number;
pub mod page;
pub mod plan;
pub mod plan_windows;
pub mod policy;
pub mod pricing;
pub mod progress;
pub mod rewrite;
pub mod run;
pub mod runs;
pub mod sheet;
pub mod status_line;
mod words;
pub mod workflows;

pub use page::Page;
