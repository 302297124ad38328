//! Keeping accounts for longer than a process.
mod group_commit;
pub use group_commit::{BooksError, Decided, GroupCommit};
