//! One end of a call as evidence: its trace, its recording, and the sound that it was to play.

use msp_codecs::{CodecError, CodecFactory, round_trip};
use msp_core::time::ClockRate;
use msp_core::trace::TraceEntry;

use crate::media::Media;
use crate::opened;
use crate::verdict::timeline::Extent;

/// What a listener hears of a sound over a perfect network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sound {
    pub(crate) samples: Vec<i16>,
    pub(crate) silence: i16,
    pub(crate) rate: ClockRate,
}

impl Sound {
    /// `pcm`, which is at the sample rate of `codec`, encoded and decoded offline.
    ///
    /// # Errors
    /// Those of the codec.
    pub fn through(codec: &dyn CodecFactory, pcm: &[i16]) -> Result<Self, CodecError> {
        // What a codec makes of silence need not be zero: A-law has none.
        let silence = round_trip(codec, &[0; 160])?.last().copied().unwrap_or(0);
        Ok(Self {
            samples: round_trip(codec, pcm)?,
            silence,
            rate: codec.info().sample_rate,
        })
    }

    /// The sample at `index`; before the beginning and after the end there is silence.
    pub(crate) fn at(&self, index: i64) -> i16 {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.samples.get(i))
            .copied()
            .unwrap_or(self.silence)
    }
}

/// What was recorded of the sound that a phone received, on one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The samples.
    pub samples: Vec<i16>,
    /// Samples a second: those of the codec, else nothing can be compared one to one.
    pub rate: ClockRate,
    /// The position of the first sample as playout counts (see
    /// [`PlayoutSegment::position`](msp_core::trace::PlayoutSegment::position)); negative if it was recorded before the
    /// stream was made.
    pub position: i64,
}

/// One end of a call.
#[derive(Clone, Debug)]
pub struct Phone {
    pub(crate) name: String,
    pub(crate) entries: Vec<TraceEntry>,
    pub(crate) recording: Option<Recording>,
    pub(crate) plays: Option<Sound>,
    pub(crate) captured: Option<Vec<i16>>,
    pub(crate) is_cut: bool,
}

impl Phone {
    /// The phone called `name`, and what its trace holds of the call, in the order of time. Encrypted media are opened with
    /// the keys of the trace: reports are about sound.
    pub fn new(name: &str, mut entries: Vec<TraceEntry>) -> Self {
        entries.sort_by_key(|e| e.at);
        opened::open(&mut entries);
        Self {
            name: name.to_owned(),
            entries,
            recording: None,
            plays: None,
            captured: None,
            is_cut: false,
        }
    }

    /// With what it recorded of the sound that it received.
    #[must_use]
    pub fn recorded(self, recording: Recording) -> Self {
        Self {
            recording: Some(recording),
            ..self
        }
    }

    /// With the sound that it was to send.
    #[must_use]
    pub fn plays(self, sound: Sound) -> Self {
        Self {
            plays: Some(sound),
            ..self
        }
    }
    /// With what it recorded of the sound that its terminals gave to be sent, on one channel.
    #[must_use]
    pub fn captured(self, samples: Vec<i16>) -> Self {
        Self {
            captured: Some(samples),
            ..self
        }
    }

    /// Its trace or its recording had no room for the whole call: only the part that is there is judged.
    #[must_use]
    pub fn cut(self) -> Self {
        Self {
            is_cut: true,
            ..self
        }
    }
    /// Which part of what it played was recorded and can be judged.
    pub(crate) fn extent(&self, media: &Media<'_>) -> Option<Extent> {
        let recording = self.recording.as_ref()?;
        let mut len = recording.samples.len();
        if self.is_cut {
            // The rest of the recording has no log to be judged by.
            let logged = media.played().saturating_sub(recording.position);
            len = len.min(usize::try_from(logged).unwrap_or(usize::MAX));
        }
        Some(Extent {
            position: recording.position,
            len,
            rate: recording.rate,
        })
    }
}
