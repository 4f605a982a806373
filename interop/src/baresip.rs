//! baresip: a whole phone, led over its control socket.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::{Deadline, wait_until};
use crate::error::Error;
use crate::lab::Lab;
use crate::ports;
use crate::process::Process;

/// How to start it.
pub(crate) struct Setup<'a> {
    /// The file it speaks, at 8 kHz; it hangs up at its end.
    pub(crate) voice: &'a Path,
    pub(crate) answers: Answers,
    /// Its names of the codecs it offers, best first.
    pub(crate) codecs: &'static str,
    /// Its name of how media are encrypted; none for not at all.
    pub(crate) encryption: Option<&'static str>,
    /// Where it registers; nowhere for none.
    pub(crate) account: Option<Account<'a>>,
}

/// Who it is at a provider.
#[derive(Clone, Copy)]
pub(crate) struct Account<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// `127.0.0.1:PORT`
    pub(crate) host: &'a str,
}

/// What it does when it is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    AtOnce,
    /// It rings.
    WhenTold,
}

impl Answers {
    fn mode(self) -> &'static str {
        match self {
            Self::AtOnce => "auto",
            Self::WhenTold => "manual",
        }
    }
}

impl Account<'_> {
    /// As the file of its accounts has it.
    fn line(&self) -> String {
        let Self {
            user,
            password,
            host,
        } = self;
        format!("<sip:{user}@{host}>;auth_pass={password};regint=600")
    }
}

impl<'a> Setup<'a> {
    /// A phone that speaks `voice` to whom it calls.
    pub(crate) const fn caller(voice: &'a Path) -> Self {
        Self {
            voice,
            answers: Answers::WhenTold,
            codecs: "PCMU/8000/1,PCMA/8000/1",
            encryption: None,
            account: None,
        }
    }

    /// A phone that speaks `voice` to who calls it.
    pub(crate) const fn callee(voice: &'a Path) -> Self {
        Self {
            voice,
            answers: Answers::AtOnce,
            codecs: "PCMU/8000/1,PCMA/8000/1,L16/8000/1",
            encryption: None,
            account: None,
        }
    }
}

/// A running baresip.
pub(crate) struct Baresip {
    process: Process,
    control: TcpStream,
    received: Vec<u8>,
    events: Vec<Value>,
    port: u16,
    recordings: PathBuf,
}

impl Baresip {
    pub(crate) fn start(lab: &Lab, setup: &Setup<'_>) -> Result<Self, Error> {
        Self::start_for(lab, setup, 2)
    }

    /// Starts one that takes up to `calls` calls; only one of few records them.
    pub(crate) fn start_for(lab: &Lab, setup: &Setup<'_>, calls: u16) -> Result<Self, Error> {
        let port = ports::block()?;
        let media = ports::row(4 * calls)?;
        let recorder = if calls <= 2 {
            "module sndfile.so\n"
        } else {
            ""
        };
        let home = lab.path("baresip");
        let recordings = home.join("recordings");
        fs::create_dir_all(&recordings).map_err(|error| Error::io(recordings.display(), &error))?;
        // It takes the port above the signalling port for TLS, whether wanted or not.
        let control = port + 2;
        let config = format!(
            "poll_method epoll\n\
             sip_listen 127.0.0.1:{port}\n\
             call_max_calls {calls}\n\
             net_interface 127.0.0.1\n\
             audio_player none\n\
             audio_source aufile,{voice}\n\
             audio_alert none\n\
             ausrc_srate 8000\n\
             auplay_srate 8000\n\
             rtp_ports {media}-{last}\n\
             rtp_stats yes\n\
             jitter_buffer_delay 1-20\n\
             module_path {modules}\n\
             module g711.so\n\
             module l16.so\n\
             module aufile.so\n\
             module srtp.so\n\
             {recorder}\
             module_tmp account.so\n\
             module_app menu.so\n\
             module_app ctrl_tcp.so\n\
             ctrl_tcp_listen 127.0.0.1:{control}\n\
             snd_path {recordings}\n",
            voice = setup.voice.display(),
            last = media + 4 * calls - 1,
            modules = modules().display(),
            recordings = recordings.display(),
        );
        let account = format!(
            "{};answermode={};audio_codecs={}{}\n",
            setup.account.as_ref().map_or_else(
                || format!("<sip:baresip@127.0.0.1:{port}>;regint=0"),
                Account::line
            ),
            setup.answers.mode(),
            setup.codecs,
            setup
                .encryption
                .map_or_else(String::new, |how| format!(";mediaenc={how}")),
        );
        for (name, text) in [("config", &config), ("accounts", &account)] {
            fs::write(home.join(name), text).map_err(|error| Error::io(name, &error))?;
        }
        let mut process = Process::start(
            lab.folder(),
            "baresip",
            Command::new("baresip").arg("-v").arg("-f").arg(&home),
        )?;
        let connected = wait_until(Deadline::after(Duration::from_secs(10)), || {
            if process.has_ended() {
                Some(None)
            } else {
                TcpStream::connect(("127.0.0.1", control)).ok().map(Some)
            }
        });
        let Some(Some(control)) = connected else {
            return Err(Error::new("baresip did not start; see baresip.out"));
        };
        control
            .set_read_timeout(Some(Duration::from_millis(20)))
            .map_err(|error| Error::io("baresip's control socket", &error))?;
        Ok(Self {
            process,
            control,
            received: Vec::new(),
            events: Vec::new(),
            port,
            recordings,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn dial(&mut self, uri: &str) -> Result<(), Error> {
        self.command("dial", uri)
    }

    pub(crate) fn hang_up(&mut self) -> Result<(), Error> {
        self.command("hangup", "")
    }

    /// Takes the call that rings.
    pub(crate) fn accept(&mut self) -> Result<(), Error> {
        self.command("accept", "")
    }

    pub(crate) fn hold(&mut self) -> Result<(), Error> {
        self.command("hold", "")
    }

    pub(crate) fn resume(&mut self) -> Result<(), Error> {
        self.command("resume", "")
    }

    /// Asks the peer of its call to call `uri` instead.
    pub(crate) fn transfer(&mut self, uri: &str) -> Result<(), Error> {
        self.command("transfer", uri)
    }

    pub(crate) fn send_digit(&mut self, digit: char) -> Result<(), Error> {
        self.command("sndcode", &digit.to_string())
    }

    /// Ends it the way a crash would: no BYE.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Waits for an event of this type; events before it are kept.
    pub(crate) fn wait_for(&mut self, kind: &str, limit: Duration) -> Result<Value, Error> {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
                return Ok(self.events.remove(at));
            }
            if deadline.is_over() {
                return Err(Error::new(format!(
                    "baresip had no {kind} within {} s",
                    limit.as_secs()
                )));
            }
            self.read()?;
        }
    }

    /// Waits until it prints that it is registered; the event of that may come before anybody reads its events.
    pub(crate) fn wait_until_registered(&self, limit: Duration) -> Result<(), Error> {
        let registered = wait_until(Deadline::after(limit), || {
            let said = self.process.stdout() + &self.process.stderr();
            said.contains(" 200 OK ").then_some(())
        });
        registered.ok_or_else(|| {
            Error::new(format!(
                "baresip is not registered within {} s; see baresip.out",
                limit.as_secs()
            ))
        })
    }

    /// Waits for as many digits as `digits` has and demands that they are those.
    pub(crate) fn wait_for_digits(&mut self, digits: &str, limit: Duration) -> Result<(), Error> {
        let mut heard = String::new();
        for _ in digits.chars() {
            let event = self.wait_for("CALL_DTMF_START", limit).map_err(|error| {
                Error::new(format!(
                    "{error}; digits until then: `{heard}`, sent: `{digits}`"
                ))
            })?;
            heard.push_str(event["param"].as_str().unwrap_or("?"));
        }
        if heard == digits {
            Ok(())
        } else {
            Err(Error::new(format!(
                "baresip heard `{heard}`, not `{digits}`"
            )))
        }
    }

    /// What it sent and what it received, as it recorded both: files that end with `enc` and `dec`.
    pub(crate) fn recording(&self, direction: &str) -> Result<PathBuf, Error> {
        let all = self.recordings_of(direction)?;
        let first = all.into_iter().next();
        first.ok_or_else(|| nothing_recorded(direction))
    }

    fn recordings_of(&self, direction: &str) -> Result<Vec<PathBuf>, Error> {
        let end = format!("-{direction}.wav");
        let entries = fs::read_dir(&self.recordings)
            .map_err(|error| Error::io("baresip's recordings", &error))?;
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        Ok(paths
            .filter(|path| path.to_string_lossy().ends_with(&end))
            .collect())
    }

    /// What it sent or received in the last call that it recorded.
    pub(crate) fn last_recording(&self, direction: &str) -> Result<PathBuf, Error> {
        let mut all = self.recordings_of(direction)?;
        // Their names begin with the time.
        all.sort();
        all.pop().ok_or_else(|| nothing_recorded(direction))
    }

    /// How many packets of sound it says that it received in the call that is over.
    pub(crate) fn received_packets(&mut self) -> Result<u64, Error> {
        self.wait_for("CALL_CLOSED", Duration::from_secs(10))?;
        let counted = wait_until(Deadline::after(Duration::from_secs(5)), || {
            let said = self.process.stdout() + &self.process.stderr();
            let line = said.lines().rfind(|line| line.starts_with("packets:"))?;
            line.split_whitespace().nth(2)?.parse().ok()
        });
        counted.ok_or_else(|| Error::new("baresip prints no statistics"))
    }

    fn command(&mut self, command: &str, params: &str) -> Result<(), Error> {
        let text = json!({ "command": command, "params": params }).to_string();
        self.control
            .write_all(format!("{}:{text},", text.len()).as_bytes())
            .map_err(|error| Error::io("baresip's control socket", &error))
    }

    /// Reads netstrings (`LEN:TEXT,`) for a moment.
    fn read(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => return Err(Error::new("baresip closed its control socket")),
            Ok(len) => self.received.extend(buffer.iter().take(len)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(Error::io("baresip's control socket", &error)),
        }
        while let Some((event, used)) = netstring(&self.received) {
            self.received.drain(..used);
            if event["event"] == true {
                self.events.push(event);
            } else if event["response"] == true && event["ok"] != true {
                return Err(Error::new(format!("baresip refuses a command: {event}")));
            }
        }
        Ok(())
    }
}

fn nothing_recorded(direction: &str) -> Error {
    Error::new(format!(
        "baresip recorded no -{direction}.wav: it had no sound in that direction"
    ))
}

/// The first whole netstring of JSON, and how many bytes it takes.
fn netstring(bytes: &[u8]) -> Option<(Value, usize)> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let len: usize = std::str::from_utf8(bytes.get(..colon)?)
        .ok()?
        .parse()
        .ok()?;
    let text = bytes.get(colon + 1..colon + 1 + len)?;
    Some((
        serde_json::from_slice(text).unwrap_or_default(),
        colon + len + 2,
    ))
}

/// Where the Debian package lays its modules.
fn modules() -> &'static Path {
    Path::new("/usr/lib/baresip/modules")
}

/// `1.0.0` of `baresip v1.0.0 Copyright ...`
pub(crate) fn version() -> Option<String> {
    let text = Command::new("baresip").arg("-h").output().ok()?;
    let text = String::from_utf8_lossy(&[text.stdout, text.stderr].concat()).into_owned();
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with('v') && word[1..].starts_with(char::is_numeric))?;
    Some(word[1..].to_owned())
}

#[cfg(test)]
mod tests;
