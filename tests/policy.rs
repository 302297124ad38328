//! Policies: the file format, matching, routing, and what ships.

mod format;
mod guide;
mod matching;
mod reports;
mod routes;
mod shipped;
mod stand;
mod steps;
