//! Backends that carry out agent calls.

mod arms;
mod messages;
mod simulated;
mod usage_workload;
mod workload;

pub use arms::Arms;
pub use messages::{MessagesBackend, MessagesSettings, Place, PlacedPrice};
pub use simulated::SimulatedBackend;
pub use usage_workload::{SimulatedModel, UsageWorkload, requests_of};
pub use workload::{ResultSource, SimulatedRequest, Workload};
