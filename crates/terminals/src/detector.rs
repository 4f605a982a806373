//! The terminal that listens: digits, tones and kinds of sound in what is received.

use std::sync::Arc;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, FrameSink, FrameTime, StreamPort, Terminal, TerminalClass, TerminalEvents,
    next_terminal_id,
};
use msp_core::time::ClockRate;
use msp_dsp::{
    DspError, DtmfDetector, DtmfEvent, MediaClassDetector, ToneDetector, ToneEvent, ToneSpec,
};

use crate::{HIGHEST, mono, options};

static CLASS: TerminalClass = TerminalClass::DETECTOR;

/// When a digit in the sound is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TellDigit {
    /// When the key is pressed, about 45 ms later.
    OnPress,
    /// When the key is let go, about 40 ms later.
    OnRelease,
}

/// What a [`Detector`] listens for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DetectorOptions {
    /// Digits as tones (ITU-T Q.23, Q.24), told as [`EventKind::Digit`].
    pub digits: Option<TellDigit>,
    /// Tones, at most 16, told as [`EventKind::Tone`] with their tags. All frequencies zero is silence.
    pub tones: Vec<ToneSpec>,
    /// What kind of sound it is, told as [`EventKind::MediaClass`] when it changes: voice, fax, modem, text telephone, an
    /// answering machine's beep.
    pub media_class: bool,
}

/// Listens to a render stream, beside whoever else hears it: class `detector`. A digit that the peer tells in two ways is told
/// once by the call.
#[derive(Debug)]
pub struct Detector {
    id: TerminalId,
    controls: Arc<AudioControls>,
    options: DetectorOptions,
}

impl Detector {
    /// A terminal that listens for what `options` say.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for nothing at all, more than 16 tones, or a tone that cannot be heard at any rate.
    pub fn new(options: DetectorOptions) -> Result<Arc<Self>> {
        if options == DetectorOptions::default() {
            let what = "a detector that listens for nothing";
            return Err(Error::new(ErrorKind::InvalidArgument, what));
        }
        ToneDetector::new(HIGHEST, &options.tones)
            .map_err(|e| Error::new(ErrorKind::InvalidArgument, e.to_string()))?;
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            options,
        }))
    }
}

impl Terminal for Detector {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        CLASS.as_str()
    }

    fn class(&self) -> &TerminalClass {
        &CLASS
    }

    fn direction(&self) -> Direction {
        Direction::Render
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Render {
            return Err(Error::new(ErrorKind::InvalidDirection, self.name()));
        }
        let rate = mono(&port, self.name())?;
        let ear = Ear::new(&self.options, rate, port.events)
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        Ok(Connection::Sink(Box::new(ear)))
    }
}

struct Ear {
    events: TerminalEvents,
    digits: Option<(DtmfDetector, TellDigit)>,
    tones: Option<ToneDetector>,
    class: Option<MediaClassDetector>,
}

impl Ear {
    fn new(
        options: &DetectorOptions,
        rate: ClockRate,
        events: TerminalEvents,
    ) -> Result<Self, DspError> {
        let digits = options
            .digits
            .map(|when| Ok((DtmfDetector::new(rate)?, when)));
        let tones = (!options.tones.is_empty()).then(|| ToneDetector::new(rate, &options.tones));
        let class = options.media_class.then(|| MediaClassDetector::new(rate));
        Ok(Self {
            events,
            digits: digits.transpose()?,
            tones: tones.transpose()?,
            class: class.transpose()?,
        })
    }
}

impl FrameSink for Ear {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        let tell = |kind| self.events.emit(kind, Cause::RemoteRequest, None);
        if let Some((digits, when)) = &mut self.digits {
            digits.process(frame, |event| match (event, *when) {
                (DtmfEvent::Began { digit, .. }, TellDigit::OnPress)
                | (DtmfEvent::Ended { digit, .. }, TellDigit::OnRelease) => {
                    tell(EventKind::Digit(digit));
                }
                _ => {}
            });
        }
        if let Some(tones) = &mut self.tones {
            tones.process(frame, |event| {
                let (tag, heard) = match event {
                    ToneEvent::Heard { tag, .. } => (tag, true),
                    ToneEvent::Ended { tag, .. } => (tag, false),
                };
                tell(EventKind::Tone { tag, heard });
            });
        }
        if let Some(class) = &mut self.class {
            class.process(frame, |change| tell(EventKind::MediaClass(change.class)));
        }
    }
}

/// Makes [`Detector`]s; options `digits` (`press` or `release`) and `media_class` (`true` or `false`). Without any of them it
/// listens for digits on press. Tones are asked for with [`Detector::new`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DetectorFactory;

impl TerminalFactory for DetectorFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Render)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["digits", "media_class"])?;
        let digits = match spec.options.get("digits").map(String::as_str) {
            Some("press") => Some(TellDigit::OnPress),
            Some("release") => Some(TellDigit::OnRelease),
            None if spec.options.is_empty() => Some(TellDigit::OnPress),
            None => None,
            Some(other) => return Err(options::invalid("digits", other)),
        };
        Ok(Detector::new(DetectorOptions {
            digits,
            tones: Vec::new(),
            media_class: options::optional(spec, "media_class")?.unwrap_or(false),
        })?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use msp_core::link::Digit;
    use msp_core::media::MediaClass;
    use msp_dsp::{CadenceGenerator, Country, DtmfGenerator, DtmfShape, ProgressTone};

    use super::*;
    use crate::testing::{TIME, port};

    const RATE: ClockRate = ClockRate::HZ_8000;

    /// What a detector tells of a sound, with the frame after which it does.
    fn told(options: DetectorOptions, sound: &[i16]) -> Vec<(usize, EventKind)> {
        let detector = Detector::new(options).unwrap();
        let (sender, receiver) = channel();
        let mut port = port(Direction::Render, RATE.hz()).0;
        port.events = TerminalEvents::new(move |kind, cause, _| {
            assert_eq!(cause, Cause::RemoteRequest);
            sender.send(kind).unwrap();
        });
        let Ok(Connection::Sink(mut ear)) = detector.connect(port) else {
            panic!("no sink");
        };
        let mut all = Vec::new();
        for (n, frame) in sound.chunks(80).enumerate() {
            ear.push(TIME, frame);
            all.extend(receiver.try_iter().map(|kind| (n, kind)));
        }
        all
    }

    fn pressed(keys: &str) -> Vec<i16> {
        let digits: Vec<_> = keys.chars().filter_map(Digit::from_char).collect();
        let mut sound = vec![0; 8_000];
        let mut generator = DtmfGenerator::new(RATE, &digits, DtmfShape::default()).unwrap();
        generator.fill(&mut sound);
        sound
    }

    // Shows: digits in the sound are told when the key is pressed, or when it is let go (C25)
    #[test]
    fn c25_digits_are_told_on_press_or_on_release() {
        for (when, first) in [(TellDigit::OnPress, 3..8), (TellDigit::OnRelease, 11..17)] {
            let options = DetectorOptions {
                digits: Some(when),
                ..DetectorOptions::default()
            };
            let told = told(options, &pressed("15#"));
            let keys: String = told
                .iter()
                .map(|(_, kind)| match kind {
                    EventKind::Digit(digit) => digit.to_char(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(keys, "15#");
            assert!(first.contains(&told[0].0), "{when:?}: frame {}", told[0].0);
        }
    }

    // Shows: tones are told with the caller's tag when they are heard and when they are over, silence among them (C27)
    #[test]
    fn c27_tones_are_told_by_their_tags() {
        let busy = ProgressTone::Busy.cadence(Country::Germany);
        let mut sound = vec![0; 8_000];
        CadenceGenerator::new(RATE, busy).unwrap().fill(&mut sound);
        let tone = |tag, hz: f32, ms| ToneSpec {
            tag,
            frequencies: [hz, 0.0, 0.0],
            min_duration: Duration::from_millis(ms),
        };
        let options = DetectorOptions {
            tones: vec![
                tone(7, 425.0, 200),
                tone(8, 0.0, 300),
                tone(9, 1_100.0, 200),
            ],
            ..DetectorOptions::default()
        };
        let told: Vec<_> = told(options, &sound).into_iter().map(|t| t.1).collect();
        let turn = |tag, heard| EventKind::Tone { tag, heard };
        assert_eq!(
            told[..4],
            [turn(7, true), turn(7, false), turn(8, true), turn(8, false)]
        );
        assert!(!told.contains(&turn(9, true)));
    }

    // Shows: a fax machine that calls is told as a change of the kind of sound (C28)
    #[test]
    fn c28_a_fax_that_calls_changes_the_kind_of_sound() {
        let mut sound = vec![0; 16_000];
        let calling = [msp_dsp::Burst::new([1_100.0, 0.0, 0.0], -10.0, 500, 3_000)];
        let cadence = msp_dsp::Cadence {
            bursts: &calling,
            times: None,
        };
        CadenceGenerator::new(RATE, cadence)
            .unwrap()
            .fill(&mut sound);
        let options = DetectorOptions {
            media_class: true,
            ..DetectorOptions::default()
        };
        let told: Vec<_> = told(options, &sound).into_iter().map(|t| t.1).collect();
        assert!(
            told.contains(&EventKind::MediaClass(MediaClass::FaxCalling)),
            "{told:?}"
        );
    }

    #[test]
    fn what_cannot_be_listened_for_is_refused() {
        let kind = |options| Detector::new(options).unwrap_err().kind();
        assert_eq!(kind(DetectorOptions::default()), ErrorKind::InvalidArgument);
        let tone = ToneSpec {
            tag: 1,
            frequencies: [440.0, 0.0, 0.0],
            min_duration: Duration::from_millis(100),
        };
        let many = DetectorOptions {
            tones: vec![tone; 17],
            ..DetectorOptions::default()
        };
        assert_eq!(kind(many), ErrorKind::InvalidArgument);
        let spec = TerminalSpec::audio(Direction::Render).with("digits", "sometimes");
        let error = DetectorFactory.create(&spec).unwrap_err();
        assert!(error.context().contains("'digits'"), "{error}");
    }
}
