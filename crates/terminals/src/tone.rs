//! The terminal that gives tones.

use std::sync::Arc;
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind, GenerationEnd};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    TerminalEvents, next_terminal_id,
};
use msp_dsp::{Burst, Cadence, CadenceGenerator, Country, Partial, ProgressTone};

use crate::{HIGHEST, mono, options};

static CLASS: TerminalClass = TerminalClass::TONE;

/// Gives a tone to any number of capture streams, to each from its beginning: class `tone`. A tone that ends is told as
/// [`EventKind::Generated`] on each stream.
#[derive(Debug)]
pub struct Tone {
    id: TerminalId,
    controls: Arc<AudioControls>,
    name: String,
    bursts: Box<[Burst]>,
    times: Option<u32>,
    length: Option<Duration>,
}

impl Tone {
    /// A sine of `hz` at a level of `dbfs` (0 is full scale), without end.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a frequency or a level that cannot be made at any rate.
    pub fn new(hz: f32, dbfs: f32) -> Result<Arc<Self>> {
        Self::sine(hz, dbfs, None)
    }

    fn sine(hz: f32, dbfs: f32, length: Option<Duration>) -> Result<Arc<Self>> {
        let silent = Partial { hz: 0.0, dbfs: 0.0 };
        let sine = Burst {
            partials: [Partial { hz, dbfs }, silent, silent],
            on: Duration::MAX,
            off: Duration::ZERO,
        };
        if hz <= 0.0 {
            let what = format!("a sine of {hz} Hz");
            return Err(Error::new(ErrorKind::InvalidArgument, what));
        }
        Self::cadence(format!("{hz} Hz at {dbfs} dBFS"), &[sine], None, length)
    }

    /// A tone that tells how a call goes, as it sounds in `country`, for `length` or as long as it has itself.
    ///
    /// # Errors
    /// None that can be expected: the tones of all countries can be made.
    pub fn progress(
        tone: ProgressTone,
        country: Country,
        length: Option<Duration>,
    ) -> Result<Arc<Self>> {
        let cadence = tone.cadence(country);
        let name = format!("{tone:?} of {country:?}");
        Self::cadence(name, cadence.bursts, cadence.times, length)
    }

    /// Bursts one after the other, `times` times or without end, for `length` at most; `name` is for people.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for no burst, or a frequency or a level that cannot be made at any rate.
    pub fn cadence(
        name: impl Into<String>,
        bursts: &[Burst],
        times: Option<u32>,
        length: Option<Duration>,
    ) -> Result<Arc<Self>> {
        check(bursts)?;
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            name: name.into(),
            bursts: bursts.into(),
            times,
            length,
        }))
    }
}

/// Checks that `bursts` can be made.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for no burst, or a frequency or a level that cannot be made at any rate.
pub(crate) fn check(bursts: &[Burst]) -> Result<()> {
    let invalid = |what: String| Error::new(ErrorKind::InvalidArgument, what);
    if bursts.is_empty() {
        return Err(invalid("a tone of no burst".to_owned()));
    }
    let once = Cadence {
        bursts,
        times: Some(1),
    };
    let made = CadenceGenerator::new(HIGHEST, once);
    made.map(drop).map_err(|e| invalid(e.to_string()))
}

impl Terminal for Tone {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn class(&self) -> &TerminalClass {
        &CLASS
    }

    fn direction(&self) -> Direction {
        Direction::Capture
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Capture {
            return Err(Error::new(ErrorKind::InvalidDirection, &*self.name));
        }
        let cadence = Cadence {
            bursts: &self.bursts,
            times: self.times,
        };
        let rate = mono(&port, &self.name)?;
        let generator = CadenceGenerator::new(rate, cadence)
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        Ok(Connection::Source(Box::new(Mouth {
            generator,
            left: self.length.map(|l| rate.ticks(l)),
            events: port.events,
            told: false,
        })))
    }
}

struct Mouth {
    generator: CadenceGenerator,
    /// Samples until it ends, if it is to end.
    left: Option<u64>,
    events: TerminalEvents,
    /// Its end was told.
    told: bool,
}

impl FrameSource for Mouth {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        let most = self.left.map_or(frame.len(), |left| {
            frame.len().min(usize::try_from(left).unwrap_or(usize::MAX))
        });
        let done = self.generator.fill(&mut frame[..most]);
        if let Some(left) = &mut self.left {
            *left -= done as u64;
        }
        if done < frame.len() && !self.told {
            self.told = true;
            let kind = EventKind::Generated(GenerationEnd::Done);
            self.events.emit(kind, Cause::LocalRequest, None);
        }
        crate::filled(frame, done)
    }
}

/// Makes [`Tone`]s: a sine of the options `hz` (1004 if not given) and `dbfs` (-10 if not given), or with the option `tone`
/// (`dial`, `ringback`, `busy`, `congestion`, `waiting`, `information`, `beep`, `recording`, `billing`) that of the option
/// `country` (a code of ISO 3166-1, `EU` if not given), in both cases for `duration_ms` if given.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToneFactory;

const NAMES: [(&str, ProgressTone); 9] = [
    ("dial", ProgressTone::Dial),
    ("ringback", ProgressTone::Ringback),
    ("busy", ProgressTone::Busy),
    ("congestion", ProgressTone::Congestion),
    ("waiting", ProgressTone::CallWaiting),
    ("information", ProgressTone::SpecialInformation),
    ("beep", ProgressTone::Beep),
    ("recording", ProgressTone::Recording),
    ("billing", ProgressTone::Billing),
];

impl TerminalFactory for ToneFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Capture)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        let length = options::optional(spec, "duration_ms")?.map(Duration::from_millis);
        let Some(name) = spec.options.get("tone") else {
            spec.expect_options(&["hz", "dbfs", "duration_ms"])?;
            let hz = options::optional(spec, "hz")?.unwrap_or(1_004.0);
            let dbfs = options::optional(spec, "dbfs")?.unwrap_or(-10.0);
            return Ok(Tone::sine(hz, dbfs, length)?);
        };
        spec.expect_options(&["tone", "country", "duration_ms"])?;
        let tone = NAMES.into_iter().find(|(n, _)| n == name);
        let (_, tone) = tone.ok_or_else(|| options::invalid("tone", name))?;
        let country = match spec.options.get("country") {
            Some(code) => {
                Country::from_code(code).ok_or_else(|| options::invalid("country", code))?
            }
            None => Country::Europe,
        };
        Ok(Tone::progress(tone, country, length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TIME, port};

    #[test]
    fn it_has_its_frequency_and_level_on_every_stream() {
        let tone = Tone::new(500.0, -6.0).unwrap();
        for _ in 0..2 {
            let Ok(Connection::Source(mut source)) =
                tone.connect(port(Direction::Capture, 8_000).0)
            else {
                panic!("no source");
            };
            let mut frame = [0; 80];
            for _ in 0..3 {
                assert_eq!(source.pull(TIME, &mut frame), Pulled::Sound);
                // Sixteen samples a turn, from zero to the peak in four; it begins with a ramp of 2 ms.
                assert_eq!((frame[32], frame[36], frame[44]), (0, 16_422, -16_422));
            }
        }
        assert_eq!(
            Tone::new(0.0, 0.0).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let high = Tone::new(5_000.0, 0.0).unwrap();
        let refused = high.connect(port(Direction::Capture, 8_000).0);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoFormat);
    }

    // Shows: call progress tones of several countries and custom ones, with an end that is told (C27)
    #[test]
    fn c27_a_tone_of_a_country_has_its_cadence_and_its_end_is_told() {
        let spec = |country: &str| {
            let spec = TerminalSpec::audio(Direction::Capture).with("tone", "busy");
            spec.with("country", country).with("duration_ms", "2000")
        };
        // Half a second on and off in North America and Germany; in the United Kingdom 375 ms.
        for (country, on_ms) in [("US", 500), ("de", 480), ("GB", 375)] {
            let tone = ToneFactory.create(&spec(country)).unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();
            let mut port = port(Direction::Capture, 8_000).0;
            port.events = TerminalEvents::new(move |kind, _, _| sender.send(kind).unwrap());
            let Ok(Connection::Source(mut source)) = tone.connect(port) else {
                panic!("no source");
            };
            let mut sound = Vec::new();
            let mut frame = [0; 80];
            while sound.len() < 24_000 {
                source.pull(TIME, &mut frame);
                sound.extend(frame);
            }
            let first_off = sound.windows(400).position(|w| w.iter().all(|s| *s == 0));
            assert_eq!(first_off.unwrap().div_ceil(8), on_ms, "{country}");
            assert!(sound[16_000..].iter().all(|s| *s == 0), "two seconds");
            let told: Vec<_> = receiver.try_iter().collect();
            assert_eq!(told, [EventKind::Generated(GenerationEnd::Done)]);
        }
        for (name, value) in [("tone", "buzz"), ("country", "XX"), ("hz", "440")] {
            let error = ToneFactory
                .create(&spec("DE").with(name, value))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.context().contains(&format!("'{name}'")), "{error}");
        }
    }
}
