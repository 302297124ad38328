//! Ledgers: one suite for every kind, and what only a file on a disk can suffer.

mod contract;
mod copy;
mod desk;
mod export;
mod failures;
mod group_commit;
mod kill;
mod laws;
mod model;
mod operations;
pub(crate) mod postgres;
mod stand;
mod uncertain;
