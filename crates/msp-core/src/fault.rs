//! Faults that tests put into the product, to see that what should notice does.
//!
//! Without the feature `faults` nothing of this is compiled into the product: [`is_on`] is a constant.

/// A fault that can be switched on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum Fault {
    /// No RTP packet leaves.
    LoseEveryPacket,
    /// The two ends play each other's file.
    SwapFiles,
    /// One frame in the middle of a call is cut out of what is played, and no log names it.
    CutOneFrame,
    /// Everything is played 300 ms later than playout says.
    ShiftPlayout,
    /// What is sent is 20 dB softer than its source.
    SoftenBy20Db,
    /// The answering end sends silence.
    MuteAnswerer,
    /// A-law is decoded as if it were µ-law.
    ReadALawAsMuLaw,
    /// A stranger's packets pass the latch.
    OpenLatch,
    /// Closed streams keep their ports.
    KeepPorts,
    /// The playout buffer does not reorder.
    IgnoreOrder,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 10] = [
        Self::LoseEveryPacket,
        Self::SwapFiles,
        Self::CutOneFrame,
        Self::ShiftPlayout,
        Self::SoftenBy20Db,
        Self::MuteAnswerer,
        Self::ReadALawAsMuLaw,
        Self::OpenLatch,
        Self::KeepPorts,
        Self::IgnoreOrder,
    ];

    /// The name by which a test run switches it on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoseEveryPacket => "lose-every-packet",
            Self::SwapFiles => "swap-files",
            Self::CutOneFrame => "cut-one-frame",
            Self::ShiftPlayout => "shift-playout",
            Self::SoftenBy20Db => "soften-by-20-db",
            Self::MuteAnswerer => "mute-answerer",
            Self::ReadALawAsMuLaw => "read-a-law-as-mu-law",
            Self::OpenLatch => "open-latch",
            Self::KeepPorts => "keep-ports",
            Self::IgnoreOrder => "ignore-order",
        }
    }

    /// The fault of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
}

#[cfg(feature = "faults")]
mod switch {
    use super::Fault;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ON: AtomicU32 = AtomicU32::new(0);

    /// Whether `fault` is switched on.
    pub fn is_on(fault: Fault) -> bool {
        ON.load(Ordering::Relaxed) & (1 << fault as u8) != 0
    }

    /// Switches `fault` on or off for the whole process.
    pub fn set(fault: Fault, on: bool) {
        if on {
            ON.fetch_or(1 << fault as u8, Ordering::Relaxed);
        } else {
            ON.fetch_and(!(1 << fault as u8), Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "faults")]
pub use switch::{is_on, set};

/// Whether `fault` is switched on: never, in this build.
#[cfg(not(feature = "faults"))]
pub const fn is_on(_fault: Fault) -> bool {
    false
}
