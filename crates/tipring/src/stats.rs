//! What a phone counts.

use std::sync::atomic::{AtomicU64, Ordering};

use tsp_sip::net::SignallingStats;

/// What a phone took, refused and dropped since it was opened. What its calls' media counted is in
/// [`Call::stats`](crate::Call::stats).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct PhoneStats {
    /// What the SIP half counted.
    pub signalling: SignallingStats,
    /// Calls that came in and were refused with 503 because no media half could be made for them.
    pub without_media: u64,
    /// Calls that came in, were not taken with [`Phone::next_call`](crate::Phone::next_call), and left its queue for newer
    /// ones. They can still be taken by their events.
    pub unclaimed: u64,
}

/// The counters of the facade itself.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    without_media: AtomicU64,
    unclaimed: AtomicU64,
}

impl Counters {
    pub(crate) fn count_without_media(&self) {
        self.without_media.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unclaimed(&self) {
        self.unclaimed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn with(&self, signalling: SignallingStats) -> PhoneStats {
        PhoneStats {
            signalling,
            without_media: self.without_media.load(Ordering::Relaxed),
            unclaimed: self.unclaimed.load(Ordering::Relaxed),
        }
    }
}
