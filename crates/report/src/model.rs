//! What a report says, as plain data: the same for JSON and HTML.
//!
//! Times ending in `_s` are seconds since the first entry of the trace.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::verdict::{Reason, Verdict};

/// The evidence of one call.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form, counted up when a field changes its meaning or goes.
    pub format: u32,
    /// The program that made the report, with its version.
    pub software: String,
    /// Who called whom.
    pub title: String,
    /// What the network was asked to do, in words, when it was.
    pub conditions: Option<String>,
    /// The time of day of second 0, as RFC 3339 writes it.
    pub started: String,
    /// How long the trace is.
    pub duration_s: f64,
    /// What it all comes to.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub headline: String,
    /// The judgement, when there was something to compare with.
    pub verdict: Option<Verdict>,
    /// The four figures to look at first.
    pub tiles: Tiles,
    /// The columns of the ladder.
    pub participants: Vec<Participant>,
    /// Messages and runs of packets in the order of time.
    pub ladder: Vec<Step>,
    /// Sound, each way.
    pub directions: Vec<Direction>,
    /// Offers and their answers.
    pub negotiation: Vec<Negotiation>,
    /// What went no further, and why.
    pub drops: Vec<Dropped>,
    /// Notes that the trace holds, with their times.
    pub notes: Vec<Note>,
}

/// What a call comes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The verdict holds.
    Holds,
    /// The verdict does not hold.
    Fails,
    /// There was nothing to compare with: only what was seen is told, and it looks well.
    SeenWell,
    /// There was nothing to compare with, and what was seen does not look well.
    SeenBad,
}

/// The four figures to look at first.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Tiles {
    /// Whether the call was answered.
    pub connected: bool,
    /// From the INVITE to the answer.
    pub answered_after_ms: Option<f64>,
    /// From the INVITE to the first sign of ringing.
    pub ringing_after_ms: Option<f64>,
    /// Whether there was sound, for each direction in the order of [`Report::directions`]; `None` where nobody knows.
    pub sound: Vec<Option<bool>>,
    /// The worst quality of any direction and any five seconds.
    pub worst_quality: Option<Quality>,
    /// The index of the direction with the worst quality.
    pub worst_direction: Option<usize>,
    /// From the answer to the first sample from the network that was played, of the slower direction.
    pub first_sound_ms: Option<f64>,
}

/// How good speech was, as ITU-T G.107 estimates it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Quality {
    /// Mean opinion score, 1 to 4.41 here.
    pub mos: f64,
    /// The rating factor R that it comes from.
    pub r: f64,
    /// Share of packets that were not there when they were to be played, 0 to 1.
    pub loss: f64,
    /// How much losses come together: 1 when they are independent.
    pub burst_ratio: f64,
    /// Mouth to ear.
    pub delay_ms: f64,
    /// When the stretch begins that this is about.
    pub from_s: f64,
    /// When it ends.
    pub until_s: f64,
    /// How it was computed.
    pub how: String,
}

/// Somebody who sends and receives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Participant {
    /// Its name.
    pub name: String,
    /// Its signalling addresses.
    pub addresses: Vec<String>,
    /// The product that it says it is.
    pub product: Option<String>,
    /// Whether its own trace is part of the evidence.
    pub traced: bool,
}

/// A row of the ladder.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// A message of the signalling.
    Message(MessageStep),
    /// A run of packets one way.
    Packets(PacketsStep),
    /// Something that a phone noticed.
    Event {
        /// When.
        at_s: f64,
        /// Who, as an index into [`Report::participants`].
        participant: usize,
        /// What.
        text: String,
    },
}

/// A message of the signalling.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct MessageStep {
    /// When it was sent, or, where only the receiver is known, when it came.
    pub at_s: f64,
    /// How long it was on its way, when both ends are known.
    pub transit_ms: Option<f64>,
    /// Who sent it, as an index into [`Report::participants`].
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// The method, or status and reason.
    pub title: String,
    /// Number and method of the transaction.
    pub cseq: Option<String>,
    /// The call that it belongs to.
    pub call_id: Option<String>,
    /// The transport.
    pub transport: &'static str,
    /// The address that it came from.
    pub from_address: String,
    /// The address that it went to.
    pub to_address: String,
    /// The receiver's trace does not have it.
    pub lost: bool,
    /// The same bytes went the same way before.
    pub repeated: bool,
    /// It describes media.
    pub describes_media: bool,
    /// The message, credentials masked.
    pub text: String,
}

/// A run of packets one way.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct PacketsStep {
    /// `RTP` or `RTCP`.
    pub protocol: &'static str,
    /// The first one.
    pub at_s: f64,
    /// The last one.
    pub until_s: f64,
    /// Who sent them, as an index into [`Report::participants`].
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// The encoding.
    pub codec: Option<String>,
    /// How many, as the sender counts them if it is traced, else the receiver.
    pub packets: u64,
    /// How many did not come, when both ends are known.
    pub lost: Option<u64>,
}

/// Sound one way.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Direction {
    /// Who spoke.
    pub from: String,
    /// Who listened.
    pub to: String,
    /// The encoding that was really used.
    pub codec: Option<String>,
    /// Its payload type.
    pub payload_type: Option<u8>,
    /// The sound in a packet, as measured.
    pub ptime_ms: Option<f64>,
    /// The sources (SSRC) that were heard, in hexadecimal.
    pub sources: Vec<String>,
    /// RTP packets that left.
    pub sent: Option<u64>,
    /// RTP packets that came, dropped ones included.
    pub received: Option<u64>,
    /// Packets that did not come.
    pub lost: Option<u64>,
    /// Packets that were still under way when the call ended; they are not lost.
    pub under_way: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Interarrival jitter at the end (RFC 3550 appendix A.8).
    pub jitter_ms: Option<f64>,
    /// The biggest.
    pub jitter_max_ms: Option<f64>,
    /// From a packet's leaving to its coming, the median, when both ends are known.
    pub transit_ms: Option<f64>,
    /// From a packet's leaving (or coming, if the sender is not traced) to its first sample's being played, the median.
    pub delay_ms: Option<f64>,
    /// Round trip as reports of the receiver tell it.
    pub round_trip_ms: Option<f64>,
    /// Samples that were played, by playout's word for where they come from.
    pub played: BTreeMap<&'static str, u64>,
    /// Mean level of what was sent, in dB below full scale.
    pub sent_dbov: Option<f32>,
    /// Mean level of what was heard, in dB below full scale.
    pub heard_dbov: Option<f32>,
    /// From the answer to the first sample from the network that was played.
    pub first_sound_ms: Option<f64>,
    /// The quality over the whole call.
    pub quality: Option<Quality>,
    /// Delay, jitter and loss over time.
    pub curves: Curves,
    /// What was sent and what was heard.
    pub waveform: Option<Waveform>,
}

/// Delay, jitter and loss over time.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Curves {
    /// How long each point stands for.
    pub step_s: f64,
    /// Whether `transit_ms` is only what exceeds the quickest packet, as the sender's clock is not known.
    pub transit_is_relative: bool,
    /// The points, in order and without gaps.
    pub points: Vec<Point>,
}

/// A point of the curves.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// When it begins.
    pub at_s: f64,
    /// The slowest packet's way through the network.
    pub transit_ms: Option<f64>,
    /// From a packet's leaving (or coming) to its being played, the longest.
    pub delay_ms: Option<f64>,
    /// What waited to be played.
    pub buffer_ms: Option<f64>,
    /// Interarrival jitter, the biggest.
    pub jitter_ms: Option<f64>,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Packets that came too late.
    pub late: u64,
}

/// What was sent and what was heard, laid over each other.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Waveform {
    /// Samples a second.
    pub rate: u32,
    /// Samples that each column stands for.
    pub step: usize,
    /// When the first column was played.
    pub at_s: f64,
    /// Samples by which the heard sound lies after the sent one, as each counts from its own beginning.
    pub delay_samples: Option<i64>,
    /// What `sent` is: what the sender's packets hold, or what the receiver's do.
    pub sent_is: &'static str,
    /// Lowest and highest sample of each column of what was sent.
    pub sent: Vec<(i16, i16)>,
    /// Lowest and highest sample of each column of what was heard; empty if it was not recorded.
    pub heard: Vec<(i16, i16)>,
    /// Where the two differ.
    pub regions: Vec<Region>,
    /// Regions that are not in the list because it is full.
    pub more_regions: usize,
}

/// A stretch in which what was heard is not what was sent.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Region {
    /// When it begins, as it was played.
    pub at_s: f64,
    /// How long it is.
    pub length_ms: f64,
    /// Playout's word for it, or `unexplained`.
    pub action: &'static str,
}

/// An offer and its answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Negotiation {
    /// When the offer was made.
    pub at_s: f64,
    /// Who offered, as an index into [`Report::participants`].
    pub offerer: usize,
    /// The message that carried the offer.
    pub offered_in: String,
    /// The message that carried the answer.
    pub answered_in: Option<String>,
    /// The media, in their order.
    pub media: Vec<NegotiatedMedia>,
}

/// One medium of an offer and its answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct NegotiatedMedia {
    /// What was offered.
    pub offered: MediaLine,
    /// What was answered.
    pub answered: Option<MediaLine>,
}

/// A medium as a session description has it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct MediaLine {
    /// For instance `audio`.
    pub kind: String,
    /// For instance `RTP/AVP`.
    pub protocol: String,
    /// Where it is received; port 0 refuses it.
    pub address: String,
    /// The formats in the order of preference, each with what it means.
    pub formats: Vec<Format>,
    /// The length of sound in a packet that is wished for.
    pub ptime_ms: Option<f64>,
    /// `sendrecv` and its like, as it was written or as it is if nothing is.
    pub direction: &'static str,
}

/// A format of a medium.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Format {
    /// The number on the wire.
    pub number: String,
    /// The encoding, when it is known.
    pub codec: Option<String>,
}

/// What went no further, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Dropped {
    /// The phone that dropped it.
    pub phone: String,
    /// The stable name of the reason.
    pub reason: &'static str,
    /// The reason in words.
    pub why: &'static str,
    /// How many.
    pub count: u64,
}

/// A note of the trace.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// When.
    pub at_s: f64,
    /// Whose.
    pub phone: String,
    /// What it says.
    pub text: String,
}

impl Report {
    /// The version of the form.
    pub const FORMAT: u32 = 1;

    /// Everything that is wrong, with the direction that it is about.
    pub fn reasons(&self) -> impl Iterator<Item = (Option<(&str, &str)>, &Reason)> {
        self.verdict.iter().flat_map(Verdict::all_reasons)
    }
}
