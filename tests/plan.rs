//! The planner: scripts of our own and fakes, in process; a few through the real binary.

mod binary;
mod ceilings;
mod costs;
mod draws;
mod drivers;
mod endings;
mod fake;
mod fitting;
mod golden;
mod hints;
mod ids;
mod interventions;
mod one_agent;
mod pins;
mod rewrites;
mod routes;
mod same_calls;
mod stages;
mod stand;
mod steps;
mod time;
mod verdicts;
