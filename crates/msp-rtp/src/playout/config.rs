//! How a playout works.

use std::time::Duration;

use msp_core::time::ClockRate;

/// What a playout does about a network whose delay varies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum PlayoutMode {
    /// Waits as short as the network allows, and follows it: time is stretched and compressed. On a network that does
    /// not vary not one sample is changed. For people who talk to each other.
    #[default]
    Adaptive,
    /// Waits as long as it is told, to the sample. What is too deep is cut out.
    Fixed,
    /// Leaves out nothing that came: what is late makes the delay longer, up to the maximum, and nothing makes it
    /// shorter again. For who listens later.
    Recorder,
}

/// How a [`Playout`](super::Playout) works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlayoutConfig {
    /// Samples a second of what is pulled.
    pub rate: ClockRate,
    /// What is done about a network that varies.
    pub mode: PlayoutMode,
    /// How long a packet waits between its arrival and its first sample. In an adaptive playout only the first one does,
    /// as long as nothing is known of the network.
    pub target: Duration,
    /// Sound that waits at most.
    pub max: Duration,
}

impl PlayoutConfig {
    /// An adaptive playout at `rate` that begins with 20 ms, and with 360 ms at most.
    pub const fn new(rate: ClockRate) -> Self {
        Self {
            rate,
            mode: PlayoutMode::Adaptive,
            target: Duration::from_millis(20),
            max: Duration::from_millis(360),
        }
    }

    /// A delay of `target` at `rate`, and at most 300 ms or twice the target.
    pub const fn fixed(rate: ClockRate, target: Duration) -> Self {
        let max = Duration::from_millis(300);
        let twice = target.saturating_mul(2);
        Self {
            rate,
            mode: PlayoutMode::Fixed,
            target,
            max: if twice.as_nanos() > max.as_nanos() {
                twice
            } else {
                max
            },
        }
    }

    /// A playout at `rate` for who listens later: 200 ms of delay to begin with, and 1.2 s at most.
    pub const fn recorder(rate: ClockRate) -> Self {
        Self {
            rate,
            mode: PlayoutMode::Recorder,
            target: Duration::from_millis(200),
            max: Duration::from_millis(1200),
        }
    }
}
