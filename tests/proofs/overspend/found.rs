//! What trials counted.

/// Counts of one trial, or sums of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) trials: u64,
    pub(crate) operations: u64,
    pub(crate) asked: u64,
    pub(crate) admitted: u64,
    /// Admitted below their standing cap, because the budget ended.
    pub(crate) clamped: u64,
    pub(crate) waited: u64,
    /// Refused as exhausted; each was checked to stay impossible.
    pub(crate) exhausted: u64,
    pub(crate) busy: u64,
    pub(crate) expired: u64,
    pub(crate) extended: u64,
    pub(crate) broken: u64,
    pub(crate) overruns: u64,
    /// Whether any scope spent more than it ever allowed, in any unit.
    pub(crate) overspent: bool,
    /// The most that any scope did so by, in picodollars.
    pub(crate) overspent_usd_pico_max: i128,
    /// The least share of a limit of 50 least bounds that was used, in millionths.
    pub(crate) used_ppm_min: Option<i128>,
}

impl Found {
    pub(crate) fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.operations += other.operations;
        self.asked += other.asked;
        self.admitted += other.admitted;
        self.clamped += other.clamped;
        self.waited += other.waited;
        self.exhausted += other.exhausted;
        self.busy += other.busy;
        self.expired += other.expired;
        self.extended += other.extended;
        self.broken += other.broken;
        self.overruns += other.overruns;
        self.overspent |= other.overspent;
        self.overspent_usd_pico_max = self.overspent_usd_pico_max.max(other.overspent_usd_pico_max);
        self.used_ppm_min = [self.used_ppm_min, other.used_ppm_min].into_iter().flatten().min();
    }
}
