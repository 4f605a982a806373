//! Kinds and directions of media.

use std::fmt;

/// What a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Real-time text.
    Text,
}

impl MediaKind {
    const ALL: [Self; 3] = [Self::Audio, Self::Video, Self::Text];

    const fn bit(self) -> u8 {
        match self {
            Self::Audio => 1,
            Self::Video => 2,
            Self::Text => 4,
        }
    }
}

/// A set of [`MediaKind`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MediaKinds(u8);

impl MediaKinds {
    /// No kind at all.
    pub const NONE: Self = Self(0);
    /// Sound alone.
    pub const AUDIO: Self = Self(MediaKind::Audio.bit());

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: MediaKind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: MediaKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether every kind of this set is in `other` too.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether the set has no kind.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds of the set, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = MediaKind> {
        MediaKind::ALL
            .into_iter()
            .filter(move |k| self.contains(*k))
    }
}

impl fmt::Debug for MediaKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Which way a stream or a terminal carries media, seen from the local machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Media that originate here and are sent (a microphone, a file that plays).
    Capture,
    /// Media that were received and end here (a loudspeaker, a recording).
    Render,
    /// Both: only terminals are so, never a stream.
    Bidirectional,
}

impl Direction {
    /// Whether a terminal of this direction can serve a stream of direction `stream`.
    pub fn serves(self, stream: Self) -> bool {
        self == Self::Bidirectional || self == stream
    }
}

/// What the two ends of a stream pair agreed on, seen from here (RFC 3264 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MediaDirection {
    /// We send and receive.
    #[default]
    SendRecv,
    /// We only send.
    SendOnly,
    /// We only receive.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl MediaDirection {
    /// The direction of which the two ways are given.
    pub const fn new(send: bool, receive: bool) -> Self {
        match (send, receive) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether we may send.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether we may receive.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// Whether a stream of `direction` may flow under this agreement.
    pub const fn permits(self, direction: Direction) -> bool {
        match direction {
            Direction::Capture => self.sends(),
            Direction::Render => self.receives(),
            Direction::Bidirectional => self.sends() && self.receives(),
        }
    }

    /// The same agreement seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both this and `other` allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }
}

/// What kind of sound a stream carries: TAPI's media mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum MediaClass {
    /// Nothing, or background noise that does not change.
    #[default]
    Silence,
    /// A voice. Music, several tones at once and whatever else is none of the others count as one.
    Voice,
    /// A fax machine calls: CNG, 1,100 Hz for half a second every three and a half (ITU-T T.30).
    FaxCalling,
    /// A fax machine or a modem answers with 2,100 Hz.
    Answering(AnswerTone),
    /// A text telephone: Baudot's code at 1,400 and 1,800 Hz (ITU-T V.18 annex A, TIA-825).
    TextTelephone,
    /// A single tone of 400 to 2,000 Hz after a voice: an answering machine wants to be spoken to. A busy tone of one
    /// frequency after a voice is the same for the ear and for this.
    Beep,
    /// A single tone of 400 to 2,000 Hz that is none of the others.
    Tone,
}

impl MediaClass {
    /// Whether data are in the sound, or about to be: then nothing may be stretched, left out or made up.
    pub const fn is_data(self) -> bool {
        matches!(
            self,
            Self::FaxCalling | Self::Answering(_) | Self::TextTelephone
        )
    }
}

/// What an answer of 2,100 Hz says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AnswerTone {
    /// Its phase turns over every 450 ms: a modem wants echo cancellers off (ANS with reversals, ITU-T V.25).
    pub reversals: bool,
    /// It swings by a fifth 15 times a second: a modem of ITU-T V.8 (ANSam), also fax machines of V.34.
    pub modulated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_reverse_and_intersect() {
        use MediaDirection::*;
        assert_eq!(SendOnly.reversed(), RecvOnly);
        assert_eq!(SendRecv.and(RecvOnly), RecvOnly);
        assert_eq!(SendOnly.and(RecvOnly), Inactive);
        assert!(SendOnly.permits(Direction::Capture) && !SendOnly.permits(Direction::Render));
    }

    #[test]
    fn kinds_are_a_set() {
        let av = MediaKinds::AUDIO.with(MediaKind::Video);
        assert!(MediaKinds::AUDIO.is_subset(av) && !av.is_subset(MediaKinds::AUDIO));
        assert_eq!(
            av.iter().collect::<Vec<_>>(),
            [MediaKind::Audio, MediaKind::Video]
        );
    }
}
