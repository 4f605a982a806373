//! From traces to a report.

mod drops;
mod flow;
mod ladder;
mod negotiation;
mod waveform;

use std::fmt::Write;
use std::net::SocketAddr;

use msp_core::time::Instant;
use msp_core::trace::{TraceBody, Way};

use crate::WallClock;
use crate::media::Media;
use crate::model::{Note, Outcome, Participant, Report, Tiles};
use crate::phone::Phone;
use crate::sent::Sent;
use crate::sip::{self, Signal};
use crate::verdict::Verdict;
use flow::Flow;

/// Gathers the evidence of a call: one phone, or both.
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    software: String,
    clock: WallClock,
    conditions: Option<String>,
    phones: Vec<Phone>,
    verdict: Option<Verdict>,
}

impl ReportBuilder {
    /// A report made by `software`, which is named with its version.
    pub fn new(software: &str) -> Self {
        Self {
            software: software.to_owned(),
            clock: WallClock::default(),
            conditions: None,
            phones: Vec::new(),
            verdict: None,
        }
    }

    /// Dates the entries of the traces.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        Self { clock, ..self }
    }

    /// Says what the network was asked to do, for instance `loss 5 %, jitter 40 ms`.
    #[must_use]
    pub fn conditions(self, conditions: &str) -> Self {
        Self {
            conditions: Some(conditions.to_owned()),
            ..self
        }
    }

    /// Adds a phone: the one that called first. Of two phones the report shows what each sent and the other heard;
    /// all traces are by the same clock.
    #[must_use]
    pub fn phone(mut self, phone: Phone) -> Self {
        self.phones.push(phone);
        self
    }

    /// Adds the judgement, where there was something to compare with.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        Self {
            verdict: Some(verdict),
            ..self
        }
    }

    /// Makes the report.
    pub fn build(self) -> Report {
        let scene = Scene::of(&self.phones);
        let flows = scene.flows();
        let (ladder, negotiation) = ladder::build(&scene, &flows);
        // Of one phone or of two: the directions of a verdict are those of the flows, in the same order.
        let judged = self.verdict.iter().flat_map(|v| &v.directions).map(Some);
        let judged = judged.chain(std::iter::repeat(None));
        let directions: Vec<_> = flows
            .iter()
            .zip(judged)
            .map(|(flow, judged)| flow.direction(&scene, judged))
            .collect();
        let tiles = scene.tiles(&flows, &directions);
        let outcome = match &self.verdict {
            Some(verdict) if verdict.holds() => Outcome::Holds,
            Some(_) => Outcome::Fails,
            None if tiles.connected && !tiles.sound.contains(&Some(false)) => Outcome::SeenWell,
            None => Outcome::SeenBad,
        };
        let headline = headline(outcome, self.verdict.as_ref(), &tiles);
        Report {
            format: Report::FORMAT,
            title: scene.title(),
            software: self.software,
            conditions: self.conditions,
            started: self.clock.rfc3339(scene.start),
            duration_s: scene.seconds(scene.end),
            outcome,
            headline,
            tiles,
            ladder,
            directions,
            negotiation,
            drops: drops::build(&scene),
            notes: scene.notes(),
            participants: scene.participants,
            verdict: self.verdict,
        }
    }
}

fn headline(outcome: Outcome, verdict: Option<&Verdict>, tiles: &Tiles) -> String {
    match (outcome, verdict) {
        (Outcome::Holds, Some(verdict)) => holds(verdict),
        (Outcome::Fails, Some(verdict)) => match verdict.all_reasons().count() {
            1 => "One thing is wrong.".to_owned(),
            n => format!("{n} things are wrong."),
        },
        (Outcome::SeenWell, _) => {
            "Connected, and nothing seen that is wrong. There was no sound to compare with."
                .to_owned()
        }
        _ if !tiles.connected => "The call was not answered.".to_owned(),
        _ => "There was no sound in at least one direction.".to_owned(),
    }
}

/// What it means that nothing is wrong.
fn holds(verdict: &Verdict) -> String {
    let sum =
        |f: fn(&crate::DirectionVerdict) -> u64| -> u64 { verdict.directions.iter().map(f).sum() };
    let recorded = sum(|d| d.recorded).max(1);
    let percent = |samples: u64| samples as f64 * 100.0 / recorded as f64;
    let (equal, named) = (
        percent(sum(|d| d.equal)),
        percent(sum(|d| d.named.values().sum())),
    );
    let (what, of) = match &verdict.seen_by {
        Some(_) => ("heard here is explained", "what the packets that came hold"),
        None => ("is explained", "what the codec makes of the sound sent"),
    };
    let mut text = format!(
        "Every sample {what}: {equal:.2} % are exactly {of}, {named:.2} % are named in playout\u{2019}s log."
    );
    if let Some(seconds) = verdict.judged_s {
        let _ = write!(text, " Judged are the first {seconds:.0} s of the call.");
    }
    if let Some(end) = &verdict.seen_by {
        let _ = write!(text, " What the other end heard, {end} cannot know.");
    }
    text
}

/// A phone, read.
pub(crate) struct End<'a> {
    pub(crate) phone: &'a Phone,
    pub(crate) media: Media<'a>,
    pub(crate) signals: Vec<Signal<'a>>,
    /// What it sent.
    pub(crate) sent: Sent,
    /// What came, by its packets.
    pub(crate) came: Sent,
}

/// All phones of a call, and who else took part.
pub(crate) struct Scene<'a> {
    pub(crate) ends: Vec<End<'a>>,
    pub(crate) participants: Vec<Participant>,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// When the first INVITE left, or came.
    pub(crate) invited: Option<Instant>,
    /// When the first 2xx to an INVITE was seen.
    pub(crate) answered: Option<Instant>,
    ringing: Option<Instant>,
    /// When the first BYE left, or came.
    pub(crate) hung_up: Option<Instant>,
}

impl<'a> Scene<'a> {
    fn of(phones: &'a [Phone]) -> Self {
        let ends: Vec<End<'a>> = phones
            .iter()
            .map(|phone| {
                let media = Media::of(&phone.entries);
                End {
                    phone,
                    signals: Signal::all(&phone.entries),
                    sent: Sent::of(&media, Way::Out, phone.plays.as_ref()),
                    came: Sent::of(&media, Way::In, None),
                    media,
                }
            })
            .collect();
        let times = || phones.iter().flat_map(|p| p.entries.iter().map(|e| e.at));
        let first = |wanted: &dyn Fn(&Signal<'_>) -> bool| {
            ends.iter()
                .flat_map(|e| &e.signals)
                .filter(|s| wanted(s))
                .map(|s| s.at)
                .min()
        };
        let call_id = sip::the_call(ends.iter().flat_map(|e| &e.signals));
        let invited = first(&|s| s.is_request("INVITE") && s.call_id() == call_id);
        let answered = first(&|s| s.is_answer() && s.call_id() == call_id);
        let ringing = first(&|s| {
            let status = s.status_of("INVITE");
            status.is_some_and(|code| (180..200).contains(&code)) && s.call_id() == call_id
        });
        let hung_up = first(&|s| s.is_request("BYE") && s.call_id() == call_id);
        let participants = participants(&ends, call_id.as_deref());
        Self {
            hung_up,
            start: times().min().unwrap_or_default(),
            end: times().max().unwrap_or_default(),
            invited,
            answered,
            ringing,
            participants,
            ends,
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self, at: Instant) -> f64 {
        (at.as_nanos() as f64 - self.start.as_nanos() as f64) / 1e9
    }

    /// Who has `address`, as an index into the participants; the end with the number `end` talks to it.
    pub(crate) fn participant(&self, end: usize, address: SocketAddr) -> usize {
        let text = address.to_string();
        self.participants
            .iter()
            .position(|p| p.addresses.contains(&text))
            .unwrap_or_else(|| self.peer(end))
    }

    /// Whom the end with the number `end` has its call with, as an index into the participants.
    pub(crate) fn peer(&self, end: usize) -> usize {
        match (end, self.participants.len()) {
            (_, 0 | 1) => end,
            (0, _) => 1,
            _ => 0,
        }
    }

    /// Who called whom.
    fn title(&self) -> String {
        let caller = self.ends.iter().enumerate().find_map(|(n, end)| {
            let invite = end
                .signals
                .iter()
                .find(|s| Some(s.at) == self.invited && s.is_request("INVITE"))?;
            Some(match invite.way {
                Way::Out => (n, self.peer(n)),
                Way::In => (self.peer(n), n),
            })
        });
        let (from, to) = caller.unwrap_or_else(|| (0, self.peer(0)));
        let name = |n: usize| self.participants.get(n).map_or("?", |p| p.name.as_str());
        if from == to {
            return name(from).to_owned();
        }
        format!("{} \u{2192} {}", name(from), name(to))
    }

    /// The sound each way.
    fn flows(&self) -> Vec<Flow<'_, 'a>> {
        match self.ends.as_slice() {
            [] => Vec::new(),
            [one] => vec![
                Flow::new(self, Some((0, one)), None),
                Flow::new(self, None, Some((0, one))),
            ],
            [first, second, ..] => vec![
                Flow::new(self, Some((0, first)), Some((1, second))),
                Flow::new(self, Some((1, second)), Some((0, first))),
            ],
        }
    }

    fn tiles(&self, flows: &[Flow<'_, '_>], directions: &[crate::model::Direction]) -> Tiles {
        let after = |at: Option<Instant>| {
            let invited = self.invited?;
            Some(at?.saturating_since(invited).as_secs_f64() * 1e3)
        };
        let worst = flows
            .iter()
            .enumerate()
            .filter_map(|(n, f)| Some((n, f.worst_quality(self)?)))
            .min_by(|a, b| a.1.mos.total_cmp(&b.1.mos));
        Tiles {
            connected: self.answered.is_some(),
            answered_after_ms: after(self.answered),
            ringing_after_ms: after(self.ringing),
            sound: flows.iter().map(Flow::has_sound).collect(),
            worst_direction: worst.as_ref().map(|(n, _)| *n),
            worst_quality: worst.map(|(_, q)| q),
            first_sound_ms: directions
                .iter()
                .filter_map(|d| d.first_sound_ms)
                .max_by(f64::total_cmp),
        }
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes: Vec<_> = self
            .ends
            .iter()
            .flat_map(|end| {
                end.phone.entries.iter().filter_map(|e| match &e.body {
                    TraceBody::Note(text) => Some(Note {
                        at_s: self.seconds(e.at),
                        phone: end.phone.name.clone(),
                        text: masked_text(text.as_bytes()),
                    }),
                    _ => None,
                })
            })
            .collect();
        notes.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        notes
    }
}

/// `bytes` as text, credentials masked.
pub(crate) fn masked_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&crate::masked(bytes)).into_owned()
}

/// The phones, and whoever else they exchanged messages with: first whom the call `call_id` was with.
fn participants(ends: &[End<'_>], call_id: Option<&str>) -> Vec<Participant> {
    let mut all: Vec<Participant> = ends
        .iter()
        .map(|end| Participant {
            name: end.phone.name.clone(),
            addresses: Vec::new(),
            product: None,
            traced: true,
        })
        .collect();
    for (end, own) in ends.iter().zip(&mut all) {
        for signal in &end.signals {
            let address = signal.local.to_string();
            if !own.addresses.contains(&address) {
                own.addresses.push(address);
            }
            if signal.way == Way::Out && own.product.is_none() {
                own.product = signal.product();
            }
        }
    }
    let both = ends.len() > 1;
    for (n, end) in ends.iter().enumerate() {
        let is_of_call = |s: &&Signal<'_>| s.call_id().as_deref() == call_id;
        let strangers = end.signals.iter().filter(|s| !is_of_call(s));
        for signal in end.signals.iter().filter(is_of_call).chain(strangers) {
            let address = signal.remote.to_string();
            if all.iter().any(|p| p.addresses.contains(&address)) {
                continue;
            }
            // Between two phones whose messages are the same bytes, an unknown address is that of a proxy for the other.
            let passed_on = both
                && ends.iter().enumerate().any(|(m, other)| {
                    m != n && other.signals.iter().any(|s| s.bytes == signal.bytes)
                });
            if passed_on {
                continue;
            }
            all.push(Participant {
                name: signal.other_end(&end.phone.name),
                addresses: vec![address],
                product: (signal.way == Way::In).then(|| signal.product()).flatten(),
                traced: false,
            });
        }
    }
    // The product of a stranger shows in its first message that comes in.
    for signal in ends.iter().flat_map(|e| &e.signals) {
        let address = signal.remote.to_string();
        let stranger = all
            .iter_mut()
            .find(|p| !p.traced && p.product.is_none() && p.addresses.contains(&address));
        if let (Some(stranger), Way::In) = (stranger, signal.way) {
            stranger.product = signal.product();
        }
    }
    if all.len() == 1
        && ends
            .iter()
            .any(|e| !e.media.received.is_empty() || !e.media.sent.is_empty())
    {
        all.push(Participant {
            name: "peer".to_owned(),
            addresses: Vec::new(),
            product: None,
            traced: false,
        });
    }
    all
}
