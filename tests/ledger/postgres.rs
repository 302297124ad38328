//! The ledger on Postgres: what can happen to it besides what every ledger knows.

pub(super) mod server;
