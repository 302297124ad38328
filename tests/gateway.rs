//! The gateway: what it reads of requests, what it lets pass, what it charges, and that budgets hold.

mod abuse;
mod agents;
mod anchors;
mod budgets;
mod canned;
mod endings;
mod fleet;
mod inside;
mod keys;
mod lowered;
mod metered;
mod origins;
mod passing;
mod places;
mod plan_windows;
mod policies;
mod race;
mod recording;
mod requests;
mod retries;
mod routes;
mod sdk;
mod spans;
mod stand;
mod tls;
mod ui;
