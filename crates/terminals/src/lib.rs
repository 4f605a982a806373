//! Terminals: file player and recorder, application, bridge, mixer, detector, digits, tones, echo, null.
//!
//! Each of them is a [`Terminal`](msp_core::terminal::Terminal). Their media sides never block and allocate nothing: files
//! are read and written by threads of their own, and the application's sound waits in rings of bounded length.
#![forbid(unsafe_code)]

mod app;
mod bridge;
mod convert;
mod detector;
mod digits;
mod echo;
mod edge;
mod mixer;
mod null;
mod options;
mod pipe;
mod play;
mod record;
mod sound;
#[cfg(test)]
mod testing;
mod tone;

use std::sync::Arc;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::media::{Direction, MediaKinds};
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalRegistry};
use msp_core::terminal::{Pulled, StreamPort, TerminalClass};
use msp_core::time::ClockRate;

pub use app::{AppFactory, AppOptions, AppSink, AppSource};
pub use bridge::{Bridge, BridgeFactory};
pub use detector::{Detector, DetectorFactory, DetectorOptions, TellDigit};
pub use digits::{DigitTones, DigitTonesFactory, MAX_TONES};
pub use echo::{Echo, EchoFactory};
pub use mixer::{Mixer, MixerFactory, MixerMember, Voice};
pub use msp_dsp::{Burst, Country, DtmfShape, Partial, ProgressTone, ToneSpec};
pub use null::{Null, NullFactory};
pub use play::{FilePlay, FilePlayFactory, PlayItem, PlayOptions};
pub use record::{FileRecord, FileRecordFactory, IfExists, Layout, RecordOptions, Recorded};
pub use sound::{SoundInfo, read_mono};
pub use tone::{Tone, ToneFactory};

/// Adds all classes of this crate.
///
/// # Errors
/// [`ErrorKind::InvalidTerminalClass`] if one of them is there already.
pub fn register_all(registry: &TerminalRegistry) -> Result<()> {
    let factories: [Arc<dyn TerminalFactory>; 10] = [
        Arc::new(FilePlayFactory),
        Arc::new(FileRecordFactory),
        Arc::new(AppFactory),
        Arc::new(BridgeFactory),
        Arc::new(DetectorFactory),
        Arc::new(DigitTonesFactory),
        Arc::new(EchoFactory),
        Arc::<MixerFactory>::default(),
        Arc::new(NullFactory),
        Arc::new(ToneFactory),
    ];
    factories.into_iter().try_for_each(|f| registry.register(f))
}

/// What cannot be made or heard at this rate cannot at any.
const HIGHEST: ClockRate = ClockRate::new(192_000).unwrap();

/// The superclass of the classes of files.
static FILE: TerminalClass = TerminalClass::new("file");

fn class_info(
    class: &TerminalClass,
    superclass: &TerminalClass,
    direction: Direction,
) -> TerminalClassInfo {
    TerminalClassInfo {
        class: class.clone(),
        superclass: superclass.clone(),
        vendor: "tipring".into(),
        kinds: MediaKinds::AUDIO,
        direction,
    }
}

/// The rate of a port, which has to be of one channel.
fn mono(port: &StreamPort, name: &str) -> Result<ClockRate> {
    match port.format.channels {
        1 => Ok(port.format.rate),
        n => Err(Error::new(
            ErrorKind::NoFormat,
            format!("{name}: {n} channels"),
        )),
    }
}

/// Says of a frame that its first `done` samples are sound, and makes the rest silence.
fn filled(frame: &mut [i16], done: usize) -> Pulled {
    let len = frame.len();
    frame[done..].fill(0);
    match done {
        0 => Pulled::Nothing,
        n if n == len => Pulled::Sound,
        n => Pulled::Partial(n),
    }
}
