//! Ledgers: one suite for every kind, and what only a file on a disk can suffer.

mod borrower;
mod contract;
mod export;
mod failures;
mod group_commit;
mod kill;
mod laws;
mod lease_model;
mod lending;
mod lending_laws;
mod lending_reference;
mod model;
mod older_schema;
mod operations;
mod reconcile;
mod slices;
mod stand;
mod uncertain;
