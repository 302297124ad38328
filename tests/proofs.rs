//! That budgets hold: many random operations against the worst upstream, and many schedules of
//! threads on one account. `cargo bench --bench overspend` does ten million of the former.

mod overspend;
mod schedules;

use flyball::seed::Seed;

const OPERATIONS: u64 = 300_000;

#[test]
fn no_operations_overspend_against_the_worst_upstream_that_keeps_its_promises() {
    for arm in overspend::ARMS.iter().filter(|arm| !arm.breaks_promises) {
        let found = overspend::run(arm, Seed::new(7), OPERATIONS * arm.share_percent / 100);
        assert!(!found.overspent && found.busy == 0 && found.overruns == 0, "{}", arm.name);
        // What was to be proved did come up.
        assert!(found.clamped > 0 && found.waited > 0 && found.exhausted > 0, "{}", arm.name);
        assert!(found.expired > 0 && found.extended > 0, "{}", arm.name);
    }
}

#[test]
fn broken_promises_are_overruns_and_nothing_else_overspends() {
    for arm in overspend::ARMS.iter().filter(|arm| arm.breaks_promises) {
        let found = overspend::run(arm, Seed::new(7), OPERATIONS * arm.share_percent / 100);
        assert!(found.broken > 0 && found.overruns == found.broken, "{}", arm.name);
        assert!(found.overspent && found.busy == 0, "{}", arm.name);
    }
}
