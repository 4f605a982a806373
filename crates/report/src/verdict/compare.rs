//! Sample by sample: is what was heard what the codec makes of what was sent?

use std::time::Duration;

use msp_codecs::{CodecFactory, Pcma, Pcmu, g711};
use msp_core::time::ClockRate;
use msp_core::trace::PlayoutAction;
use msp_dsp::align;

use super::reason::Reason;
use super::timeline::Piece;
use crate::phone::Sound;

/// A sample of less than this may be like any other by chance: silence proves nothing.
const LOUD: u16 = 64;
/// Sounds at least this much alike are the same sound.
const ALIKE: f32 = 0.8;
/// Samples that are compared, and found again, together.
const BLOCK: usize = 80;
/// A sound that goes on elsewhere is found by this many blocks.
const BLOCKS_TO_FIND: usize = 4;
/// Searches for a sound that goes on elsewhere, at most: what needs more is another sound.
const SEARCHES: usize = 200;

/// Positions in a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stretch {
    pub(crate) at: usize,
    pub(crate) len: usize,
}

/// What the comparison found.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Findings {
    /// Samples that playout says came from a packet one to one.
    pub(crate) normal: u64,
    /// Those of them that are equal to the codec's round trip.
    pub(crate) equal: u64,
    /// Samples that nothing explains.
    pub(crate) unexplained: u64,
    /// Where they are, the first ones.
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) reasons: Vec<Reason>,
}

/// A sound is known by this much of it.
const ENOUGH: Duration = Duration::from_secs(30);

/// What is compared.
pub(crate) struct Comparison<'a> {
    pub(crate) heard: &'a [i16],
    /// The position of the first sample of `heard`, as playout counts.
    pub(crate) position: i64,
    pub(crate) pieces: &'a [Piece],
    pub(crate) expected: &'a Sound,
    /// The sound that went the other way.
    pub(crate) other: Option<&'a Sound>,
    /// Decibels by which a sound may be softer or louder, unless it is equal anyway.
    pub(crate) gain_db: f32,
    /// Whether the place of each packet in the expected sound was found by its content.
    pub(crate) proven: bool,
}

impl Comparison<'_> {
    pub(crate) fn run(&self) -> Findings {
        let mut findings = self.tally();
        if findings.equal == findings.normal {
            return findings;
        }
        if let Some(read_as) = self.wrong_law() {
            findings.reasons.push(Reason::WrongLaw { read_as });
            return findings;
        }
        let walk = self.walk();
        if walk.is_the_sound() {
            self.explain(walk, &mut findings);
        } else {
            self.look_for_likeness(&mut findings);
        }
        findings
    }

    /// Pieces of which each sample is one of the sound.
    fn normal(&self) -> impl Iterator<Item = (&Piece, &[i16], i64)> {
        self.pieces.iter().filter_map(|piece| {
            let index = piece.index?;
            let heard = self.heard.get(piece.at..piece.at + piece.len)?;
            (piece.action == Some(PlayoutAction::Normal)).then_some((piece, heard, index))
        })
    }

    fn tally(&self) -> Findings {
        let mut findings = Findings::default();
        for (_, heard, index) in self.normal() {
            findings.normal += heard.len() as u64;
            findings.equal += heard
                .iter()
                .zip(index..)
                .filter(|(sample, i)| **sample == self.expected.at(*i))
                .count() as u64;
        }
        findings
    }

    /// The law by which the heard sound was decoded, if decoding its bytes by the other gives what was expected.
    fn wrong_law(&self) -> Option<&'static str> {
        let laws = [
            ("PCMU", g711::ulaw_encode as fn(i16) -> u8, table(&Pcma)?),
            ("PCMA", g711::alaw_encode, table(&Pcmu)?),
        ];
        laws.into_iter().find_map(|(read_as, encode, decoded)| {
            let (mut loud, mut right, mut as_heard) = (0u64, 0u64, 0u64);
            for (_, heard, index) in self.normal() {
                for (sample, i) in heard.iter().zip(index..) {
                    let expected = self.expected.at(i);
                    if expected.unsigned_abs() > LOUD {
                        loud += 1;
                        as_heard += u64::from(*sample == expected);
                        let read_right = decoded.get(usize::from(encode(*sample)));
                        right += u64::from(read_right == Some(&expected));
                    }
                }
            }
            (loud > 0 && right * 10 >= loud * 9 && right > as_heard).then_some(read_as)
        })
    }

    /// Follows the expected sound through the heard one, also where it goes on earlier or later than it should.
    fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        let reach = i64::from(self.expected.rate.hz());
        // The present one, and the one before the last jump: about there, either explains a sample.
        let (mut lag, mut before) = (0, 0);
        let mut searches = 0;
        // Blocks that differ, since the sound was last known to be where it is.
        let mut open: Vec<Block<'_>> = Vec::new();
        for (piece, heard, index) in self.normal() {
            for (number, samples) in heard.chunks(BLOCK).enumerate() {
                let into = number * BLOCK;
                let block = Block {
                    at: piece.at + into,
                    place: index + into as i64,
                    samples,
                };
                let is_loud = block.is_loud(self.expected, lag);
                let mut differs = block.differing(self.expected, [lag; 2]).is_some();
                if differs && searches < SEARCHES {
                    let rest = heard.get(into..).unwrap_or_default();
                    searches += 1;
                    if let Some(found) = self.find(rest, block.place, lag, reach) {
                        // What differed before it was found may have gone on there already.
                        let first = open.first().unwrap_or(&block);
                        let at = first.differing(self.expected, [lag; 2]);
                        walk.jumps.push(Jump {
                            at: at.map_or(block.at, |(at, _)| at),
                            from: lag,
                            to: found,
                            after_sound: walk.loud_equal > 0,
                        });
                        (before, lag) = (lag, found);
                        differs = false;
                    }
                }
                walk.loud += if is_loud { samples.len() as u64 } else { 0 };
                if differs {
                    open.push(block);
                } else if is_loud {
                    // Of strange sounds single samples are equal too: only whole blocks prove something.
                    walk.loud_equal += samples.len() as u64;
                    walk.close(&mut open, self.expected, [before, lag]);
                    before = lag;
                }
            }
        }
        walk.close(&mut open, self.expected, [before, lag]);
        walk
    }

    /// The lag at which `heard` goes on equal to the expected sound, the nearest to `lag`.
    fn find(&self, heard: &[i16], place: i64, lag: i64, reach: i64) -> Option<i64> {
        let probe = heard.get(..BLOCK * BLOCKS_TO_FIND)?;
        let loud = probe.iter().filter(|s| s.unsigned_abs() > LOUD).count();
        if loud < probe.len() / 4 {
            return None;
        }
        (1..=reach)
            .flat_map(|d| [lag - d, lag + d])
            .find(|candidate| {
                probe
                    .iter()
                    .zip(place + candidate..)
                    .all(|(s, i)| *s == self.expected.at(i))
            })
    }

    /// The sound is there, sample for sample: what is wrong is where it lies, or pieces of it.
    fn explain(&self, walk: Walk, findings: &mut Findings) {
        let late = walk
            .jumps
            .first()
            .filter(|j| !j.after_sound)
            .map(|j| (j.at, -j.to));
        let mut later = walk.jumps.as_slice();
        let mut begun = 0;
        if let Some((at, samples)) = late {
            later = later.get(1..).unwrap_or_default();
            begun = at;
            // An agreement that was only guessed proves no shift; a jump of a guessed map is no finding.
            if self.proven {
                // What else differs may be what the log names elsewhere, for it is off by as much.
                findings.reasons.push(Reason::Shifted {
                    ms: self.ms(samples),
                });
                return;
            }
        }
        for jump in later {
            findings.note(jump.at, (jump.to - jump.from).unsigned_abs());
        }
        for (at, count) in walk.differing.iter().filter(|(at, _)| *at >= begun) {
            findings.note(*at, *count);
        }
        findings.blame_unexplained(self.position, self.expected.rate);
    }

    /// Nothing fits sample for sample: is it the same sound, softer, later, or another one?
    fn look_for_likeness(&self, findings: &mut Findings) {
        let (mut heard, mut expected) = (Vec::new(), Vec::new());
        for (_, samples, index) in self.normal() {
            heard.extend_from_slice(samples);
            expected.extend((index..).take(samples.len()).map(|i| self.expected.at(i)));
        }
        let mut similarity = align::similarity(&expected, &heard);
        let mut gain = align::gain_db(&expected, &heard);
        let mut shift = 0;
        if similarity < ALIKE {
            let (expected, heard) = (self.beginning(&expected), self.beginning(&heard));
            let found = align::find(expected, heard, self.expected.rate);
            if let Some(found) = found.filter(|f| f.similarity > similarity) {
                (similarity, gain, shift) = (found.similarity, found.gain_db, found.delay);
            }
        }
        if similarity < ALIKE {
            let swapped = self.other.is_some_and(|other| {
                align::find(
                    self.beginning(&other.samples),
                    self.beginning(&heard),
                    other.rate,
                )
                .is_some_and(|f| f.similarity >= ALIKE)
            });
            findings.reasons.push(Reason::WrongSound {
                swapped,
                similarity: similarity.max(0.0),
            });
            return;
        }
        let is_off = gain.abs() > self.gain_db;
        if is_off && gain < 0.0 {
            findings.reasons.push(Reason::TooSoft { db: -gain });
        } else if is_off {
            findings.reasons.push(Reason::TooLoud { db: gain });
        }
        if shift != 0 && (self.proven || !is_off) {
            findings
                .reasons
                .push(Reason::Shifted { ms: self.ms(shift) });
        }
        if findings.reasons.is_empty() {
            let first = self.normal().find_map(|(piece, heard, index)| {
                let differs = |(s, i): (&i16, i64)| *s != self.expected.at(i);
                let into = heard.iter().zip(index..).position(differs)?;
                Some(piece.at + into)
            });
            findings.note(first.unwrap_or(0), findings.normal - findings.equal);
            findings.blame_unexplained(self.position, self.expected.rate);
        }
    }

    /// As much of a sound as is enough to know it: a search over all delays takes time by the square of the length.
    fn beginning<'s>(&self, pcm: &'s [i16]) -> &'s [i16] {
        let enough = usize::try_from(self.expected.rate.ticks(ENOUGH)).unwrap_or(usize::MAX);
        pcm.get(..enough).unwrap_or(pcm)
    }

    fn ms(&self, samples: i64) -> f64 {
        samples as f64 * 1000.0 / f64::from(self.expected.rate.hz())
    }
}

impl Findings {
    /// Places that are kept; more are only counted.
    const STRETCHES: usize = 1000;

    /// `count` samples from `at` on are not explained.
    pub(crate) fn note(&mut self, at: usize, count: u64) {
        self.unexplained += count;
        if self.stretches.len() < Self::STRETCHES {
            self.stretches.push(Stretch {
                at,
                len: usize::try_from(count).unwrap_or(usize::MAX),
            });
        }
    }

    pub(crate) fn blame_unexplained(&mut self, position: i64, rate: ClockRate) {
        self.stretches.sort_by_key(|s| s.at);
        self.reasons
            .retain(|r| !matches!(r, Reason::UnexplainedSamples { .. }));
        if let Some(first) = self.stretches.first() {
            let first = position.saturating_add(first.at as i64);
            self.reasons.push(Reason::UnexplainedSamples {
                first,
                first_ms: first as f64 * 1e3 / f64::from(rate.hz()),
                count: self.unexplained,
            });
        }
    }
}

#[derive(Debug, Default)]
struct Walk {
    loud: u64,
    loud_equal: u64,
    jumps: Vec<Jump>,
    /// The first differing sample of a block, and how many of the block differ.
    differing: Vec<(usize, u64)>,
}

/// Samples that are compared together.
#[derive(Clone, Copy, Debug)]
struct Block<'a> {
    /// Of the first sample, in the recording.
    at: usize,
    /// Of the first sample, in the expected sound as playout has it.
    place: i64,
    samples: &'a [i16],
}

impl Block<'_> {
    /// The first sample that differs from the sound that lies further on by either of `lags`, and how many do.
    fn differing(&self, expected: &Sound, lags: [i64; 2]) -> Option<(usize, u64)> {
        let mut differing = self
            .samples
            .iter()
            .zip(self.place..)
            .enumerate()
            .filter(|(_, (s, i))| lags.iter().all(|lag| **s != expected.at(i + lag)))
            .map(|(into, _)| self.at + into);
        let first = differing.next()?;
        Some((first, 1 + differing.count() as u64))
    }

    fn is_loud(&self, expected: &Sound, lag: i64) -> bool {
        let place = self.place + lag;
        self.samples.iter().any(|s| s.unsigned_abs() > LOUD)
            || (place..place + self.samples.len() as i64)
                .any(|i| expected.at(i).unsigned_abs() > LOUD)
    }
}

/// The sound goes on elsewhere than it should.
#[derive(Debug)]
struct Jump {
    at: usize,
    from: i64,
    to: i64,
    /// Whether any of the sound was heard before.
    after_sound: bool,
}

impl Walk {
    /// Keeps of the blocks what differs even now that it is known where the sound goes on.
    fn close(&mut self, open: &mut Vec<Block<'_>>, expected: &Sound, lags: [i64; 2]) {
        let differing = open.drain(..).filter_map(|b| b.differing(expected, lags));
        self.differing.extend(differing);
    }

    fn is_the_sound(&self) -> bool {
        self.loud_equal * 2 >= self.loud && self.loud_equal > 0
    }
}

/// What a codec makes of each byte.
fn table(codec: &dyn CodecFactory) -> Option<Vec<i16>> {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let mut out = vec![0; bytes.len()];
    codec.decoder().decode(&bytes, &mut out).ok()?;
    Some(out)
}
