//! What is kept of each source: roll-overs, and which packets were there.

use msp_core::id::Ssrc;
use msp_core::stats::DropReason;

/// Sources of the peer that are kept; the one that was silent for longest goes when another comes. Only authentic packets
/// bring one in.
pub(super) const MAX_RECEIVED: usize = 64;
/// Sources of ours under one key. Another would have to forget what was sent under the first.
pub(super) const MAX_SENT: usize = 16;

/// How many numbers back a packet may come (RFC 3711 section 3.3.2 wants at least 64).
const WINDOW: u64 = 128;
/// One turn of the sequence number.
const TURN: u64 = 1 << 16;

/// Which packets were there: the highest number, and those of the last 128 below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// One more than the highest number; 0 before the first.
    next: u64,
    /// Bit `n`: the packet `n` below the highest was there.
    seen: u128,
    /// The numbers are those of a former key: the peer may have begun anew.
    carried: bool,
}

impl Window {
    /// One more than the highest number that was there; 0 before the first.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// A window after `next` numbers, of which none may come again.
    pub const fn after(next: u64) -> Self {
        Self {
            next,
            seen: u128::MAX,
            carried: false,
        }
    }

    /// Whether a packet of `index` is new.
    pub(super) const fn admits(&self, index: u64) -> bool {
        if index >= self.next || self.carried {
            return true;
        }
        let behind = self.next - 1 - index;
        behind < WINDOW && self.seen & (1 << behind) == 0
    }

    /// A packet of `index` was there.
    pub(super) const fn mark(&mut self, index: u64) {
        if self.carried {
            *self = Self {
                next: index,
                seen: 0,
                carried: false,
            };
        }
        if index >= self.next {
            let ahead = index - self.next + 1;
            self.seen = if ahead < WINDOW {
                self.seen << ahead
            } else {
                0
            };
            self.seen |= 1;
            self.next = index + 1;
        } else if self.next - 1 - index < WINDOW {
            self.seen |= 1 << (self.next - 1 - index);
        }
    }

    /// The index nearest to the highest (RFC 3711 section 3.3.1).
    pub(super) const fn likeliest(&self, sequence: u16) -> u64 {
        let Some(highest) = self.next.checked_sub(1) else {
            return sequence as u64;
        };
        let same = (highest & !(TURN - 1)) | sequence as u64;
        if same > highest && same - highest > TURN / 2 && same >= TURN {
            same - TURN
        } else if same < highest && highest - same > TURN / 2 {
            same + TURN
        } else {
            same
        }
    }

    /// The indices that `sequence` can stand for, the likeliest first.
    pub(super) fn candidates(&self, sequence: u16) -> [Option<u64>; 4] {
        let likeliest = self.likeliest(sequence);
        let first_turn = u64::from(sequence);
        [
            Some(likeliest),
            // After a long silence, or when we did not hear the beginning.
            Some(likeliest + TURN),
            likeliest.checked_sub(TURN),
            (self.carried && first_turn + TURN < likeliest).then_some(first_turn),
        ]
    }

    /// The same numbers under another key, of which nothing was there yet.
    const fn carried(self) -> Self {
        Self {
            carried: self.next != 0,
            ..self
        }
    }
}

/// What is kept of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SourceState {
    /// The source.
    pub ssrc: Ssrc,
    /// Its media, by roll-overs and sequence number.
    pub media: Window,
    /// Its reports, by their index.
    pub reports: Window,
}

/// What is kept of one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectionState {
    /// Tells whether two states are of one master key; nothing of the key can be learned from it.
    key_check: u64,
    /// The sources, the last one first.
    sources: Vec<SourceState>,
    room: usize,
}

impl DirectionState {
    pub(super) fn new(key_check: u64, room: usize) -> Self {
        Self {
            key_check,
            sources: Vec::with_capacity(room),
            room,
        }
    }

    /// The sources, the one that was heard last first.
    pub fn sources(&self) -> &[SourceState] {
        &self.sources
    }

    /// What is known of `ssrc`.
    pub(super) fn find(&self, ssrc: Ssrc) -> SourceState {
        let known = self.sources.iter().find(|s| s.ssrc == ssrc);
        known.copied().unwrap_or_else(|| SourceState {
            ssrc,
            ..SourceState::default()
        })
    }

    /// The state of `ssrc`, of which an authentic packet came.
    pub(super) fn touch(&mut self, ssrc: Ssrc) -> &mut SourceState {
        let known = self.sources.iter().position(|s| s.ssrc == ssrc);
        let at = known.unwrap_or_else(|| {
            if self.sources.len() >= self.room {
                self.sources.pop();
            }
            self.sources.push(self.find(ssrc));
            self.sources.len() - 1
        });
        if let Some(before) = self.sources.get_mut(..=at) {
            before.rotate_right(1);
        }
        // There is one: it was found or put there.
        &mut self.sources[0]
    }

    /// The state of a source of ours.
    pub(super) fn sending(&mut self, ssrc: Ssrc) -> Result<&mut SourceState, DropReason> {
        if self.sources.len() >= self.room && !self.sources.iter().any(|s| s.ssrc == ssrc) {
            return Err(DropReason::SendFailed);
        }
        Ok(self.touch(ssrc))
    }

    /// Goes on after `before`. Under another key the roll-overs stay (RFC 3711 section 3.3.1), and nothing was there yet.
    pub(super) fn resume(&mut self, before: &Self) {
        let same = before.key_check == self.key_check;
        self.sources.clear();
        let kept = before.sources.iter().take(self.room);
        self.sources.extend(kept.map(|source| match same {
            true => *source,
            false => SourceState {
                ssrc: source.ssrc,
                media: source.media.carried(),
                reports: source.reports.carried(),
            },
        }));
    }
}
