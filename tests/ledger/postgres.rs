//! The ledger on Postgres: what can happen to it besides what every ledger knows.

mod connection;
mod damage;
mod location;
mod lookups;
mod owners;
mod proxy;
pub(crate) mod server;
