//! How virtual time is shown to people who watch.

/// Slows a simulated run down to a speed that can be watched.
pub trait Pacer {
    /// Returns when `milliseconds` of run time should have passed.
    fn wait_until(&mut self, milliseconds: u64);
}

/// Waits for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPacer;

impl Pacer for NoPacer {
    fn wait_until(&mut self, _: u64) {}
}
