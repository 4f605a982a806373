//! Whether what was heard is what was said, sample by sample.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use crate::error::{Error, ensure};
use crate::process::output;
use crate::wav::Wav;

/// So many samples in a row do not equal others by chance: our speech lies on a floor of noise.
const WINDOW: usize = 32;

/// A codec that sox knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Pcmu,
    Pcma,
    L16,
}

impl Codec {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::L16 => "l16",
        }
    }

    /// What sox calls its raw payload; linear sound needs no codec.
    fn sox_format(self) -> Option<&'static str> {
        match self {
            Self::Pcmu => Some("ul"),
            Self::Pcma => Some("al"),
            Self::L16 => None,
        }
    }
}

/// A stretch of the heard sound that equals a stretch of the said sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it starts in the heard sound.
    pub(crate) heard: usize,
    /// Where it starts in the said sound.
    pub(crate) said: usize,
    pub(crate) len: usize,
}

/// The heard sound, explained by the said one.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) runs: Vec<Run>,
    heard_len: usize,
}

impl Match {
    /// Finds in `heard` all stretches of `said` that are there sample for sample.
    pub(crate) fn find(said: &[i16], heard: &[i16]) -> Self {
        let mut places: HashMap<&[i16], Vec<usize>> = HashMap::new();
        for (at, window) in said.windows(WINDOW).enumerate() {
            places.entry(window).or_default().push(at);
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut at = 0;
        while let Some(window) = heard.get(at..at + WINDOW) {
            let longest = places
                .get(window)
                .into_iter()
                .flatten()
                .map(|&from| {
                    let equal = said[from..]
                        .iter()
                        .zip(&heard[at..])
                        .take_while(|(a, b)| a == b)
                        .count();
                    Run {
                        heard: at,
                        said: from,
                        len: equal,
                    }
                })
                .max_by_key(|run| run.len);
            match longest {
                Some(run) => {
                    at += run.len;
                    runs.push(run);
                }
                None => at += 1,
            }
        }
        Self {
            runs,
            heard_len: heard.len(),
        }
    }

    /// Samples of the said sound that were heard.
    pub(crate) fn samples(&self) -> usize {
        self.runs.iter().map(|run| run.len).sum()
    }

    /// Stretches of the heard sound between the first and the last sample explained that are not,
    /// as (start, length).
    pub(crate) fn holes(&self) -> Vec<(usize, usize)> {
        self.runs
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if b.heard > a.heard + a.len => {
                    Some((a.heard + a.len, b.heard - a.heard - a.len))
                }
                _ => None,
            })
            .collect()
    }

    /// How often the said sound does not go on where it stopped.
    pub(crate) fn jumps(&self) -> usize {
        self.runs
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if b.said.wrapping_sub(b.heard) != a.said.wrapping_sub(a.heard)))
            .count()
    }

    /// Demands at least `samples` of the said sound, and from the first to the last of them no more samples
    /// that are not its own than the listener says it made up; what it made up before the first is none of them.
    pub(crate) fn explained(&self, samples: usize, made_up: u64) -> Result<(), Error> {
        let before = self.runs.first().map_or(0, |run| run.heard);
        let made_up = made_up.saturating_sub(before as u64);
        if made_up == 0 {
            return self.in_one_piece(samples);
        }
        ensure(self.samples() >= samples, || {
            format!(
                "{} samples of the sound arrived, at least {samples} should have; {self}",
                self.samples()
            )
        })?;
        let strange: usize = self.holes().iter().map(|(_, len)| len).sum();
        ensure(strange as u64 <= made_up, || {
            format!(
                "{strange} samples are not those that were said, {made_up} are said to be made up: {self}"
            )
        })
    }

    /// Demands at least `samples` of the said sound, each once and in order, with pauses or without.
    pub(crate) fn in_order(&self, samples: usize) -> Result<(), Error> {
        let in_order = self
            .runs
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.said + a.len == b.said));
        ensure(self.samples() >= samples && in_order, || {
            format!("{samples} samples in order should be there; {self}")
        })
    }

    /// Demands at least `samples` of the said sound, all in one piece.
    pub(crate) fn in_one_piece(&self, samples: usize) -> Result<(), Error> {
        ensure(self.samples() >= samples, || {
            format!(
                "{} samples of the sound arrived, at least {samples} should have; {self}",
                self.samples()
            )
        })?;
        ensure(self.holes().is_empty() && self.jumps() == 0, || {
            format!("the sound arrived in pieces: {self}")
        })
    }
}

impl std::fmt::Display for Match {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples, of the said sound:", self.heard_len)?;
        for run in self.runs.iter().take(8) {
            write!(f, " {}..{} at {}", run.said, run.said + run.len, run.heard)?;
        }
        if self.runs.len() > 8 {
            write!(f, " and {} stretches more", self.runs.len() - 8)?;
        }
        Ok(())
    }
}

/// Writes to `to` what `codec` leaves of `from`. Any encoder gives such sound back as it is, be it one that rounds
/// (sox) or one that cuts off (ITU-T G.191): what arrives then equals the file.
pub(crate) fn through(from: &Path, to: &Path, codec: Codec) -> Result<(), Error> {
    let Some(format) = codec.sox_format() else {
        return encode(from, to);
    };
    let coded = to.with_extension(format);
    encode(from, &coded)?;
    decode(&coded, to, codec)?;
    // µ-law has two zeros, and baresip decodes one of them as 2: the next value up is everybody's.
    let samples: Vec<i16> = Wav::read_mono(to)?
        .iter()
        .map(|&sample| if sample == 0 { 8 } else { sample })
        .collect();
    Wav::write_mono(to, 8_000, &samples)
}

/// The level of a file in dB of full scale, as sox measures it.
pub(crate) fn level(file: &Path) -> Result<f64, Error> {
    let mut sox = Command::new("sh");
    // It prints its statistics on the error stream.
    let text = output(sox.args(["-c", "sox \"$0\" -n stats 2>&1"]).arg(file))?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("RMS lev dB")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .ok_or_else(|| Error::new(format!("sox measures no level of {}", file.display())))
}

/// Decodes a file that holds nothing but payload, by sox's codec.
pub(crate) fn decode(payload: &Path, to: &Path, codec: Codec) -> Result<(), Error> {
    let format = codec.sox_format().unwrap_or("s16");
    let mut sox = Command::new("sox");
    sox.args(["-D", "-t", format, "-r", "8000", "-c", "1"])
        .arg(payload);
    output(sox.args(["-e", "signed", "-b", "16"]).arg(to)).map(drop)
}

/// Codes a file the way its new name's ending says, by sox, without dither.
pub(crate) fn encode(from: &Path, to: &Path) -> Result<(), Error> {
    output(Command::new("sox").arg("-D").arg(from).arg(to)).map(drop)
}

/// Writes `from` at `rate` with one channel, by sox, without dither.
pub(crate) fn resample(from: &Path, to: &Path, rate: u32) -> Result<(), Error> {
    output(
        Command::new("sox")
            .arg("-D")
            .arg(from)
            .args(["-r", &rate.to_string(), "-c", "1"])
            .arg(to),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, mut state: u32) -> Vec<i16> {
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as u16 as i16
            })
            .collect()
    }

    #[test]
    fn a_copy_with_silence_around_it_is_one_piece() {
        let said = noise(1000, 1);
        let heard = [vec![0; 77], said.clone(), vec![0; 55]].concat();
        let found = Match::find(&said, &heard);
        assert_eq!(
            found.runs,
            [Run {
                heard: 77,
                said: 0,
                len: 1000
            }]
        );
        found.in_one_piece(1000).expect("all is there");
        assert!(
            found.in_one_piece(1001).is_err(),
            "more than was said cannot be asked"
        );
    }

    #[test]
    fn a_hole_is_seen_where_it_is() {
        let said = noise(1000, 2);
        let mut heard = said.clone();
        heard[400..560].fill(0);
        let found = Match::find(&said, &heard);
        assert_eq!(found.holes(), [(400, 160)]);
        assert_eq!(found.jumps(), 0);
        assert!(found.in_one_piece(800).is_err());
    }

    #[test]
    fn a_hole_is_explained_by_as_many_samples_made_up() {
        let said = noise(1000, 7);
        let mut heard = [vec![0; 50], said.clone()].concat();
        heard[450..610].fill(0);
        let found = Match::find(&said, &heard);
        found
            .explained(800, 210)
            .expect("the listener owns up to it");
        assert!(
            found.explained(800, 209).is_err(),
            "one sample is not explained"
        );
        assert!(found.explained(900, 210).is_err(), "too little arrived");
    }

    #[test]
    fn a_frame_cut_out_is_a_jump() {
        let said = noise(1000, 3);
        let heard = [&said[..480], &said[640..]].concat();
        let found = Match::find(&said, &heard);
        assert_eq!((found.holes().len(), found.jumps()), (0, 1));
        assert!(found.in_one_piece(800).is_err());
    }

    #[test]
    fn a_pause_keeps_the_order_and_a_cut_does_not() {
        let said = noise(1000, 8);
        let paused = [&said[..480], &[0; 80], &said[480..]].concat();
        Match::find(&said, &paused)
            .in_order(1000)
            .expect("all of it");
        let cut = [&said[..480], &said[640..]].concat();
        assert!(Match::find(&said, &cut).in_order(800).is_err());
    }

    #[test]
    fn another_sound_is_not_found_at_all() {
        let found = Match::find(&noise(1000, 4), &noise(1000, 5));
        assert_eq!(found.samples(), 0);
        assert!(found.in_one_piece(1).is_err());
    }

    #[test]
    fn one_wrong_sample_is_seen() {
        let said = noise(1000, 6);
        let mut heard = said.clone();
        heard[500] ^= 1;
        assert_eq!(Match::find(&said, &heard).holes(), [(500, 1)]);
    }
}
