//! Reading 16-bit PCM from WAV files, those of killed programs included.

use std::fs;
use std::path::Path;

use crate::error::Error;

/// Sound as it lies in a file, one list of samples for each channel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wav {
    pub(crate) rate: u32,
    pub(crate) channels: Vec<Vec<i16>>,
}

impl Wav {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|error| Error::io(path.display(), &error))?;
        Self::parse(&bytes)
            .ok_or_else(|| Error::new(format!("{}: no WAV file of 16-bit PCM", path.display())))
    }

    /// The one channel of a mono file.
    pub(crate) fn read_mono(path: &Path) -> Result<Vec<i16>, Error> {
        let mut wav = Self::read(path)?;
        match (wav.channels.len(), wav.channels.pop()) {
            (1, Some(samples)) => Ok(samples),
            (count, _) => Err(Error::new(format!(
                "{}: {count} channels, not one",
                path.display()
            ))),
        }
    }

    /// Writes one channel at `rate`.
    pub(crate) fn write_mono(path: &Path, rate: u32, samples: &[i16]) -> Result<(), Error> {
        let data: Vec<u8> = samples
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let too_long = |_| Error::new(format!("{}: too long for a WAV file", path.display()));
        let size = u32::try_from(data.len()).map_err(too_long)?;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + size).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend(rate.to_le_bytes());
        bytes.extend((2 * rate).to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data");
        bytes.extend(size.to_le_bytes());
        bytes.extend(data);
        fs::write(path, bytes).map_err(|error| Error::io(path.display(), &error))
    }

    /// A data chunk that claims more than is there (its writer was killed) ends with the file.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes
            .strip_prefix(b"RIFF")?
            .get(4..)?
            .strip_prefix(b"WAVE")?;
        let mut format = None;
        loop {
            let (head, body) = rest.split_at_checked(8)?;
            let size =
                usize::try_from(u32::from_le_bytes(head.get(4..8)?.try_into().ok()?)).ok()?;
            let chunk = body.get(..size).unwrap_or(body);
            match head.get(..4)? {
                b"fmt " => format = Some(Format::parse(chunk)?),
                b"data" => return Some(format?.split(chunk)),
                _ => {}
            }
            rest = body.get(size + size % 2..)?;
        }
    }
}

#[derive(Clone, Copy)]
struct Format {
    channels: usize,
    rate: u32,
}

impl Format {
    fn parse(chunk: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes(chunk.get(at..at + 2)?.try_into().ok()?));
        // 1 is PCM, 0xFFFE the extensible form that wraps it.
        let pcm = matches!(word(0)?, 1 | 0xFFFE) && word(14)? == 16;
        let channels = usize::from(word(2)?);
        let rate = u32::from_le_bytes(chunk.get(4..8)?.try_into().ok()?);
        (pcm && channels > 0).then_some(Self { channels, rate })
    }

    fn split(self, data: &[u8]) -> Wav {
        let mut channels = vec![Vec::new(); self.channels];
        for frame in data.chunks_exact(2 * self.channels) {
            for (channel, sample) in channels.iter_mut().zip(frame.chunks_exact(2)) {
                channel.push(
                    sample
                        .try_into()
                        .map(i16::from_le_bytes)
                        .unwrap_or_default(),
                );
            }
        }
        Wav {
            rate: self.rate,
            channels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(claimed: u32, samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        bytes.extend(8000u32.to_le_bytes());
        bytes.extend(32000u32.to_le_bytes());
        bytes.extend(b"\x04\0\x10\0LIST\x03\0\0\0abc\0data");
        bytes.extend(claimed.to_le_bytes());
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn channels_are_told_apart_and_odd_chunks_passed() {
        let wav = Wav::parse(&file(8, &[1, -1, 2, -2])).expect("a WAV file");
        assert_eq!(
            wav,
            Wav {
                rate: 8000,
                channels: vec![vec![1, 2], vec![-1, -2]]
            }
        );
    }

    #[test]
    fn a_chunk_that_claims_too_much_ends_with_the_file() {
        let wav = Wav::parse(&file(u32::MAX, &[1, -1, 2])).expect("a WAV file");
        assert_eq!(wav.channels, [vec![1], vec![-1]]);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let path = std::env::temp_dir().join(format!("interop-{}.wav", std::process::id()));
        Wav::write_mono(&path, 8000, &[3, -4, 5]).expect("written");
        let read = Wav::read_mono(&path);
        let _ = fs::remove_file(&path);
        assert_eq!(read.expect("read"), [3, -4, 5]);
    }

    #[test]
    fn what_is_no_wav_is_refused() {
        assert_eq!(Wav::parse(b"RIFF"), None);
        assert_eq!(Wav::parse(&file(0, &[])[..40]), None);
    }
}
