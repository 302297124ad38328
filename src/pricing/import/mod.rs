//! Reading other price tables.
