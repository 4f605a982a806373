//! What the tests of this crate share.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};

use msp_core::error::Error;
use msp_core::event::{EventKind, FileState};
use msp_core::id::{CallKey, StreamId};
use msp_core::media::Direction;
use msp_core::terminal::{AudioFormat, FrameTime, StreamPort, TerminalEvents};
use msp_core::time::{ClockRate, Instant};

/// A state that a terminal reported, with its error.
pub(crate) type Seen = (FileState, Option<Error>);

/// A frame's time, for terminals that do not look at it.
pub(crate) const TIME: FrameTime = FrameTime {
    at: Instant::ZERO,
    position: 0,
};

/// A place on a stream, and what is reported there.
pub(crate) fn port(direction: Direction, hz: u32) -> (StreamPort, Receiver<Seen>) {
    let (sender, receiver) = channel();
    let events = TerminalEvents::new(move |kind, _, error| {
        if let EventKind::File(state) = kind {
            // A terminal may outlive the one who listens.
            let _ = sender.send((state, error));
        }
    });
    let port = StreamPort {
        call: CallKey(1),
        stream: StreamId(1),
        direction,
        format: AudioFormat::mono(ClockRate::new(hz).unwrap()),
        events,
    };
    (port, receiver)
}

/// A folder of its own that is removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("msp-terminals-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Samples of all values.
pub(crate) fn noise(len: usize) -> Vec<i16> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A sound file, written without the writer of this crate.
pub(crate) fn wav(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data = (samples.len() * 2) as u32;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    out.extend(channels.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend((rate * u32::from(channels) * 2).to_le_bytes());
    out.extend((channels * 2).to_le_bytes());
    out.extend(b"\x10\0data");
    out.extend(data.to_le_bytes());
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    out
}

/// A disk with room for so many bytes.
pub(crate) struct Full {
    pub(crate) bytes: Vec<u8>,
    room: usize,
    at: usize,
}

impl Full {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            bytes: Vec::new(),
            room,
            at: 0,
        }
    }
}

impl Write for Full {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = data.len().min(self.room - self.at);
        if n == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = self.at + n;
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[self.at..end].copy_from_slice(&data[..n]);
        self.at = end;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.at = at as usize;
        Ok(at)
    }
}
