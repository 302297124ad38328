//! The two promises to `QuickJS` that Rust cannot check: that bytecode is ours, and that the
//! allocator returns memory. The only place with `unsafe`.
#![allow(
    unsafe_code,
    clippy::cast_ptr_alignment,
    reason = "rquickjs marks loading bytecode and implementing an allocator as unsafe; both are \
              kept here, small, and used by the engine only"
)]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ptr;
use std::rc::Rc;

use rquickjs::allocator::Allocator;
use rquickjs::module::{Declared, Module};
use rquickjs::{Ctx, Result};

use super::gauge::Gauge;
use super::unit::Bytecode;

/// Loads a module that this process compiled.
pub(super) fn load<'js>(ctx: &Ctx<'js>, bytecode: &Bytecode) -> Result<Module<'js, Declared>> {
    // SAFETY: `Bytecode` can be made only by compiling source text in this process with this
    // QuickJS; it is never read from a file, a pipe or a caller.
    unsafe { Module::load(ctx.clone(), bytecode.bytes()) }
}

/// The heap of one execution: refuses what would pass the memory limit, and remembers that it did.
pub(super) struct Heap {
    gauge: Rc<Gauge>,
}

impl Heap {
    pub(super) fn new(gauge: Rc<Gauge>) -> Self {
        Self { gauge }
    }
}

/// In front of each block: its size. As wide as the alignment `QuickJS` needs.
const HEADER: usize = 16;

fn layout(size: usize) -> Option<Layout> {
    let whole = size.checked_add(HEADER)?;
    Layout::from_size_align(whole, HEADER).ok()
}

// SAFETY: every block is `HEADER` bytes of its size followed by at least the bytes asked for,
// aligned to 16. Sizes are taken from the header, so that `dealloc` and `realloc` rebuild the
// layout a block was made with. Null is returned where there is no room, and accepted by
// `realloc` as a new allocation.
unsafe impl Allocator for Heap {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        let Some(layout) = layout(size) else { return ptr::null_mut() };
        if !self.gauge.admits_heap(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the layout is not empty, and the block is at least a header long.
        unsafe {
            let block = alloc(layout);
            if block.is_null() {
                return block;
            }
            block.cast::<usize>().write(size);
            self.gauge.heap_grew(layout.size());
            block.add(HEADER)
        }
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        let Some(bytes) = count.checked_mul(size) else { return ptr::null_mut() };
        let block = self.alloc(bytes);
        if !block.is_null() {
            // SAFETY: the block was just made with so many bytes.
            unsafe { block.write_bytes(0, bytes) };
        }
        block
    }

    unsafe fn dealloc(&mut self, block: *mut u8) {
        if block.is_null() {
            return;
        }
        // SAFETY: the block is one of ours, so its header and with it its layout stand before it.
        unsafe {
            let start = block.sub(HEADER);
            let size = start.cast::<usize>().read();
            self.gauge.heap_shrank(size + HEADER);
            dealloc(start, Layout::from_size_align_unchecked(size + HEADER, HEADER));
        }
    }

    unsafe fn realloc(&mut self, block: *mut u8, size: usize) -> *mut u8 {
        if block.is_null() {
            return self.alloc(size);
        }
        let Some(wanted) = layout(size) else { return ptr::null_mut() };
        // SAFETY: as in `dealloc`; the new size has a valid layout too.
        unsafe {
            let start = block.sub(HEADER);
            let old = start.cast::<usize>().read();
            let growth = size.saturating_sub(old);
            if growth > 0 && !self.gauge.admits_heap(growth) {
                return ptr::null_mut();
            }
            let layout = Layout::from_size_align_unchecked(old + HEADER, HEADER);
            let moved = realloc(start, layout, wanted.size());
            if moved.is_null() {
                return moved;
            }
            moved.cast::<usize>().write(size);
            self.gauge.heap_shrank(old + HEADER);
            self.gauge.heap_grew(wanted.size());
            moved.add(HEADER)
        }
    }

    unsafe fn usable_size(block: *mut u8) -> usize {
        // SAFETY: the block is one of ours, so its header stands before it.
        unsafe { block.sub(HEADER).cast::<usize>().read() }
    }
}
