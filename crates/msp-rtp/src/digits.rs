//! Digits and other telephone events as packets of their own (RFC 4733).

mod receive;
mod send;

pub use receive::{DigitPress, DigitReceiver, DigitReceiverState, EventHeard, HeldDigit};
pub use send::{DigitSender, DigitTiming, EventPacket, MAX_WAITING};

/// The four bytes of an event (RFC 4733 section 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EventPayload {
    /// What happens: 0 to 15 are the keys of a telephone.
    pub event: u8,
    /// This packet tells the end.
    pub end: bool,
    /// Power of the tone in dB below 1 mW, 0 to 63.
    pub volume: u8,
    /// How long it lasts so far, in ticks of the timestamp.
    pub duration: u16,
}

impl EventPayload {
    /// Reads the first event of a payload; `None` if it is too short. What follows is ignored: RFC 4733 knows one event
    /// a packet, its predecessor several.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low, ..] = payload else {
            return None;
        };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The four bytes.
    pub fn bytes(self) -> [u8; 4] {
        let [high, low] = self.duration.to_be_bytes();
        let flags = u8::from(self.end) << 7 | (self.volume & 0x3f);
        [self.event, flags, high, low]
    }
}

#[cfg(test)]
mod tests;
