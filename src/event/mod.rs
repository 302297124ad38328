//! What happens during a run, as plain data: one stream for live views and for the report.
