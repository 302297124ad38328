//! What the child takes away from itself before it reads a script.

use super::limits::SandboxLimits;

/// Gives up core dumps, new files and writing to files, and dies with the parent's thread.
#[cfg(unix)]
pub(super) fn at_start() {
    use rustix::process::Resource;

    // Each is a precaution on top of the others: where the system refuses one, go on.
    limit(Resource::Core, 0);
    limit(Resource::Fsize, 0);
    limit(Resource::Nofile, 3);
    #[cfg(target_os = "linux")]
    {
        let signal = Some(rustix::process::Signal::KILL);
        let _refused = rustix::process::set_parent_process_death_signal(signal);
    }
}

/// So many threads can compute, on however few cores.
#[cfg(unix)]
const THREADS_MIN: u64 = 4;

/// Bounds address space and processor time: as much of that as every core gives within the wall
/// limit, since trials run on all of them.
#[cfg(unix)]
pub(super) fn to_limits(limits: &SandboxLimits) {
    use rustix::process::Resource;

    limit(Resource::As, limits.memory_bytes);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u64::try_from(cores).unwrap_or(u64::MAX).max(THREADS_MIN);
    limit(Resource::Cpu, limits.wall.as_secs().saturating_add(1).saturating_mul(threads));
}

#[cfg(unix)]
fn limit(resource: rustix::process::Resource, value: u64) {
    let limit = rustix::process::Rlimit { current: Some(value), maximum: Some(value) };
    let _refused = rustix::process::setrlimit(resource, limit);
}

/// Nothing to give up here; the parent's limits hold.
#[cfg(not(unix))]
pub(super) fn at_start() {}

/// Nothing to bound here; the parent's limits hold.
#[cfg(not(unix))]
pub(super) fn to_limits(_limits: &SandboxLimits) {}
