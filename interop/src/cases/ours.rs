//! What most cases have in common: our end, and the judgement of its recording.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::sound::{Codec, Match, round_trip};
use crate::tipring::Tipring;
use crate::wav::Wav;

/// Longer than any call of a case: whoever has not ended by then hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(40);
/// Long enough for a program to start on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Our end with its voice, its recording and its report.
pub(crate) struct Ours {
    pub(crate) tipring: Tipring,
    /// The file it plays.
    pub(crate) voice: PathBuf,
    recording: PathBuf,
}

impl Ours {
    /// Waits for a call on `port` of 127.0.0.1 and takes it.
    pub(crate) fn answer(lab: &Lab<'_>, port: u16, more: &[&str]) -> Result<Self, Error> {
        let bind = format!("127.0.0.1:{port}");
        let mut ours = Self::start(
            lab,
            &[
                "answer",
                "--auto-answer",
                "--max-calls",
                "1",
                "--bind",
                &bind,
            ],
            more,
        )?;
        ours.tipring.wait_for("listening", SOON)?;
        Ok(ours)
    }

    /// Calls `uri` from any port of 127.0.0.1.
    pub(crate) fn call(lab: &Lab<'_>, uri: &str, more: &[&str]) -> Result<Self, Error> {
        let host = if uri.contains("[::1]") {
            "::1"
        } else {
            "127.0.0.1"
        };
        Self::start(lab, &["call", uri, "--bind", host], more)
    }

    fn start(lab: &Lab<'_>, verb: &[&str], more: &[&str]) -> Result<Self, Error> {
        let voice = lab.voice("alice")?;
        let recording = lab.path("recording.wav");
        let files = [
            "--play",
            path(&voice)?,
            "--record",
            path(&recording)?,
            "--report",
            "report.html",
        ];
        let args = verb.iter().chain(&files).chain(more);
        Ok(Self {
            tipring: Tipring::start(lab, args)?,
            recording,
            voice,
        })
    }

    /// The sound that it heard: the right track of its recording.
    pub(crate) fn heard(&self) -> Result<Vec<i16>, Error> {
        let mut wav = Wav::read(&self.recording)?;
        ensure(wav.rate == 8_000 && wav.channels.len() == 2, || {
            format!(
                "the recording has {} channels at {} Hz",
                wav.channels.len(),
                wav.rate
            )
        })?;
        wav.channels
            .pop()
            .ok_or_else(|| Error::new("the recording has no track"))
    }

    /// Demands that it heard at least `seconds` of `file` after `codec`, in one piece, and what it
    /// recorded of its own voice is its file.
    pub(crate) fn must_have_heard(
        &self,
        file: &Path,
        codec: Codec,
        seconds: usize,
    ) -> Result<(), Error> {
        let said = round_trip(file, codec)?;
        self.must_have_heard_samples(&said, seconds)
    }

    pub(crate) fn must_have_heard_samples(
        &self,
        said: &[i16],
        seconds: usize,
    ) -> Result<(), Error> {
        Match::find(said, &self.heard()?)
            .in_one_piece(seconds * 8_000)
            .map_err(|error| Error::new(format!("heard by us: {error}")))
    }
}

/// Paths go to programs as text.
pub(crate) fn path(path: &Path) -> Result<&str, Error> {
    path.to_str()
        .ok_or_else(|| Error::new(format!("{} is not UTF-8", path.display())))
}
