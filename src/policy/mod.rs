//! Routing rules and budgets as people write them. Owns matching; prices nothing itself.
