//! The sound that is not in the file yet, in its place in time.

use super::Layout;

/// Two tracks from the end of the file on.
pub(super) struct Timeline {
    layout: Layout,
    /// Samples of a track that are in the file.
    flushed: u64,
    tracks: [Vec<i16>; 2],
}

impl Timeline {
    pub(super) const fn new(layout: Layout) -> Self {
        Self {
            layout,
            flushed: 0,
            tracks: [Vec::new(), Vec::new()],
        }
    }

    /// Puts `samples` at sample `at` of `track`; says how many came too late. A gap before them is silence.
    pub(super) fn put(&mut self, track: usize, at: u64, samples: &[i16]) -> usize {
        let late = self.flushed.saturating_sub(at);
        let late = usize::try_from(late)
            .unwrap_or(usize::MAX)
            .min(samples.len());
        let samples = &samples[late..];
        let Some(track) = self.tracks.get_mut(track) else {
            return late;
        };
        if !samples.is_empty() {
            let start = (at.max(self.flushed) - self.flushed) as usize;
            let end = start + samples.len();
            if track.len() < end {
                track.resize(end, 0);
            }
            track[start..end].copy_from_slice(samples);
        }
        late
    }

    /// Where the longer track ends.
    pub(super) fn end(&self) -> u64 {
        let longer = self.tracks.iter().map(Vec::len).max().unwrap_or(0);
        self.flushed + longer as u64
    }

    pub(super) const fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Takes up to `most` samples of each track, up to sample `until`, as they stand in the file; silence where a track has
    /// none.
    pub(super) fn take(&mut self, until: u64, most: usize, out: &mut Vec<u8>) {
        out.clear();
        let n = until.saturating_sub(self.flushed);
        let n = usize::try_from(n).unwrap_or(usize::MAX).min(most);
        let [left, right] = &self.tracks;
        for place in 0..n {
            let at = |track: &[i16]| track.get(place).copied().unwrap_or(0);
            let (left, right) = (at(left), at(right));
            match self.layout {
                Layout::Tracks => {
                    out.extend(left.to_le_bytes());
                    out.extend(right.to_le_bytes());
                }
                Layout::Mixed => out.extend(left.saturating_add(right).to_le_bytes()),
            }
        }
        for track in &mut self.tracks {
            track.drain(..n.min(track.len()));
        }
        self.flushed += n as u64;
    }
}
