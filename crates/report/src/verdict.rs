//! Did the right sound arrive? A judgement that can fail, each time with its reason.
//!
//! It holds if every sample that was heard is explained: equal to what the codec makes of the sound that was sent, at
//! the place that playout names, or named in playout's log as made up; and if at least the part that the network let
//! through was heard.

mod alone;
pub(crate) mod clock;
pub(crate) mod compare;
mod reason;
pub(crate) mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use msp_core::time::Instant;
use msp_core::trace::{PlayoutAction, Way};
use serde::Serialize;

pub use reason::Reason;

use crate::media::Media;
use crate::phone::{Phone, Sound};
use crate::sent::Sent;
use crate::sip::{self, Signal};
use clock::PlayClock;
use compare::{Comparison, Findings, Stretch};
use timeline::{Extent, Timeline, comes_from_a_packet};

/// What the network between two phones was asked to do to one direction.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Network {
    /// Packets that it was asked to lose, and lost.
    pub lost: u64,
    /// The share of what it let through, 0 to 1, that it may have delayed so much that it came too late to be played.
    pub late_share: f64,
}

/// How far a call may be from perfect.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// The longest that sound may take from a packet's leaving to its first sample's being played.
    pub delay: Duration,
    /// Sound that may be missing because a call begins and ends: packets on probation, the buffer at the end.
    pub edge: Duration,
    /// Decibels by which a sound that is not equal may be softer or louder.
    pub gain_db: f32,
    /// The share of packets, 0 to 1, that may not be there in time where nobody says how many the network was asked to lose:
    /// [`Verdict::judge_alone`].
    pub loss: f64,
    /// The longest from the answer to the first sample from the network that is played: [`Verdict::judge_alone`].
    pub first_sound: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(250),
            edge: Duration::from_millis(300),
            gain_db: 3.0,
            // ITU-T G.1010 table I.1, conversational voice.
            loss: 0.03,
            first_sound: Self::HELLO,
        }
    }
}

impl Limits {
    /// As long as people wait for sound before they say hello again.
    pub(crate) const HELLO: Duration = Duration::from_millis(500);
}

/// What was found in one direction of a call.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct DirectionVerdict {
    /// The phone that sent.
    pub from: String,
    /// The phone that heard.
    pub to: String,
    /// Why this direction is not what it should have been; empty if it is.
    pub reasons: Vec<Reason>,
    /// Samples in the recording.
    pub recorded: u64,
    /// Samples that are equal to the codec's round trip, or, where the sender is not known, to what the packets that came in
    /// time hold.
    pub equal: u64,
    /// Samples that playout's log names as something else, by its word for it.
    pub named: BTreeMap<&'static str, u64>,
    /// Samples that nothing explains.
    pub unexplained: u64,
    /// Packets of sound that left, or, where the sender is not known, that came.
    pub sent_packets: u64,
    /// Packets of sound that the network was asked to lose.
    pub lost_by_request: u64,
    /// Milliseconds from a packet's leaving to its first sample's being played, the median.
    pub delay_ms: Option<f64>,
    /// Samples by which a sample of the recording lies after its place in the sound that was to be sent.
    pub delay_samples: Option<i64>,
    /// Where the unexplained samples are, in the recording.
    #[serde(skip)]
    pub(crate) stretches: Vec<Stretch>,
}

/// The judgement of a call.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Reasons that are those of the whole call.
    pub reasons: Vec<Reason>,
    /// Both directions.
    pub directions: Vec<DirectionVerdict>,
    /// The phone by whose evidence alone this is; `None` if both ends were compared.
    pub seen_by: Option<String>,
    /// How many seconds of the call were recorded and are judged, if that is not all of it.
    pub judged_s: Option<f64>,
}

impl Verdict {
    /// Judges the call between `first` and `second`, each with its recording and the sound that it was to send.
    /// `forth` is the network from the first to the second, `back` the other way.
    pub fn judge(
        first: &Phone,
        second: &Phone,
        forth: &Network,
        back: &Network,
        limits: &Limits,
    ) -> Self {
        let (a, b) = (End::of(first), End::of(second));
        let mut verdict = Self::default();
        if a.answered.is_none() || b.answered.is_none() {
            verdict.reasons.push(Reason::NotConnected);
        }
        let mut forth = a.heard_by(&b, forth, limits);
        let mut back = b.heard_by(&a, back, limits);
        let (to_second, to_first) = (forth.has_sound, back.has_sound);
        forth.blame_silence(to_first);
        back.blame_silence(to_second);
        verdict.directions = vec![forth.verdict, back.verdict];
        verdict
    }

    /// Judges a call by the evidence of one of its ends: that it was connected; that what its terminals gave was sent; that
    /// sound came, soon and nearly all of it; and that every sample it played is the packets' own or named in playout's log.
    /// What the other end heard, and what it was to send, is not known here.
    ///
    /// An end that was given nothing is silent because it was meant to be.
    pub fn judge_alone(phone: &Phone, limits: &Limits) -> Self {
        alone::judge(&End::of(phone), limits)
    }

    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.all_reasons().next().is_none()
    }

    /// Everything that is wrong, each with the direction that it is about, as `from` and `to`.
    pub fn all_reasons(&self) -> impl Iterator<Item = (Option<(&str, &str)>, &Reason)> {
        let whole = self.reasons.iter().map(|r| (None, r));
        let each = self.directions.iter().flat_map(|d| {
            d.reasons
                .iter()
                .map(move |r| (Some((d.from.as_str(), d.to.as_str())), r))
        });
        whole.chain(each)
    }
}

/// A phone, read.
struct End<'a> {
    phone: &'a Phone,
    media: Media<'a>,
    sent: Sent,
    signals: Vec<Signal<'a>>,
    /// When the first 2xx to an INVITE was seen.
    answered: Option<Instant>,
}

/// A direction, judged but for what the other one tells.
struct Judged {
    verdict: DirectionVerdict,
    has_sound: bool,
    should_have_sound: bool,
    packets: u64,
}

/// What an end should have heard.
struct Expected<'a> {
    sound: &'a Sound,
    /// Whether the place of each packet in the sound is known to the sample.
    proven: bool,
    /// The sound that went the other way.
    other: Option<&'a Sound>,
}

/// What an end heard, stretch by stretch, and when.
struct Heard {
    clock: PlayClock,
    timeline: Timeline,
    extent: Extent,
}

impl<'a> End<'a> {
    fn of(phone: &'a Phone) -> Self {
        let media = Media::of(&phone.entries);
        let sent = Sent::of(&media, Way::Out, phone.plays.as_ref());
        let signals = Signal::all(&phone.entries);
        let call_id = sip::the_call(signals.iter());
        let is_answer = |s: &&Signal<'_>| s.is_answer() && s.call_id() == call_id;
        let answered = signals.iter().filter(is_answer).map(|s| s.at).min();
        Self {
            phone,
            media,
            sent,
            signals,
            answered,
        }
    }

    /// Packets that came and were taken.
    fn taken(&self) -> u64 {
        let received = self.media.received.iter();
        received.filter(|p| p.dropped.is_none()).count() as u64
    }

    fn heard_by(&self, to: &Self, network: &Network, limits: &Limits) -> Judged {
        let mut judged = Judged::new(&self.phone.name, &to.phone.name, to.taken());
        judged.verdict.sent_packets = self.sent.packets;
        judged.verdict.lost_by_request = network.lost;
        let Some(sound) = &self.phone.plays else {
            return judged.incomplete("it is not known what was to be sent");
        };
        let extent = match to.phone.extent(&to.media) {
            Some(extent) if extent.rate == sound.rate => extent,
            Some(_) => return judged.incomplete(OTHER_RATE),
            None => return judged.incomplete(NO_RECORDING),
        };
        judged.should_have_sound = is_sound(&sound.samples);
        let expected = Expected {
            sound,
            proven: self.sent.proven,
            other: to.phone.plays.as_ref(),
        };
        let heard = to.heard(extent, &self.sent);
        if heard.is_short_of(to.media.played(), limits.edge) {
            judged
                .verdict
                .reasons
                .push(Reason::Incomplete { what: SHORT });
        }
        judged.compare(to.phone, &heard, &expected, limits);
        judged.judge_share(&heard, self.sent.pcm.len() as u64, network, limits.edge);
        judged
    }

    /// What it recorded, as its playout says it came from `sent`.
    fn heard(&self, extent: Extent, sent: &Sent) -> Heard {
        let clock = PlayClock::of(&self.media, extent.rate);
        let timeline = Timeline::of(extent, &self.media.playout, &clock, sent);
        Heard {
            clock,
            timeline,
            extent,
        }
    }
}

impl Heard {
    /// Whether more was played than was recorded, up to the position `played`, apart from what `edge` allows.
    fn is_short_of(&self, played: i64, edge: Duration) -> bool {
        let missing = played.saturating_sub(self.end());
        u64::try_from(missing).is_ok_and(|missing| missing > self.extent.rate.ticks(edge))
    }

    /// The position of the first sample that is not in the recording any more.
    const fn end(&self) -> i64 {
        self.extent.position.saturating_add(self.extent.len as i64)
    }
}

/// Why something cannot be judged.
const NO_RECORDING: &str = "there is no recording";
const OTHER_RATE: &str = "the recording has another sample rate than the codec";
const SHORT: &str = "the recording is shorter than what was played";

impl Judged {
    fn new(from: &str, to: &str, packets: u64) -> Self {
        Self {
            verdict: DirectionVerdict {
                from: from.to_owned(),
                to: to.to_owned(),
                ..DirectionVerdict::default()
            },
            has_sound: false,
            should_have_sound: false,
            packets,
        }
    }

    fn incomplete(mut self, what: &'static str) -> Self {
        self.verdict.reasons.push(Reason::Incomplete { what });
        self
    }

    /// Compares what `phone` heard with what it should have.
    fn compare(&mut self, phone: &Phone, heard: &Heard, expected: &Expected<'_>, limits: &Limits) {
        let (extent, pieces) = (heard.extent, &heard.timeline.pieces);
        let recorded = phone.recording.as_ref().map(|r| r.samples.as_slice());
        let samples = recorded
            .and_then(|s| s.get(..extent.len))
            .unwrap_or_default();
        self.verdict.recorded = extent.len as u64;
        self.has_sound = pieces
            .iter()
            // Sound of which the log says nothing is sound.
            .filter(|p| p.action.is_none_or(comes_from_a_packet))
            .any(|p| is_sound(samples.get(p.at..p.at + p.len).unwrap_or_default()));
        if self.is_silent() {
            return;
        }
        let comparison = Comparison {
            heard: samples,
            position: extent.position,
            pieces,
            expected: expected.sound,
            other: expected.other,
            gain_db: limits.gain_db,
            proven: expected.proven,
        };
        self.take(comparison.run(), &heard.timeline, extent);
        self.judge_delay(&heard.timeline, limits);
    }

    const fn is_silent(&self) -> bool {
        self.should_have_sound && !self.has_sound
    }

    /// A silent direction is one reason if the other one is silent too, and another if it is not.
    fn blame_silence(&mut self, other_has_sound: bool) {
        if self.is_silent() {
            let reason = if other_has_sound {
                Reason::OneWaySilent {
                    packets: self.packets,
                }
            } else {
                Reason::NothingHeard
            };
            self.verdict.reasons.insert(0, reason);
        }
    }

    fn take(&mut self, mut findings: Findings, timeline: &Timeline, extent: Extent) {
        let verdict = &mut self.verdict;
        verdict.equal = findings.equal;
        let mut gaps = false;
        for piece in &timeline.pieces {
            match piece.action {
                Some(PlayoutAction::Normal) if piece.index.is_some() => {}
                // Nothing in the log, or a packet that nobody sent.
                None | Some(PlayoutAction::Normal) => {
                    findings.note(piece.at, piece.len as u64);
                    gaps = true;
                }
                Some(action) => {
                    *verdict.named.entry(action.name()).or_default() += piece.len as u64;
                }
            }
        }
        if gaps {
            findings.blame_unexplained(extent.position, extent.rate);
        }
        let first = timeline
            .pieces
            .iter()
            .find_map(|p| Some(p.at as i64 - p.index?));
        verdict.delay_samples = first;
        verdict.unexplained = findings.unexplained;
        verdict.stretches = findings.stretches;
        verdict.reasons.append(&mut findings.reasons);
    }

    fn judge_delay(&mut self, timeline: &Timeline, limits: &Limits) {
        let Some(nanos) = timeline.delay() else {
            return;
        };
        let ms = nanos as f64 / 1e6;
        self.verdict.delay_ms = Some(ms);
        let limit_ms = limits.delay.as_secs_f64() * 1e3;
        if ms > limit_ms {
            self.verdict.reasons.push(Reason::TooLate { ms, limit_ms });
        }
    }

    /// Whether enough of `sent_samples` was heard. Of a sound that was not the right one nobody knows.
    fn judge_share(&mut self, heard: &Heard, sent_samples: u64, network: &Network, edge: Duration) {
        let is_wrong =
            |r: &Reason| matches!(r, Reason::WrongSound { .. } | Reason::WrongLaw { .. });
        if self.is_silent() || self.verdict.reasons.iter().any(is_wrong) {
            return;
        }
        let pieces = heard.timeline.pieces.iter();
        let from_packets: u64 = pieces
            .filter(|p| p.action.is_some_and(comes_from_a_packet))
            .map(|p| p.len as u64)
            .sum();
        let sent = self.verdict.sent_packets.max(1) as f64;
        let through = (sent - network.lost as f64).max(0.0) / sent;
        let due = sent_samples as f64 * through * (1.0 - network.late_share.clamp(0.0, 1.0));
        let due = due - heard.extent.rate.ticks(edge) as f64;
        if (from_packets as f64) < due {
            let ms = 1000.0 / f64::from(heard.extent.rate.hz());
            self.verdict.reasons.push(Reason::TooLittleHeard {
                heard_ms: from_packets as f64 * ms,
                due_ms: due * ms,
            });
        }
    }
}

/// Whether there is more than silence and the noise of a codec at rest.
pub(crate) fn is_sound(samples: &[i16]) -> bool {
    samples.iter().filter(|s| s.unsigned_abs() > 64).count() > samples.len() / 1000
}
