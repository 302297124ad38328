//! What an execution has used up. Shared with the allocator and the interrupt handler, so that a
//! script cannot hide from its limits by catching what they throw.

use std::cell::Cell;

/// Jobs of the queue that count like one interpreter poll.
const SMALL_WORK_PER_STEP: u64 = 1_024;

/// Counters of one execution.
#[derive(Debug)]
pub(super) struct Gauge {
    steps: Cell<u64>,
    steps_max: u64,
    small_work: Cell<u64>,
    heap_bytes: Cell<u64>,
    memory_bytes_max: u64,
    host_bytes: Cell<u64>,
    steps_passed: Cell<bool>,
    memory_passed: Cell<bool>,
}

impl Gauge {
    pub(super) fn new(steps_max: u64, memory_bytes_max: u64) -> Self {
        Self {
            steps: Cell::new(0),
            steps_max,
            small_work: Cell::new(0),
            heap_bytes: Cell::new(0),
            memory_bytes_max,
            host_bytes: Cell::new(0),
            steps_passed: Cell::new(false),
            memory_passed: Cell::new(false),
        }
    }

    /// One poll of the interpreter. Whether it must stop.
    pub(super) fn step(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > self.steps_max {
            self.steps_passed.set(true);
        }
        self.is_over()
    }

    /// Work that the interpreter does not poll for. Whether it must stop.
    pub(super) fn work(&self) -> bool {
        self.small_work.set(self.small_work.get() + 1);
        if self.small_work.get().is_multiple_of(SMALL_WORK_PER_STEP) {
            self.step();
        }
        self.is_over()
    }

    /// Polls so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Whether a limit was passed.
    pub(super) fn is_over(&self) -> bool {
        self.steps_passed.get() || self.memory_passed.get()
    }

    /// The limit that was passed, by name.
    pub(super) fn limit_passed(&self) -> Option<&'static str> {
        if self.memory_passed.get() {
            Some("memory")
        } else {
            self.steps_passed.get().then_some("steps")
        }
    }

    /// Room for `bytes` more of the script's heap.
    pub(super) fn admits_heap(&self, bytes: usize) -> bool {
        let wanted = self.heap_bytes.get() + self.host_bytes.get() + bytes as u64;
        if wanted > self.memory_bytes_max {
            self.memory_passed.set(true);
            return false;
        }
        true
    }

    pub(super) fn heap_grew(&self, bytes: usize) {
        self.heap_bytes.set(self.heap_bytes.get() + bytes as u64);
    }

    pub(super) fn heap_shrank(&self, bytes: usize) {
        self.heap_bytes.set(self.heap_bytes.get().saturating_sub(bytes as u64));
    }

    /// Memory that the host keeps because of the script: prompts, lines, timers. Counts like its
    /// heap. Whether it still fits.
    pub(super) fn keep(&self, bytes: usize) -> bool {
        let fits = self.admits_heap(bytes);
        self.host_bytes.set(self.host_bytes.get() + bytes as u64);
        fits
    }

    /// The host let go of what it kept.
    pub(super) fn release(&self, bytes: usize) {
        self.host_bytes.set(self.host_bytes.get().saturating_sub(bytes as u64));
    }
}
