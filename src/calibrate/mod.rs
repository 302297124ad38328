//! Learning from what was observed. Owns estimates with their uncertainty; knows no clock, no files
//! and nobody who observes.

mod sighting;
mod window_rate;

pub use sighting::Sighting;
pub use window_rate::{Calibration, INTERVALS_MIN, POINTS_MIN, WindowRate, window_rate};
