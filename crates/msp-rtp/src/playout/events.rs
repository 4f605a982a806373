//! Places in the stream that carry no sound of their own.

/// Telephone events in the stream: no sound is missing where they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    /// Places of the last events, bit 0 being `newest`.
    places: u128,
    newest: i64,
    /// Position up to which an event is known to last.
    pub(super) until: Option<i64>,
}

impl Events {
    pub(super) fn note(&mut self, place: i64) {
        if place > self.newest {
            let by = u32::try_from(place - self.newest).unwrap_or(u32::MAX);
            self.places = self.places.checked_shl(by).unwrap_or(0);
            self.newest = place;
        }
        if let Ok(back @ 0..128) = u32::try_from(self.newest - place) {
            self.places |= 1 << back;
        }
    }

    /// Whether events fill all places between two.
    pub(super) fn fill(&self, after: i64, before: i64) -> bool {
        before - after <= 128
            && (after + 1..before).all(|place| {
                let back = u32::try_from(self.newest - place);
                matches!(back, Ok(back @ 0..128) if self.places & (1 << back) != 0)
            })
    }
}
