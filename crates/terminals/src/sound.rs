//! Sound files as one channel of 16 bits, whatever they hold.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::time::ClockRate;
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO,
};
use symphonia::core::errors::Error as Fault;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use crate::convert::Converter;

/// Packets without a sample that may follow each other before a file is given up.
const EMPTY_PACKETS: u32 = 1_000;

/// A header that promises this many bytes was written before the length was known.
const UNKNOWN_LENGTH: u64 = 0x7fff_0000;

/// Damaged files have made readers and decoders panic. What panicked is not used again.
const PANICKED: &str = "is damaged in a way that its reader does not survive";

/// What a sound file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SoundInfo {
    /// Samples a second of one channel.
    pub rate: ClockRate,
    /// Channels; they are played as their mean.
    pub channels: usize,
    /// The codec's name.
    pub codec: &'static str,
    /// Samples of one channel, as its header says or as its size lets guess.
    pub length: Option<u64>,
}

impl SoundInfo {
    /// Opens `path` and says what is in it.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] for a file that cannot be read or has no sound, [`ErrorKind::NoFormat`] for one of an
    /// unknown format or codec.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Ok(SoundFile::open(path.as_ref())?.info)
    }

    /// How long it plays, if that is known.
    pub fn duration(&self) -> Option<Duration> {
        self.length.map(|n| self.rate.duration(n))
    }
}

/// The whole of a sound file as one channel at `rate`: exactly what a [`FilePlay`](crate::FilePlay) gives on a stream of that
/// rate. A file that ends earlier than its header says, or breaks off, gives what is there.
///
/// # Errors
/// As [`SoundInfo::read`], and [`ErrorKind::NoFormat`] for a rate that cannot be converted.
pub fn read_mono(path: impl AsRef<Path>, rate: ClockRate) -> Result<Vec<i16>> {
    let mut feed = Feed::open(path.as_ref(), rate, Duration::ZERO)?;
    let mut samples = Vec::new();
    while let Ok(true) = feed.next(&mut samples) {}
    Ok(samples)
}

/// A sound file that is being decoded.
pub(crate) struct SoundFile {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    info: SoundInfo,
    /// Whether `info.length` is a promise of the header, not a guess.
    promised: bool,
    /// What was decoded last, channels interleaved, and their mean.
    interleaved: Vec<f32>,
    block: Vec<i16>,
    /// Whether `block` was not given out yet.
    waiting: bool,
    decoded: u64,
}

impl SoundFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| unreadable(path, reason(&e)))?;
        if metadata.is_dir() {
            return Err(unreadable(path, "is a directory"));
        }
        // A pipe would hold the caller until somebody writes to it.
        if !metadata.is_file() {
            return Err(unreadable(path, "is no regular file"));
        }
        if metadata.len() == 0 {
            return Err(unreadable(path, "is empty"));
        }
        let file = File::open(path).map_err(|e| unreadable(path, reason(&e)))?;
        Self::of(path, Box::new(file))
    }

    /// A sound file that is in memory.
    pub(crate) fn in_memory(bytes: Arc<[u8]>) -> Result<Self> {
        let name = format!("{} bytes", bytes.len());
        Self::of(Path::new(&name), Box::new(io::Cursor::new(bytes)))
    }

    /// What is in it.
    pub(crate) const fn info(&self) -> &SoundInfo {
        &self.info
    }

    /// The sound of `source`; `path` names it in errors, and its extension may tell the format.
    fn of(path: &Path, source: Box<dyn MediaSource>) -> Result<Self> {
        let stream = MediaSourceStream::new(source, Default::default());
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
            hint.with_extension(extension);
        }
        let probe = || {
            symphonia::default::get_probe().probe(
                &hint,
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )
        };
        let format = catch_unwind(AssertUnwindSafe(probe))
            .map_err(|_| unreadable(path, PANICKED))?
            .map_err(|e| unplayable(path, format_args!("no sound file of a known format ({e})")))?;
        let track = format
            .default_track(TrackType::Audio)
            .ok_or_else(|| unplayable(path, format_args!("has no sound track")))?;
        let Some(parameters) = audio(track) else {
            return Err(unplayable(path, format_args!("has no sound track")));
        };
        let decoder = decoder(parameters)
            .map_err(|e| unplayable(path, format_args!("its codec is not known ({e})")))?;
        let (track, length) = (track.id, track.num_frames);
        let container = format.format_info().short_name;
        let bits = u64::from(parameters.bits_per_coded_sample.unwrap_or(16));
        let mut sound = Self {
            path: path.to_owned(),
            info: SoundInfo {
                rate: ClockRate::HZ_8000,
                channels: 1,
                codec: decoder.codec_info().short_name,
                length,
            },
            format,
            decoder,
            track,
            promised: ["wave", "aiff", "caf", "flac"].contains(&container),
            interleaved: Vec::new(),
            block: Vec::new(),
            waiting: false,
            decoded: 0,
        };
        // What a decoder gives is the truth; a header may be silent about it, or wrong.
        let Some((rate, channels)) = sound.decode()? else {
            return Err(unreadable(path, "holds no sound"));
        };
        (sound.info.rate, sound.info.channels) = (rate, channels);
        let bytes = length.map(|n| n.saturating_mul(channels as u64).saturating_mul(bits) / 8);
        if bytes.is_some_and(|n| n >= UNKNOWN_LENGTH) {
            (sound.info.length, sound.promised) = (None, false);
        }
        sound.waiting = true;
        Ok(sound)
    }

    /// The next samples, at the rate of the file; none at its end.
    ///
    /// An error comes after everything that could be read; nothing follows it.
    pub(crate) fn next(&mut self) -> Result<Option<&[i16]>> {
        if std::mem::take(&mut self.waiting) {
            return Ok(Some(&self.block));
        }
        match self.decode()? {
            Some((rate, _)) if rate != self.info.rate => Err(unreadable(
                &self.path,
                format_args!("its rate changes to {rate:?}"),
            )),
            Some(_) => Ok(Some(&self.block)),
            None => match self.info.length {
                Some(length) if self.promised && self.decoded < length => {
                    Err(self.truncated(length))
                }
                _ => Ok(None),
            },
        }
    }

    /// Leaves out `n` samples; says false if there are not more than that. Decoding them is exact for every format, which
    /// seeking is not.
    fn skip(&mut self, mut n: u64) -> Result<bool> {
        while n > 0 {
            let Some(block) = self.next()? else {
                return Ok(false);
            };
            let len = block.len() as u64;
            if n < len {
                self.block.drain(..n as usize);
                self.waiting = true;
            }
            n = n.saturating_sub(len);
        }
        Ok(true)
    }

    /// Decodes into `block` until there is at least one sample. Nothing may follow an error.
    fn decode(&mut self) -> Result<Option<(ClockRate, usize)>> {
        catch_unwind(AssertUnwindSafe(|| self.decode_next()))
            .unwrap_or_else(|_| Err(unreadable(&self.path, PANICKED)))
    }

    fn decode_next(&mut self) -> Result<Option<(ClockRate, usize)>> {
        let mut empty = 0;
        while empty < EMPTY_PACKETS {
            empty += 1;
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(Fault::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(None);
                }
                Err(Fault::ResetRequired) => {
                    self.follow_change()?;
                    continue;
                }
                Err(Fault::IoError(e)) => return Err(unreadable(&self.path, reason(&e))),
                Err(e) => return Err(unreadable(&self.path, e)),
            };
            if packet.track_id != self.track {
                // Pictures beside the sound are no sign of a broken file.
                empty = 0;
                continue;
            }
            let sound = match self.decoder.decode(&packet) {
                Ok(sound) => sound,
                // This packet is damaged; the next may be sound again.
                Err(Fault::DecodeError(_) | Fault::IoError(_)) => continue,
                Err(Fault::ResetRequired) => {
                    self.decoder.reset();
                    continue;
                }
                Err(e) => return Err(unreadable(&self.path, e)),
            };
            let channels = sound.num_planes();
            let Some(rate) = ClockRate::new(sound.spec().rate()) else {
                continue;
            };
            if sound.frames() == 0 || channels == 0 {
                continue;
            }
            sound.copy_to_vec_interleaved(&mut self.interleaved);
            self.block.clear();
            self.block
                .extend(self.interleaved.chunks_exact(channels).map(mean));
            self.decoded += self.block.len() as u64;
            return Ok(Some((rate, channels)));
        }
        Err(unreadable(&self.path, "no sound can be decoded"))
    }

    /// Another track follows in the same file, as chained Ogg streams do.
    fn follow_change(&mut self) -> Result<()> {
        let track = self.format.default_track(TrackType::Audio);
        let Some((id, parameters)) = track.and_then(|t| Some((t.id, audio(t)?))) else {
            return Err(unreadable(&self.path, "its sound track ends"));
        };
        self.decoder = decoder(parameters).map_err(|e| unreadable(&self.path, e))?;
        self.track = id;
        self.promised = false;
        Ok(())
    }

    fn truncated(&self, length: u64) -> Error {
        let (there, said) = (
            self.info.rate.duration(self.decoded),
            self.info.rate.duration(length),
        );
        unreadable(
            &self.path,
            format_args!("ends after {there:.2?} of the {said:.2?} that its header promises"),
        )
    }
}

/// A sound file from a place on, at the rate of a stream.
pub(crate) struct Feed {
    file: SoundFile,
    converter: Converter,
    ended: bool,
}

impl Feed {
    pub(crate) fn open(path: &Path, rate: ClockRate, start: Duration) -> Result<Self> {
        Self::of(SoundFile::open(path)?, rate, start)
    }

    pub(crate) fn of(mut file: SoundFile, rate: ClockRate, start: Duration) -> Result<Self> {
        let from = file.info.rate;
        let converter = Converter::new(from, rate)
            .map_err(|e| unplayable(&file.path, format_args!("its rate of {from:?} ({e})")))?;
        if !file.skip(from.ticks(start))? {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{}: it ends before {start:?}", file.path.display()),
            ));
        }
        Ok(Self {
            file,
            converter,
            ended: false,
        })
    }

    /// Adds the next samples to `out`; says false once everything was given.
    ///
    /// An error comes after everything that could be read; nothing follows it.
    pub(crate) fn next(&mut self, out: &mut Vec<i16>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        match self.file.next() {
            Ok(Some(block)) => self.converter.push(block, out),
            end => {
                self.ended = true;
                self.converter.finish(out);
                end?;
            }
        }
        Ok(true)
    }
}

fn audio(track: &Track) -> Option<&AudioCodecParameters> {
    let parameters = track.codec_params.as_ref()?.audio()?;
    (parameters.codec != CODEC_ID_NULL_AUDIO).then_some(parameters)
}

fn decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, Fault> {
    symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())
}

/// Exact for one channel of 16 bits: the scale is a power of two.
fn mean(channels: &[f32]) -> i16 {
    let sum: f32 = channels.iter().sum();
    (sum / channels.len() as f32 * 32_768.0).round() as i16
}

/// The system's words without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn unreadable(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Device, format!("{}: {why}", path.display()))
}

fn unplayable(path: &Path, why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::NoFormat, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests;
