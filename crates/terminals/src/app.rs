//! The terminals through which an application gives and takes sound itself.

mod bell;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{Terminal, TerminalClass};
use msp_core::time::ClockRate;
use msp_dsp::Resampler;

use crate::options;

pub use sink::AppSink;
pub use source::AppSource;

static CLASS: TerminalClass = TerminalClass::MEDIA_APP;

/// The form in which an application gives or takes sound: one channel of 16 bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppOptions {
    /// Samples a second; converted to and from the rate of the stream.
    pub rate: ClockRate,
    /// How much sound waits at most between the application and the stream.
    pub buffer: Duration,
    /// How much room or sound there has to be before an application that waits is woken.
    pub frame: Duration,
}

impl AppOptions {
    /// Sound of `rate`, with 200 ms of buffer and frames of 20 ms.
    pub const fn new(rate: ClockRate) -> Self {
        Self {
            rate,
            buffer: Duration::from_millis(200),
            frame: Duration::from_millis(20),
        }
    }

    /// Samples of the buffer and of a frame.
    fn sizes(&self) -> Result<(usize, usize)> {
        Resampler::new(self.rate, self.rate)
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        let samples = |d| usize::try_from(self.rate.ticks(d)).unwrap_or(usize::MAX);
        let (buffer, frame) = (samples(self.buffer), samples(self.frame));
        if frame == 0 || buffer < frame || self.buffer > LONGEST {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("frames of {:?} in {:?}", self.frame, self.buffer),
            ));
        }
        Ok((buffer, frame))
    }
}

/// A longer buffer is refused.
const LONGEST: Duration = Duration::from_secs(600);

/// Makes [`AppSource`]s for capture streams and [`AppSink`]s for render streams; options `rate` (in Hz, 16,000 if not
/// given), `buffer_ms` and `frame_ms` (in milliseconds). What it made comes back as what it is by
/// [`downcast`](trait@Terminal#method.downcast).
#[derive(Clone, Copy, Debug, Default)]
pub struct AppFactory;

impl TerminalFactory for AppFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["rate", "buffer_ms", "frame_ms"])?;
        let rate = options::rate(spec)?.or(ClockRate::new(16_000));
        let mut options = AppOptions::new(rate.unwrap_or(ClockRate::HZ_8000));
        if let Some(ms) = options::optional(spec, "buffer_ms")? {
            options.buffer = Duration::from_millis(ms);
        }
        if let Some(ms) = options::optional(spec, "frame_ms")? {
            options.frame = Duration::from_millis(ms);
        }
        Ok(match spec.direction {
            Direction::Capture => AppSource::new(options)?,
            Direction::Render => AppSink::new(options)?,
            Direction::Bidirectional => {
                return Err(Error::new(ErrorKind::InvalidDirection, CLASS.as_str()));
            }
        })
    }
}
