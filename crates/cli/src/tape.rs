//! A recording of a call, read back.

use std::path::Path;

use tipring::terminals::FileRecord;
use tipring_report::Recording;

use crate::exit::{Fail, Failure};

/// Both tracks of a recording.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    /// What was given to be sent; nothing if no frame of it was ever recorded.
    pub(crate) sent: Option<Vec<i16>>,
    /// What was heard; nothing if no frame of it was ever recorded.
    pub(crate) heard: Option<Recording>,
    /// The call was longer than what was read.
    pub(crate) is_cut: bool,
}

impl Tape {
    /// Reads up to `most` samples of each track of `file`, which was recorded to `path` and is finished now.
    pub(crate) fn read(file: &FileRecord, path: &Path, most: usize) -> Result<Self, Fail> {
        let recorded = file.finish()?;
        let fail = |e: hound::Error| Fail::new(Failure::Media, format!("{}: {e}", path.display()));
        let mut wav = hound::WavReader::open(path).map_err(fail)?;
        let (mut sent, mut heard) = (Vec::new(), Vec::new());
        let mut samples = wav.samples::<i16>();
        while sent.len() < most
            && let (Some(left), Some(right)) = (samples.next(), samples.next())
        {
            sent.push(left.map_err(fail)?);
            heard.push(right.map_err(fail)?);
        }
        let [sent_origin, heard_origin] = recorded.origins;
        Ok(Self {
            is_cut: heard.len() >= most,
            sent: sent_origin.map(|_| sent),
            heard: heard_origin.map(|position| Recording {
                samples: heard,
                rate: recorded.length.rate,
                position,
            }),
        })
    }
}
