//! Did the right sound arrive? A judgement that can fail, each time with its reason.
//!
//! It holds if every sample that was heard is explained: equal to what the codec makes of the sound that was sent, at
//! the place that playout names, or named in playout's log as made up; and if at least the part that the network let
//! through was heard.

pub(crate) mod clock;
pub(crate) mod compare;
mod reason;
pub(crate) mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use msp_core::trace::{PlayoutAction, Way};
use serde::Serialize;

pub use reason::Reason;

use crate::media::Media;
use crate::phone::Phone;
use crate::sent::Sent;
use crate::sip::Signal;
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(250),
            edge: Duration::from_millis(300),
            gain_db: 3.0,
        }
    }
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
    /// Samples that are equal to the codec's round trip.
    pub equal: u64,
    /// Samples that playout's log names as something else, by its word for it.
    pub named: BTreeMap<&'static str, u64>,
    /// Samples that nothing explains.
    pub unexplained: u64,
    /// Packets of sound that left.
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

/// The judgement of a call between two phones.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Reasons that are those of the whole call.
    pub reasons: Vec<Reason>,
    /// Both directions.
    pub directions: Vec<DirectionVerdict>,
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
        if !(a.connected && b.connected) {
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
    connected: bool,
}

/// A direction, judged but for what the other one tells.
struct Judged {
    verdict: DirectionVerdict,
    has_sound: bool,
    should_have_sound: bool,
    packets: u64,
}

impl<'a> End<'a> {
    fn of(phone: &'a Phone) -> Self {
        let media = Media::of(&phone.entries);
        let sent = Sent::of(&media, Way::Out, phone.plays.as_ref());
        let connected = Signal::all(&phone.entries)
            .iter()
            .filter_map(|s| s.status_of("INVITE"))
            .any(|status| (200..300).contains(&status));
        Self {
            phone,
            media,
            sent,
            connected,
        }
    }

    fn heard_by(&self, to: &Self, network: &Network, limits: &Limits) -> Judged {
        let mut verdict = DirectionVerdict {
            from: self.phone.name.clone(),
            to: to.phone.name.clone(),
            sent_packets: self.sent.packets,
            lost_by_request: network.lost,
            ..DirectionVerdict::default()
        };
        let packets = to
            .media
            .received
            .iter()
            .filter(|p| p.dropped.is_none())
            .count() as u64;
        let (Some(expected), Some(recording)) = (&self.phone.plays, &to.phone.recording) else {
            verdict.reasons.push(Reason::Incomplete {
                what: if self.phone.plays.is_none() {
                    "it is not known what was to be sent"
                } else {
                    "there is no recording"
                },
            });
            return Judged::without_sound(verdict, packets);
        };
        if recording.rate != expected.rate {
            verdict.reasons.push(Reason::Incomplete {
                what: "the recording has another sample rate than the codec",
            });
            return Judged::without_sound(verdict, packets);
        }
        let clock = PlayClock::of(&to.media, recording.rate);
        let timeline = Timeline::of(recording.extent(), &to.media.playout, &clock, &self.sent);
        let comparison = Comparison {
            heard: &recording.samples,
            position: recording.position,
            pieces: &timeline.pieces,
            expected,
            other: to.phone.plays.as_ref(),
            gain_db: limits.gain_db,
            proven: self.sent.proven,
        };
        verdict.recorded = recording.samples.len() as u64;
        let has_sound = timeline.pieces.iter().any(|p| {
            p.action.is_some_and(comes_from_a_packet)
                && is_sound(
                    recording
                        .samples
                        .get(p.at..p.at + p.len)
                        .unwrap_or_default(),
                )
        });
        let mut judged = Judged {
            verdict,
            has_sound,
            should_have_sound: is_sound(&expected.samples),
            packets,
        };
        let played: u64 = to
            .media
            .playout
            .iter()
            .map(|(_, s)| u64::from(s.samples))
            .sum();
        let edge = expected.rate.ticks(limits.edge);
        if played > recording.position + judged.verdict.recorded + edge {
            judged.verdict.reasons.push(Reason::Incomplete {
                what: "the recording is shorter than what was played",
            });
        }
        if judged.is_silent() {
            return judged;
        }
        judged.take(comparison.run(), &timeline, recording.extent());
        judged.judge_delay(&timeline, limits);
        let is_the_sound = !judged
            .verdict
            .reasons
            .iter()
            .any(|r| matches!(r, Reason::WrongSound { .. } | Reason::WrongLaw { .. }));
        if is_the_sound {
            judged.judge_share(
                &timeline,
                self.sent.pcm.len() as u64,
                network,
                edge,
                expected.rate.hz(),
            );
        }
        judged
    }
}

impl Judged {
    const fn without_sound(verdict: DirectionVerdict, packets: u64) -> Self {
        Self {
            verdict,
            has_sound: false,
            should_have_sound: false,
            packets,
        }
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

    fn judge_share(
        &mut self,
        timeline: &Timeline,
        sent_samples: u64,
        network: &Network,
        edge: u64,
        rate: u32,
    ) {
        let heard: u64 = timeline
            .pieces
            .iter()
            .filter(|p| p.action.is_some_and(comes_from_a_packet))
            .map(|p| p.len as u64)
            .sum();
        let sent = self.verdict.sent_packets.max(1) as f64;
        let through = (sent - network.lost as f64).max(0.0) / sent;
        let due = sent_samples as f64 * through * (1.0 - network.late_share.clamp(0.0, 1.0));
        let due = due - edge as f64;
        if (heard as f64) < due {
            let ms = 1000.0 / f64::from(rate);
            self.verdict.reasons.push(Reason::TooLittleHeard {
                heard_ms: heard as f64 * ms,
                due_ms: due * ms,
            });
        }
    }
}

/// Whether there is more than silence and the noise of a codec at rest.
pub(crate) fn is_sound(samples: &[i16]) -> bool {
    samples.iter().filter(|s| s.unsigned_abs() > 64).count() > samples.len() / 1000
}
