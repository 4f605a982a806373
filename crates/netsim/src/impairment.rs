//! How bad a network is, in one direction.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{NetsimError, NetsimErrorKind, Ratio, format_duration, parse_duration};

/// How the delay varies between nothing and the jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum JitterShape {
    /// Each delay is as likely as any other.
    #[default]
    Uniform,
    /// Like a normal distribution around half the jitter, with its ends cut off: the deviation is a seventh of it.
    Bell,
}

/// How bad a network is, in one direction. The default is perfect.
///
/// Read from text such as `delay=30ms,jitter=40ms,loss=5%,burst=4`; each word is that of a setter here.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Impairment {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) shape: JitterShape,
    pub(crate) overtake: bool,
    pub(crate) loss: Ratio,
    pub(crate) burst: Option<f64>,
    pub(crate) duplicate: Ratio,
    pub(crate) reorder: Ratio,
    pub(crate) hold: Duration,
    pub(crate) rate: Option<u64>,
    pub(crate) queue: usize,
}

impl Impairment {
    /// Mean length of a burst where bursts are asked for without a length, in packets.
    pub const DEFAULT_BURST: f64 = 4.0;

    /// Bytes that wait before a narrow link if nothing else is said: about a second of G.711.
    pub const DEFAULT_QUEUE: usize = 10_000;

    /// A network that delivers everything at once.
    pub const PERFECT: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        shape: JitterShape::Uniform,
        overtake: false,
        loss: Ratio::ZERO,
        burst: None,
        duplicate: Ratio::ZERO,
        reorder: Ratio::ZERO,
        hold: Duration::from_millis(30),
        rate: None,
        queue: Self::DEFAULT_QUEUE,
    };

    /// The least that each packet is delayed.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The most by which packets are delayed beyond the least.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    /// How the delay varies between nothing and the jitter.
    #[must_use]
    pub fn with_shape(self, shape: JitterShape) -> Self {
        Self { shape, ..self }
    }

    /// Whether jitter may let packets overtake each other. If not, as in a queue, one waits for the one before.
    #[must_use]
    pub fn with_overtake(self, overtake: bool) -> Self {
        Self { overtake, ..self }
    }

    /// The share of packets that are lost.
    #[must_use]
    pub fn with_loss(self, loss: Ratio) -> Self {
        Self { loss, ..self }
    }

    /// Loses packets in bursts of `packets` on average, after Gilbert's model: a good state that loses none and a bad
    /// one that loses all. The share that is lost stays the same. Bursts too short to lose that share get longer.
    #[must_use]
    pub fn with_burst(self, packets: f64) -> Self {
        let packets = if packets.is_nan() {
            1.0
        } else {
            packets.clamp(1.0, 1e6)
        };
        Self {
            burst: Some(packets),
            ..self
        }
    }

    /// The share of packets that arrive twice.
    #[must_use]
    pub fn with_duplicate(self, duplicate: Ratio) -> Self {
        Self { duplicate, ..self }
    }

    /// The share of packets that are held back by `hold`, while others overtake them.
    #[must_use]
    pub fn with_reorder(self, reorder: Ratio, hold: Duration) -> Self {
        Self {
            reorder,
            hold,
            ..self
        }
    }

    /// A narrow link: bits a second, counting the bytes of UDP's payload, and at most `queue` bytes that wait for it.
    /// What finds the queue full is dropped.
    #[must_use]
    pub fn with_rate(self, bits_per_second: u64, queue: usize) -> Self {
        Self {
            rate: Some(bits_per_second.max(1)),
            queue,
            ..self
        }
    }

    /// The least that each packet is delayed.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// The most by which packets are delayed beyond the least, a narrow link and reordering aside.
    pub fn jitter(&self) -> Duration {
        self.jitter
    }

    /// The share of packets that are lost.
    pub fn loss(&self) -> Ratio {
        self.loss
    }

    /// Mean length of the bursts in which packets are lost; `None` if each is lost by itself.
    pub fn burst(&self) -> Option<f64> {
        self.burst
    }

    /// Whether nothing is impaired.
    pub fn is_perfect(&self) -> bool {
        *self
            == Self {
                shape: self.shape,
                overtake: self.overtake,
                burst: self.burst,
                hold: self.hold,
                queue: self.queue,
                ..Self::PERFECT
            }
    }
}

impl Default for Impairment {
    fn default() -> Self {
        Self::PERFECT
    }
}

impl FromStr for Impairment {
    type Err = NetsimError;

    fn from_str(text: &str) -> Result<Self, NetsimError> {
        let mut new = Self::PERFECT;
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key.trim_end(), Some(value.trim_start())),
                None => (word, None),
            };
            let refuse = |kind| NetsimError::new(kind, word.to_owned());
            let given = || value.ok_or_else(|| refuse(NetsimErrorKind::Value));
            match key {
                "delay" => new.delay = parse_duration(given()?)?,
                "jitter" => new.jitter = parse_duration(given()?)?,
                "shape" => {
                    new.shape = match given()? {
                        "uniform" => JitterShape::Uniform,
                        "bell" => JitterShape::Bell,
                        _ => return Err(refuse(NetsimErrorKind::Value)),
                    }
                }
                "overtake" => {
                    new.overtake = match value {
                        None | Some("yes") => true,
                        Some("no") => false,
                        Some(_) => return Err(refuse(NetsimErrorKind::Value)),
                    }
                }
                "loss" => new.loss = given()?.parse()?,
                "burst" => {
                    let packets = match value {
                        None => Self::DEFAULT_BURST,
                        Some(value) => {
                            value.parse().map_err(|_| refuse(NetsimErrorKind::Number))?
                        }
                    };
                    if !(1.0..=1e6).contains(&packets) {
                        return Err(refuse(NetsimErrorKind::Number));
                    }
                    new.burst = Some(packets);
                }
                "duplicate" => new.duplicate = given()?.parse()?,
                "reorder" => new.reorder = given()?.parse()?,
                "hold" => new.hold = parse_duration(given()?)?,
                "rate" => {
                    new.rate =
                        Some(parse_rate(given()?).ok_or_else(|| refuse(NetsimErrorKind::Number))?);
                }
                "queue" => {
                    new.queue = given()?
                        .parse()
                        .map_err(|_| refuse(NetsimErrorKind::Number))?;
                }
                _ => {
                    return Err(NetsimError::new(
                        NetsimErrorKind::UnknownKey,
                        key.to_owned(),
                    ));
                }
            }
        }
        Ok(new)
    }
}

/// Bits a second: `64000`, `64k` or `2M`.
fn parse_rate(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix(['k', 'M']) {
        Some(number) => (
            number,
            if text.ends_with('k') {
                1_000
            } else {
                1_000_000
            },
        ),
        None => (text, 1),
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(factor)
        .filter(|rate| *rate > 0)
}

/// As it is read; a perfect network is written as nothing.
impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let perfect = Self::PERFECT;
        let mut word = |differs: bool, text: String| {
            if differs {
                words.push(text);
            }
        };
        word(
            self.delay != perfect.delay,
            format!("delay={}", format_duration(self.delay)),
        );
        word(
            self.jitter != perfect.jitter,
            format!("jitter={}", format_duration(self.jitter)),
        );
        word(self.shape == JitterShape::Bell, "shape=bell".to_owned());
        word(self.overtake, "overtake".to_owned());
        word(self.loss != perfect.loss, format!("loss={}", self.loss));
        if let Some(burst) = self.burst {
            word(true, format!("burst={burst}"));
        }
        word(
            self.duplicate != perfect.duplicate,
            format!("duplicate={}", self.duplicate),
        );
        word(
            self.reorder != perfect.reorder,
            format!("reorder={}", self.reorder),
        );
        word(
            self.hold != perfect.hold,
            format!("hold={}", format_duration(self.hold)),
        );
        if let Some(rate) = self.rate {
            word(true, format!("rate={rate}"));
        }
        word(self.queue != perfect.queue, format!("queue={}", self.queue));
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_setters_say_the_same() {
        let percent = |p: f64| Ratio::new(p / 100.0).unwrap();
        let ms = Duration::from_millis;
        let cases = [
            ("", Impairment::PERFECT),
            (
                "loss=5%,jitter=40ms,burst",
                Impairment::default()
                    .with_loss(percent(5.0))
                    .with_jitter(ms(40))
                    .with_burst(4.0),
            ),
            (
                "delay=30ms, shape=bell ,overtake,duplicate=1%",
                Impairment::default()
                    .with_delay(ms(30))
                    .with_shape(JitterShape::Bell)
                    .with_overtake(true)
                    .with_duplicate(percent(1.0)),
            ),
            (
                "reorder=2%,hold=50ms,rate=64k,queue=2000",
                Impairment::default()
                    .with_reorder(percent(2.0), ms(50))
                    .with_rate(64_000, 2000),
            ),
        ];
        for (text, expected) in cases {
            let read: Impairment = text.parse().unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(read.to_string().parse(), Ok(read), "{read}");
        }
    }

    #[test]
    fn what_it_does_not_know_is_named() {
        let message = |text: &str| text.parse::<Impairment>().unwrap_err().to_string();
        assert!(message("los=5%").starts_with("`los` is unknown; known are delay,"));
        assert_eq!(message("loss=5"), "`5` is no share such as 5% or 0.05");
        assert_eq!(
            message("jitter=40"),
            "`40` is no duration such as 40ms or 1.5s"
        );
        assert_eq!(
            message("loss"),
            "`loss` has no value, or one that it does not take"
        );
        for text in [
            "burst=0",
            "burst=nan",
            "rate=0",
            "rate=x",
            "queue=-1",
            "shape=round",
            "overtake=maybe",
        ] {
            assert!(message(text).contains(text), "{text}");
        }
    }

    #[test]
    fn perfect_is_what_changes_nothing() {
        for text in ["", "burst=3", "shape=bell,overtake"] {
            assert!(text.parse::<Impairment>().unwrap().is_perfect(), "{text}");
        }
        for text in [
            "loss=1%",
            "delay=1ms",
            "jitter=1ms",
            "duplicate=1%",
            "reorder=1%",
            "rate=1M",
        ] {
            assert!(!text.parse::<Impairment>().unwrap().is_perfect(), "{text}");
        }
    }
}
