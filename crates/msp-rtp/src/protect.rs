//! Where packets are encrypted and checked, in place.

use std::ops::Range;

use msp_core::stats::DropReason;

use crate::srtp::SrtpState;

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
    /// [`DropReason::NotAuthentic`] or [`DropReason::Replayed`]; [`DropReason::Truncated`], [`DropReason::BadVersion`] or
    /// [`DropReason::BadHeader`] for what cannot be a packet.
    fn unprotect(&mut self, component: Component, packet: &mut [u8]) -> Result<usize, DropReason>;

    /// Closes the packet that lies at `packet` in `buffer`, with [`TAILROOM`](crate::packet::TAILROOM) behind it, and
    /// returns where it lies then.
    ///
    /// # Errors
    /// [`DropReason::SendFailed`] when a key has been used up, or the same number was sent under it before.
    fn protect(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Range<usize>, DropReason>;

    /// What has to be known to go on with the same keys or others; none if there is nothing to know.
    fn state(&self) -> Option<&SrtpState> {
        None
    }

    /// Goes on from `state`, which another one had. Takes no memory.
    fn resume(&mut self, state: &SrtpState) {
        let _ = state;
    }
}
