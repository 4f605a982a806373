//! What most cases have in common: our end, and the judgement of its recording.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::report::Report;
use crate::sound::{Codec, Match};
use crate::tipring::Tipring;
use crate::wav::Wav;

/// Longer than any call of a case: whoever has not ended by then hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Long enough for a program to start on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Where users are registered.
pub(crate) struct Provider<'a> {
    /// `127.0.0.1:PORT`, which is its domain too.
    pub(crate) host: &'a str,
    /// The same with `;transport=tcp` for instance.
    pub(crate) proxy: String,
}

/// Our end with its voice, its recording and its report.
pub(crate) struct Ours {
    pub(crate) tipring: Tipring,
    /// The file it plays.
    pub(crate) voice: PathBuf,
    recording: PathBuf,
    report: PathBuf,
}

impl Ours {
    /// Waits for a call on `port` of 127.0.0.1 and takes it; `codec` is what the caller will choose.
    pub(crate) fn answer(lab: &Lab, port: u16, codec: Codec) -> Result<Self, Error> {
        Self::wait(lab, port, codec, "--auto-answer")
    }

    /// The same with `more` on the command line.
    pub(crate) fn answer_with(
        lab: &Lab,
        port: u16,
        codec: Codec,
        more: &[&str],
    ) -> Result<Self, Error> {
        Self::wait_with(lab, port, codec, "--auto-answer", more)
    }

    /// Waits for a call on `port` of 127.0.0.1 and lets it ring.
    pub(crate) fn ring(lab: &Lab, port: u16) -> Result<Self, Error> {
        Self::wait(lab, port, Codec::Pcmu, "--auto-answer=180")
    }

    /// Waits for a call on `port` of 127.0.0.1 and refuses it with `status`.
    pub(crate) fn refuse(lab: &Lab, port: u16, status: &str) -> Result<Self, Error> {
        Self::wait(lab, port, Codec::Pcmu, &format!("--auto-answer={status}"))
    }

    fn wait(lab: &Lab, port: u16, codec: Codec, how: &str) -> Result<Self, Error> {
        Self::wait_with(lab, port, codec, how, &[])
    }

    fn wait_with(
        lab: &Lab,
        port: u16,
        codec: Codec,
        how: &str,
        more: &[&str],
    ) -> Result<Self, Error> {
        Self::wait_as(lab, "alice", port, codec, how, more)
    }

    /// Waits for a call on `port` of 127.0.0.1 and takes it, with the voice of `who`.
    pub(crate) fn answer_as(lab: &Lab, who: &str, port: u16, more: &[&str]) -> Result<Self, Error> {
        Self::wait_as(lab, who, port, Codec::Pcmu, "--auto-answer", more)
    }

    fn wait_as(
        lab: &Lab,
        who: &str,
        port: u16,
        codec: Codec,
        how: &str,
        more: &[&str],
    ) -> Result<Self, Error> {
        let bind = format!("127.0.0.1:{port}");
        let mut ours = Self::start(
            lab,
            who,
            &["answer", how, "--max-calls", "1", "--bind", &bind],
            codec,
            more,
        )?;
        ours.tipring.wait_for("listening", SOON)?;
        Ok(ours)
    }

    /// Registers as `user` at a provider and waits there for one call: `status` is what it says to it, 200 or 180 for
    /// instance, or it rings until somebody types.
    pub(crate) fn registered(
        lab: &Lab,
        provider: &Provider<'_>,
        user: (&str, &str),
        status: Option<&str>,
    ) -> Result<Self, Error> {
        let address = format!("{}@{}", user.0, provider.host);
        let how = status.map(|status| format!("--auto-answer={status}"));
        let mut verb = vec!["answer", "--max-calls", "1", "--bind", "127.0.0.1:0"];
        verb.extend(how.as_deref());
        verb.extend(["--user", &address, "--password", user.1]);
        verb.extend(["--proxy", &provider.proxy]);
        let mut ours = Self::start(lab, "bob", &verb, Codec::Pcmu, &[])?;
        ours.tipring.wait_for("registered", SOON)?;
        Ok(ours)
    }

    /// Calls `whom` at a provider as `user`.
    pub(crate) fn call_at(
        lab: &Lab,
        provider: &Provider<'_>,
        user: (&str, &str),
        whom: &str,
        more: &[&str],
    ) -> Result<Self, Error> {
        let uri = format!("sip:{whom}@{}", provider.host);
        let mut verb = vec!["call", &uri, "--bind", "127.0.0.1", "--user", user.0];
        verb.extend(["--password", user.1, "--proxy", &provider.proxy]);
        Self::start(lab, "alice", &verb, Codec::Pcmu, more)
    }

    /// Calls `uri` from any port of this machine; `codec` is what the callee will choose.
    pub(crate) fn call(lab: &Lab, uri: &str, codec: Codec, more: &[&str]) -> Result<Self, Error> {
        let host = if uri.contains("[::1]") {
            "::1"
        } else {
            "127.0.0.1"
        };
        Self::start(lab, "alice", &["call", uri, "--bind", host], codec, more)
    }

    fn start(
        lab: &Lab,
        who: &str,
        verb: &[&str],
        codec: Codec,
        more: &[&str],
    ) -> Result<Self, Error> {
        let voice = lab.voice(who, codec)?;
        let recording = lab.path("recording.wav");
        let report = lab.path("report.json");
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
            tipring: Tipring::start_typing(lab, args)?,
            recording,
            report,
            voice,
        })
    }

    /// From now on what it recorded and reported is that of the call which the peer of its first asked for.
    pub(crate) fn turn_to_followed(&mut self) {
        self.recording = self.recording.with_file_name("recording-followed.wav");
        self.report = self.report.with_file_name("report-followed.json");
    }

    /// The sound that it sent: the left track of its recording.
    pub(crate) fn said(&self) -> Result<Vec<i16>, Error> {
        Ok(self.tracks()?.0)
    }

    /// The sound that it heard: the right track of its recording.
    pub(crate) fn heard(&self) -> Result<Vec<i16>, Error> {
        Ok(self.tracks()?.1)
    }

    fn tracks(&self) -> Result<(Vec<i16>, Vec<i16>), Error> {
        let wav = Wav::read(&self.recording)?;
        match <[Vec<i16>; 2]>::try_from(wav.channels) {
            Ok([left, right]) if wav.rate == 8_000 => Ok((left, right)),
            _ => Err(Error::new(
                "the recording is not of two channels at 8000 Hz",
            )),
        }
    }

    /// Demands that it heard at least `seconds` of `file`, each sample its own or named by playout's log, and that its
    /// report finds nothing wrong with that.
    pub(crate) fn must_have_heard(&self, file: &Path, seconds: usize) -> Result<(), Error> {
        self.must_have_heard_with(file, seconds, &[])
    }

    /// The same of a call with which the report has to find `wrong` what these codes say.
    pub(crate) fn must_have_heard_with(
        &self,
        file: &Path,
        seconds: usize,
        wrong: &[&str],
    ) -> Result<(), Error> {
        let report = self.report()?;
        let found = Match::find(&Wav::read_mono(file)?, &self.heard()?);
        found
            .explained(seconds * 8_000, report.heard()?.made_up())
            .map_err(|error| Error::new(format!("heard by us: {error}")))?;
        let told = report.wrong();
        ensure(told == wrong, || {
            format!("our report finds {told:?} wrong, it should {wrong:?}")
        })
    }

    /// What it reported.
    pub(crate) fn report(&self) -> Result<Report, Error> {
        Report::read(&self.report)
    }
}

/// Paths go to programs as text.
pub(crate) fn path(path: &Path) -> Result<&str, Error> {
    path.to_str()
        .ok_or_else(|| Error::new(format!("{} is not UTF-8", path.display())))
}
