//! Reserving, settling and denying. Owns scopes, limits, balances and the queue before them; knows
//! no upstream, no clock and no storage.
//!
//! Every dollar leaves through an [`Account`]: reserve → (extend | shrink)* → settle | release |
//! expire. Every admission keeps settled + reserved ≤ limit in every scope of its path.

mod account;
mod admission;
mod books;
mod bound;
mod calendar;
mod charge;
mod denial;
mod effects;
mod entry;
mod in_queue;
mod lease;
mod path;
mod phase_limits;
mod plan_limits;
mod raise;
mod replay;
mod rows;
mod scope;
mod settlement;
mod share;
mod slice;
mod transfer;
mod unit;
mod waiters;

pub use account::{Account, AccountError};
pub use admission::{Admission, Ask, Grant};
pub use books::{Answer, Applied, Books, Operation};
pub use bound::{Bound, OUTPUT_FLOOR_TOKENS, OutputCap};
pub use calendar::{NoWindow, Period, Window};
pub use charge::Charge;
pub use denial::{Denial, DenialKind, Shortage, Warning};
pub use effects::{Balance, Decision, Effects, Overrun, UnitBalance};
pub use entry::{Entry, EntryKind};
pub use lease::{Drawn, HEADROOM_BOUNDS_MIN, LeaseAsk, LeaseId, LeaseStanding, Lent};
pub use path::{below, names_in};
pub use phase_limits::PhaseLimits;
pub use plan_limits::{PlanLimits, PlanReached};
pub use replay::{Replay, replay};
pub use rows::{
    AttemptEnd, AttemptRow, Changes, LeaseRow, Rows, ScopeRow, Store, StoreError, Wanted,
};
pub use scope::{Limits, ScopeId};
pub use share::Share;
pub use slice::{Record, Remains, Slice, SliceAnswer};
pub use transfer::Destination;
pub use unit::{Quantity, Unit};
