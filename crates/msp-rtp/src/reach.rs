//! What memory the next packet and the next frame of a session will touch.
//!
//! With thousands of sessions each is cold when its turn comes, and waiting for memory takes longer than the work. Who
//! knows whose turn comes next can have it fetched. Where a thing lies is written in what leads to it, so it is told
//! stage by stage: each finds its memory only if that of the stage before is there by then.

use std::ops::Range;

/// How far from the [`Transport`](crate::transport::Transport) memory is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// The list of the legs.
    Legs,
    /// The session that is heard.
    Session,
    /// What the session points to.
    Parts,
    /// What its parts point to.
    Buffers,
    /// The payload that is decoded next.
    Payload,
}

/// Tells address and length in bytes of memory that will be touched.
///
/// The addresses are only told, never read.
#[derive(Debug)]
pub(crate) struct Tell<F>(pub(crate) F);

impl<F: FnMut(*const u8, usize)> Tell<F> {
    pub(crate) fn value<T: ?Sized>(&mut self, value: &T) {
        (self.0)(std::ptr::from_ref(value).cast(), size_of_val(value));
    }

    /// Tells the octets `part` of `value`.
    pub(crate) fn part<T>(&mut self, value: &T, part: Range<usize>) {
        let start: *const u8 = std::ptr::from_ref(value).cast();
        (self.0)(start.wrapping_add(part.start), part.len());
    }
}
