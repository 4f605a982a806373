//! Packets that should have come.

use std::collections::BTreeMap;

use msp_core::id::SequenceNumber;
use msp_core::stats::DropReason;
use msp_core::time::Instant;

use crate::media::Packet;

/// A jump of a sequence number by more than this is a new beginning, not a loss (RFC 3550 appendix A.1).
const DROPOUT: i64 = 3000;

/// A packet that should have come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// When it came, or should have.
    pub(crate) at: Instant,
    pub(crate) came: bool,
    pub(crate) late: bool,
    pub(crate) transit: Option<i64>,
}

/// Whether a packet is of the stream, whatever became of it.
pub(crate) const fn belongs(packet: &Packet<'_>) -> bool {
    matches!(
        packet.dropped,
        None | Some(
            DropReason::Late
                | DropReason::Duplicate
                | DropReason::BufferFull
                | DropReason::Probation
                | DropReason::HoldFull
                | DropReason::BadPayload
                | DropReason::BadEvent
        )
    )
}

/// Every packet that should have come by the sequence numbers of those that came, in their order: for where the sender is
/// not known.
pub(crate) fn by_number(received: &[Packet<'_>]) -> Vec<Due> {
    // The place of each packet by its source and its number, numbers counted on beyond 16 bits.
    let mut numbered: BTreeMap<(usize, i64), Due> = BTreeMap::new();
    let mut sources: Vec<(u32, i64)> = Vec::new();
    let mut run = 0;
    for packet in received.iter().filter(|p| belongs(p)) {
        let (ssrc, sequence) = (packet.rtp.ssrc().0, packet.rtp.sequence());
        let last = sources
            .last()
            .filter(|(s, _)| *s == ssrc)
            .map(|(_, last)| *last);
        let number = match last {
            Some(last) => {
                let step = i64::from(sequence.distance_from(SequenceNumber(last as u16)));
                if step.abs() > DROPOUT {
                    run += 1;
                }
                last + step
            }
            None => {
                run += 1;
                i64::from(sequence.0)
            }
        };
        match sources.last_mut().filter(|(s, _)| *s == ssrc) {
            Some(source) => source.1 = source.1.max(number),
            None => sources.push((ssrc, number)),
        }
        let due = Due {
            at: packet.at,
            came: true,
            late: packet.dropped == Some(DropReason::Late),
            transit: None,
        };
        numbered.entry((run, number)).or_insert(due);
    }
    let mut all = Vec::with_capacity(numbered.len());
    let mut last: Option<(usize, i64)> = None;
    for ((run, number), due) in numbered {
        if let Some((_, previous)) = last.filter(|(r, _)| *r == run) {
            let missing = (number - previous - 1).clamp(0, DROPOUT);
            let gone = Due {
                came: false,
                late: false,
                ..due
            };
            all.extend((0..missing).map(|_| gone));
        }
        all.push(due);
        last = Some((run, number));
    }
    all
}
