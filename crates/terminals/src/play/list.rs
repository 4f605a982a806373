//! What a player plays one after the other.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::time::ClockRate;
use msp_dsp::{Burst, Cadence, CadenceGenerator};

use crate::sound::{Feed, SoundFile};
use crate::tone;

/// Samples that silence and tones are made in.
const PIECE: usize = 800;

/// One piece of a playlist.
#[derive(Clone, PartialEq)]
pub enum PlayItem {
    /// A sound file.
    File(PathBuf),
    /// A sound file that is in memory, of any format that a file may have.
    Memory(Arc<[u8]>),
    /// Nothing, for so long.
    Silence(Duration),
    /// Bursts again and again, for so long.
    Tone(Box<[Burst]>, Duration),
}

impl PlayItem {
    /// Checks that it can be played; how long it is, if that is known.
    pub(super) fn check(&self) -> Result<Option<Duration>> {
        match self {
            Self::File(path) => Ok(SoundFile::open(path)?.info().duration()),
            Self::Memory(bytes) => Ok(SoundFile::in_memory(bytes.clone())?.info().duration()),
            Self::Silence(length) => Ok(Some(*length)),
            Self::Tone(bursts, length) => tone::check(bursts).map(|()| Some(*length)),
        }
    }

    fn open(&self, rate: ClockRate, start: Duration) -> Result<Piece> {
        let sound = |file| Ok(Piece::Sound(Box::new(Feed::of(file, rate, start)?)));
        match self {
            Self::File(path) => sound(SoundFile::open(path)?),
            Self::Memory(bytes) => sound(SoundFile::in_memory(bytes.clone())?),
            Self::Silence(length) => Ok(Piece::Silence(rate.ticks(*length))),
            Self::Tone(bursts, length) => {
                let endless = Cadence {
                    bursts,
                    times: None,
                };
                let generator = CadenceGenerator::new(rate, endless)
                    .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
                Ok(Piece::Tone(generator, rate.ticks(*length)))
            }
        }
    }
}

impl fmt::Debug for PlayItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Memory(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Silence(length) => write!(f, "silence of {length:?}"),
            Self::Tone(_, length) => write!(f, "tone of {length:?}"),
        }
    }
}

enum Piece {
    Sound(Box<Feed>),
    /// Samples that are left.
    Silence(u64),
    Tone(CadenceGenerator, u64),
}

/// A playlist that is being read, as one sound at the rate of a stream.
pub(super) struct Chain {
    items: Arc<[PlayItem]>,
    rate: ClockRate,
    piece: Piece,
    /// The item after the present one.
    next: usize,
}

impl Chain {
    /// The sound of `items`, the first from `start` on if it is a file.
    pub(super) fn open(items: &Arc<[PlayItem]>, rate: ClockRate, start: Duration) -> Result<Self> {
        let piece = match items.first() {
            Some(first) => first.open(rate, start)?,
            None => Piece::Silence(0),
        };
        Ok(Self {
            items: items.clone(),
            rate,
            piece,
            next: 1,
        })
    }

    /// Adds the next samples to `out`; says false once everything was given.
    ///
    /// An error comes after everything that could be read; nothing follows it.
    pub(super) fn next(&mut self, out: &mut Vec<i16>) -> Result<bool> {
        let more = match &mut self.piece {
            Piece::Sound(feed) => feed.next(out)?,
            Piece::Silence(left) => {
                let len = out.len() + part(left);
                let more = len > out.len();
                out.resize(len, 0);
                more
            }
            Piece::Tone(generator, left) => {
                let from = out.len();
                out.resize(from + part(left), 0);
                generator.fill(&mut out[from..]);
                out.len() > from
            }
        };
        if more {
            return Ok(true);
        }
        let Some(item) = self.items.get(self.next) else {
            return Ok(false);
        };
        self.next += 1;
        self.piece = item.open(self.rate, Duration::ZERO)?;
        Ok(true)
    }
}

/// Takes the next piece from what is left; how many samples it has.
fn part(left: &mut u64) -> usize {
    let len = usize::try_from(*left).map_or(PIECE, |l| l.min(PIECE));
    *left -= len as u64;
    len
}
