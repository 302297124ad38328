//! Reserving, settling and denying. Owns scopes, limits and balances; knows no upstream.
