//! What an m-line keeps for as long as the call lives: its place, and what its payload types have meant.

use msp_core::id::PayloadType;
use msp_core::params::{MediaParams, PayloadMapping};

use crate::line::Media;
use crate::payload::free_numbers;
use crate::remote::RemoteSession;

/// What is remembered of an m-line for as long as the call lives.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) media: Media,
    /// What the numbers under which we receive have meant so far: they must not change (RFC 3264 section 8.3.2).
    numbers: Vec<PayloadMapping>,
    /// The same of the peer's: to keep clear of them lets either end answer under the other's numbers.
    peer_numbers: Vec<PayloadMapping>,
}

/// The m-lines of a round, each with what its numbers have meant before and mean now.
pub(crate) fn remember(
    before: &[Place],
    lines: Vec<Media>,
    params: &[MediaParams],
    session: &RemoteSession,
) -> Vec<Place> {
    let count = lines.len().max(before.len());
    let mut lines = lines.into_iter();
    let mut places = Vec::with_capacity(count);
    for i in 0..count {
        let old = before.get(i);
        let Some(media) = lines.next().or_else(|| old.map(|p| p.media.clone())) else {
            break;
        };
        let mut place = Place {
            media,
            numbers: old.map(|p| p.numbers.clone()).unwrap_or_default(),
            peer_numbers: old.map(|p| p.peer_numbers.clone()).unwrap_or_default(),
        };
        for p in params.iter().filter(|p| usize::from(p.slot.0) == i) {
            learn(&mut place.numbers, &p.receive);
        }
        if let Some(theirs) = session.media.get(i).and_then(|m| m.params.as_ref()) {
            learn(&mut place.peer_numbers, &theirs.send);
        }
        places.push(place);
    }
    places
}

/// Adds what `mappings` say, over what their numbers meant before.
fn learn(numbers: &mut Vec<PayloadMapping>, mappings: &[PayloadMapping]) {
    for mapping in mappings {
        numbers.retain(|n| n.payload_type != mapping.payload_type);
        numbers.push(mapping.clone());
    }
}

impl Place {
    /// `wanted` under the numbers that the same encodings had before, else those that the peer gives them; new
    /// encodings keep their number if it never meant anything else.
    pub(crate) fn renumber(&self, wanted: &[PayloadMapping]) -> Vec<PayloadMapping> {
        let known = || self.numbers.iter().rev().chain(&self.peer_numbers);
        let means_another = |number, mapping: &PayloadMapping| {
            known().any(|k| k.payload_type == number && !k.codec.matches(&mapping.codec))
        };
        let mut numbers: Vec<Option<PayloadType>> = Vec::with_capacity(wanted.len());
        for mapping in wanted {
            let before = known().find(|k| {
                k.codec.matches(&mapping.codec)
                    && !numbers.contains(&Some(k.payload_type))
                    && !self.numbers.iter().any(|n| {
                        n.payload_type == k.payload_type && !n.codec.matches(&mapping.codec)
                    })
            });
            numbers.push(before.map(|k| k.payload_type));
        }
        for (i, mapping) in wanted.iter().enumerate() {
            let own = mapping.payload_type;
            let free =
                |n: &PayloadType| !numbers.contains(&Some(*n)) && !means_another(*n, mapping);
            let number = Some(own).filter(free).or_else(|| {
                free_numbers().find(|n| free(n) && !wanted.iter().any(|w| w.payload_type == *n))
            });
            if let Some(slot @ None) = numbers.get_mut(i) {
                *slot = number;
            }
        }
        // Sixty-odd free numbers outlast the formats that an m= line may have.
        wanted
            .iter()
            .zip(numbers)
            .filter_map(|(mapping, number)| {
                Some(PayloadMapping {
                    payload_type: number?,
                    ..mapping.clone()
                })
            })
            .collect()
    }
}
