//! Numbers about streams: what was sent, received, dropped and played, each with its reason.

use std::time::Duration;

/// Why a datagram or a packet went no further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum DropReason {
    /// Neither RTP nor RTCP, nor anything else that this port speaks (RFC 7983).
    NotMedia,
    /// Shorter than its header claims.
    Truncated,
    /// Not RTP version 2.
    BadVersion,
    /// Contributing sources, extension or padding run over the end.
    BadHeader,
    /// A payload type that was not agreed.
    UnknownPayloadType,
    /// From an address other than the one that media are taken from.
    WrongSource,
    /// Came while the agreement lets nothing in.
    NotPermitted,
    /// Came before anything was agreed, and the hold for such was full.
    HoldFull,
    /// Its source has not sent two packets in sequence yet (RFC 3550 appendix A.1).
    Probation,
    /// Its number jumps too far from the others of its source (RFC 3550 appendix A.1).
    SequenceJump,
    /// There before.
    Duplicate,
    /// Its time to be played is over.
    Late,
    /// The playout buffer has no room.
    BufferFull,
    /// The payload is none of its codec.
    BadPayload,
    /// A telephone event that breaks RFC 4733.
    BadEvent,
    /// A report that breaks RFC 3550.
    BadReport,
    /// Not authentic.
    NotAuthentic,
    /// Authentic, but there before.
    Replayed,
    /// Bigger than a receive buffer.
    TooBig,
    /// More than a source may send, or more sources than a stream may have.
    OverLimit,
    /// The system dropped it before we saw it: its receive buffer was full.
    SystemOverflow,
    /// The sound was produced too late to be sent.
    SendLate,
    /// The system would not send it.
    SendFailed,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 23] = [
        Self::NotMedia,
        Self::Truncated,
        Self::BadVersion,
        Self::BadHeader,
        Self::UnknownPayloadType,
        Self::WrongSource,
        Self::NotPermitted,
        Self::HoldFull,
        Self::Probation,
        Self::SequenceJump,
        Self::Duplicate,
        Self::Late,
        Self::BufferFull,
        Self::BadPayload,
        Self::BadEvent,
        Self::BadReport,
        Self::NotAuthentic,
        Self::Replayed,
        Self::TooBig,
        Self::OverLimit,
        Self::SystemOverflow,
        Self::SendLate,
        Self::SendFailed,
    ];

    /// A stable name for counters and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotMedia => "not_media",
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadHeader => "bad_header",
            Self::UnknownPayloadType => "unknown_payload_type",
            Self::WrongSource => "wrong_source",
            Self::NotPermitted => "not_permitted",
            Self::HoldFull => "hold_full",
            Self::Probation => "probation",
            Self::SequenceJump => "sequence_jump",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::BufferFull => "buffer_full",
            Self::BadPayload => "bad_payload",
            Self::BadEvent => "bad_event",
            Self::BadReport => "bad_report",
            Self::NotAuthentic => "not_authentic",
            Self::Replayed => "replayed",
            Self::TooBig => "too_big",
            Self::OverLimit => "over_limit",
            Self::SystemOverflow => "system_overflow",
            Self::SendLate => "send_late",
            Self::SendFailed => "send_failed",
        }
    }
}

/// A counter for each [`DropReason`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DropCounts([u64; DropReason::ALL.len()]);

impl DropCounts {
    /// Counts one.
    pub fn count(&mut self, reason: DropReason) {
        self.add(reason, 1);
    }

    /// Counts `n`.
    pub fn add(&mut self, reason: DropReason, n: u64) {
        if let Some(slot) = self.0.get_mut(reason as usize) {
            *slot = slot.saturating_add(n);
        }
    }

    /// How many were dropped for `reason`.
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many were dropped in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .map(|r| (r, self.get(r)))
            .filter(|(_, n)| *n > 0)
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (reason, n) in other.iter() {
            self.add(reason, n);
        }
    }
}

/// What was sent on a stream pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SendStats {
    /// RTP packets.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
    /// RTCP packets.
    pub reports: u64,
    /// Packets that only keep the path open.
    pub keep_alives: u64,
    /// Lost on the way as the peer reports it, in all.
    pub remote_lost: i64,
    /// Jitter as the peer reports it.
    pub remote_jitter: Duration,
    /// Round trip, measured with the peer's reports (RFC 3550 section 6.4.1).
    pub round_trip: Option<Duration>,
}

/// What was received on a stream pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceiveStats {
    /// RTP packets that were taken, of all sources.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
    /// RTCP packets.
    pub reports: u64,
    /// Packets expected by the sequence numbers of the present source (RFC 3550 appendix A.3).
    pub expected: u64,
    /// Expected minus received; negative when packets came twice (RFC 3550 appendix A.3).
    pub lost: i64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Interarrival jitter (RFC 3550 appendix A.8).
    pub jitter: Duration,
    /// The biggest jitter that was seen.
    pub jitter_max: Duration,
    /// Sources that were heard one after another.
    pub sources: u64,
    /// Telephone events that ended.
    pub digits: u64,
}

/// What playout did with received sound, in samples of the stream's rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PlayoutStats {
    /// Decoded and played as they came.
    pub normal: u64,
    /// Made up for what was missing: the sum of the three that follow.
    pub concealed: u64,
    /// Made up for packets that did not come, though later ones did.
    pub concealed_lost: u64,
    /// Made up for packets that came after their time.
    pub concealed_late: u64,
    /// Made up while nothing at all was there to be played.
    pub concealed_underrun: u64,
    /// Played otherwise than sent: stretched, compressed, or blended into what was made up.
    pub warped: u64,
    /// Of the warped, those that are part of more samples than were sent.
    pub stretched: u64,
    /// Of the warped, those that are part of fewer samples than were sent.
    pub compressed: u64,
    /// Comfort noise as the peer asked.
    pub comfort: u64,
    /// Silence because nothing had come yet, or the stream stood still.
    pub silence: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that were taken but not played.
    pub discarded: u64,
    /// The present depth of the buffer.
    pub depth: Duration,
    /// How long packets wait that take the shortest way, where that is measured.
    pub delay: Duration,
    /// The delay that is aimed at.
    pub target: Duration,
}

/// Everything counted on one stream pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamStats {
    /// What was sent.
    pub sent: SendStats,
    /// What was received.
    pub received: ReceiveStats,
    /// What was played.
    pub playout: PlayoutStats,
    /// What went no further, and why.
    pub drops: DropCounts,
    /// The level of what is sent in dB relative to full scale, at present.
    pub sent_level: Level,
    /// The level of what is played in dB relative to full scale, at present.
    pub played_level: Level,
}

/// A level in tenths of a decibel below full scale: 0 is full scale, bigger is softer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Level(pub u16);

impl Level {
    /// Digital silence.
    pub const SILENCE: Self = Self(1270);

    /// Decibels relative to full scale, never positive.
    pub fn dbfs(self) -> f32 {
        -f32::from(self.0) / 10.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_name() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
        let mut counts = DropCounts::default();
        for (n, reason) in DropReason::ALL.into_iter().enumerate() {
            counts.add(reason, n as u64 + 1);
        }
        for (n, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(counts.get(reason), n as u64 + 1, "{}", reason.name());
        }
        assert_eq!(counts.total(), (1..=DropReason::ALL.len() as u64).sum());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
    }
}
