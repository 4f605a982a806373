//! A writer of WAV files whose header is right whenever the process ends.

use std::io::{self, ErrorKind, Seek, SeekFrom, Write};

const HEADER: u32 = 44;

/// Bytes of sound that a file of 32-bit lengths can hold.
pub(super) const MOST: u32 = u32::MAX - HEADER;

/// Writes linear sound of 16 bits.
///
/// Sound is written behind what the header claims; [`WavWriter::commit`] then claims it. So whatever happens the header
/// never claims more than is there.
pub(super) struct WavWriter<W> {
    out: W,
    rate: u32,
    channels: u16,
    /// Bytes of sound in the file, and how many of them the header claims.
    written: u32,
    claimed: u32,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins an empty file.
    pub(super) fn new(out: W, rate: u32, channels: u16) -> io::Result<Self> {
        let mut writer = Self {
            out,
            rate,
            channels,
            written: 0,
            claimed: 0,
        };
        writer.claim()?;
        Ok(writer)
    }

    /// Sets the rate of a file that is still empty.
    pub(super) fn set_rate(&mut self, rate: u32) -> io::Result<()> {
        debug_assert_eq!(self.written, 0, "sound has a rate");
        self.rate = rate;
        self.claim()
    }

    /// Adds sound, as much as fits in the file.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.out.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n as u32;
                    bytes = &bytes[n..];
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Makes the header claim what was written.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        let block = u32::from(self.channels) * 2;
        let whole = self.written - self.written % block;
        if whole == self.claimed {
            return Ok(());
        }
        self.out.flush()?;
        self.claimed = whole;
        self.claim()
    }

    /// Bytes of sound that still fit.
    pub(super) const fn room(&self) -> u32 {
        MOST - self.written
    }

    /// Sound that the header claims, in samples of one channel.
    pub(super) fn frames(&self) -> u64 {
        u64::from(self.claimed / (u32::from(self.channels) * 2))
    }

    fn claim(&mut self) -> io::Result<()> {
        // One write, so that a reader or the end of the process sees the old header or the new one.
        let header = header(self.rate, self.channels, self.claimed);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)?;
        self.out.flush()?;
        let end = u64::from(HEADER) + u64::from(self.written);
        self.out.seek(SeekFrom::Start(end))?;
        Ok(())
    }
}

fn header(rate: u32, channels: u16, data: u32) -> [u8; HEADER as usize] {
    let block = channels * 2;
    let mut header = [0; HEADER as usize];
    let mut fields = header.chunks_exact_mut(4);
    for field in [
        *b"RIFF",
        (data + HEADER - 8).to_le_bytes(),
        *b"WAVE",
        *b"fmt ",
        16_u32.to_le_bytes(),
        pair(1, channels),
        rate.to_le_bytes(),
        (rate * u32::from(block)).to_le_bytes(),
        pair(block, 16),
        *b"data",
        data.to_le_bytes(),
    ] {
        if let Some(place) = fields.next() {
            place.copy_from_slice(&field);
        }
    }
    header
}

fn pair(low: u16, high: u16) -> [u8; 4] {
    (u32::from(high) << 16 | u32::from(low)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::testing::{Full, noise, wav};

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_le_bytes()).collect()
    }

    #[test]
    fn the_file_is_right_after_each_commit() {
        let sound = noise(400);
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, 8_000, 2).unwrap();
        writer.set_rate(16_000).unwrap();
        writer.write(&bytes(&sound[..100])).unwrap();
        writer.commit().unwrap();
        writer.write(&bytes(&sound[100..])).unwrap();
        assert_eq!(writer.frames(), 50);
        let mut early = writer.out.get_ref().clone();
        early.truncate(44 + 200);
        assert_eq!(early, wav(16_000, 2, &sound[..100]));
        writer.commit().unwrap();
        assert_eq!(*file.get_ref(), wav(16_000, 2, &sound));
    }

    #[test]
    fn a_full_disk_leaves_a_right_file() {
        let sound = noise(200);
        for room in 0..400 {
            let mut file = Full::new(44 + room);
            let mut writer = WavWriter::new(&mut file, 8_000, 2).unwrap();
            assert!(writer.write(&bytes(&sound)).is_err());
            writer.commit().unwrap();
            let samples = room / 4 * 2;
            file.bytes.truncate(44 + 2 * samples);
            assert_eq!(file.bytes, wav(8_000, 2, &sound[..samples]));
        }
    }
}
