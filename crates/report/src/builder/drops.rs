//! What went no further, and why, in words.

use msp_core::stats::{DropCounts, DropReason};
use msp_core::trace::TraceBody;

use super::Scene;
use crate::model::Dropped;

pub(super) fn build(scene: &Scene<'_>) -> Vec<Dropped> {
    let mut out = Vec::new();
    for end in &scene.ends {
        let mut traced = DropCounts::default();
        for entry in &end.phone.entries {
            if let TraceBody::Media {
                dropped: Some(reason),
                ..
            } = entry.body
            {
                traced.count(reason);
            }
        }
        let counted = end
            .media
            .stats
            .last()
            .map(|(_, s)| s.drops)
            .unwrap_or_default();
        for reason in DropReason::ALL {
            // Not all that is counted is traced, and what comes after the last count is traced only.
            let count = traced.get(reason).max(counted.get(reason));
            if count > 0 {
                out.push(Dropped {
                    phone: end.phone.name.clone(),
                    reason: reason.name(),
                    why: why(reason),
                    count,
                });
            }
        }
    }
    out
}

const fn why(reason: DropReason) -> &'static str {
    match reason {
        DropReason::NotMedia => "neither RTP nor RTCP, nor anything else that the port speaks",
        DropReason::Truncated => "shorter than its header claims",
        DropReason::BadVersion => "not RTP version 2",
        DropReason::BadHeader => "sources, extension or padding run over its end",
        DropReason::UnknownPayloadType => "its payload type was not agreed",
        DropReason::WrongSource => "from another address than the one media are taken from",
        DropReason::NotPermitted => "the agreement let nothing in at that time",
        DropReason::HoldFull => "came before the agreement, and the hold for such was full",
        DropReason::Probation => "its source had not sent two packets in sequence yet",
        DropReason::SequenceJump => "its number lies too far from the others of its source",
        DropReason::Duplicate => "it had come before",
        DropReason::Late => "its time to be played was over",
        DropReason::BufferFull => "the playout buffer had no room",
        DropReason::BadPayload => "its payload is none of its codec",
        DropReason::BadEvent => "a telephone event that breaks RFC 4733",
        DropReason::BadReport => "a report that breaks RFC 3550",
        DropReason::NotAuthentic => "not authentic",
        DropReason::Replayed => "authentic, but it had come before",
        DropReason::TooBig => "bigger than a receive buffer",
        DropReason::OverLimit => "more than a source may send, or too many sources",
        DropReason::SystemOverflow => "the system\u{2019}s receive buffer was full",
        DropReason::SendLate => "the sound was made too late to be sent",
        DropReason::SendFailed => "the system would not send it",
        _ => "see the documentation of this reason",
    }
}
