//! Asking for memory before it is needed.

/// Bytes that the processor fetches at once.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Has the processor fetch `length` bytes at `start`, if it has nothing better to do. Nothing is read.
#[cfg(target_arch = "x86_64")]
pub(crate) fn prefetch_bytes(start: *const u8, length: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    for offset in (0..length).step_by(LINE) {
        // SAFETY: a prefetch is a hint: it neither reads nor faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset).cast()) };
    }
}

/// Does nothing: on this processor there is no such hint to give.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn prefetch_bytes(_start: *const u8, _length: usize) {}

/// Has the processor fetch `value`.
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    prefetch_bytes(std::ptr::from_ref(value).cast(), size_of_val(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_may_be_asked_for() {
        prefetch(&[1u8; 1000]);
        prefetch_bytes(std::ptr::null(), 4096);
        prefetch_bytes(usize::MAX as *const u8, 4096);
    }
}
