//! Ledgers: one suite for every kind, and what only a file on a disk can suffer.

mod borrower;
mod contract;
mod export;
mod failures;
mod group_commit;
mod kill;
mod laws;
mod lending;
mod lending_laws;
mod lending_reference;
mod model;
mod operations;
mod reconcile;
mod slices;
mod stand;
mod uncertain;
