//! Where packets are encrypted and checked, in place.

use std::ops::Range;

use msp_core::stats::DropReason;

/// Which of the two kinds of packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Component {
    /// RTP.
    Media,
    /// RTCP.
    Report,
}

/// Secures the packets of one transport in place. A session without one is plain.
///
/// What passes [`unprotect`](Self::unprotect) is authentic: only it may move the latch, be counted or played.
pub trait Protect: Send {
    /// Checks and opens `packet` in place, and returns its length without tag and index.
    ///
    /// # Errors
    /// [`DropReason::NotAuthentic`] or [`DropReason::Replayed`].
    fn unprotect(&mut self, component: Component, packet: &mut [u8]) -> Result<usize, DropReason>;

    /// Closes the packet that lies at `packet` in `buffer`, with [`TAILROOM`](crate::packet::TAILROOM) behind it, and
    /// returns where it lies then.
    ///
    /// # Errors
    /// [`DropReason::SendFailed`] when a key has been used up.
    fn protect(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Range<usize>, DropReason>;
}
