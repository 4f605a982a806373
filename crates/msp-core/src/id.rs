//! Names of things: keys that the two halves of a call share, and the numbers that RTP gives.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One line that calls are made from and reach; unique in a process.
    AddressId(u32)
}
number! {
    /// One call, shared by its media half and its signalling half; never used twice in a process.
    CallKey(u64)
}
number! {
    /// One branch of a forked call: each answer from another peer is a leg of its own.
    LegId(u32)
}
number! {
    /// The round of offer and answer that a message belongs to, counted up for each offer.
    Generation(u32)
}
number! {
    /// One stream of a call.
    StreamId(u32)
}
number! {
    /// One terminal; unique in a process.
    TerminalId(u64)
}
number! {
    /// The synchronisation source of an RTP stream (RFC 3550 section 3).
    Ssrc(u32)
}
number! {
    /// An RTP payload type, 0 to 127 (RFC 3550 section 5.1).
    PayloadType(u8)
}

impl LegId {
    /// The leg of a call that does not fork: the one the offer was made on.
    pub const FIRST: Self = Self(0);
}

impl Generation {
    /// The generation that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A 16-bit RTP sequence number, compared and counted modulo 2^16 (RFC 3550 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number `n` further on.
    #[must_use]
    pub const fn wrapping_add(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// How far this lies after `earlier`, from -32,768 to 32,767; negative if it lies before.
    pub const fn distance_from(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap() {
        let a = SequenceNumber(65_535);
        assert_eq!(a.wrapping_add(1), SequenceNumber(0));
        assert_eq!(SequenceNumber(0).distance_from(a), 1);
        assert_eq!(a.distance_from(SequenceNumber(0)), -1);
    }
}
