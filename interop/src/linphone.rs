//! linphone: a whole phone, led over its standard input.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::clock::{Deadline, pause, wait_until};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::process::{Process, output};

/// How to start it.
pub(crate) struct Setup {
    /// It takes calls at once; else it rings.
    pub(crate) answers: bool,
    /// It tells the keys that it presses by events among the media (RFC 4733); else by INFO.
    pub(crate) digits_in_media: bool,
    /// Its name of how media are encrypted.
    pub(crate) encryption: &'static str,
    /// It insists on provisional responses being acknowledged (RFC 3262).
    pub(crate) insists_on_prack: bool,
}

impl Setup {
    /// One that takes calls at once and tells keys by INFO.
    pub(crate) const PLAIN: Self = Self {
        answers: true,
        digits_in_media: false,
        encryption: "none",
        insists_on_prack: false,
    };
}

/// A running linphone without a sound card.
pub(crate) struct Linphone {
    process: Process,
    port: u16,
}

impl Linphone {
    pub(crate) fn start(lab: &Lab) -> Result<Self, Error> {
        Self::start_as(lab, &Setup::PLAIN)
    }

    pub(crate) fn start_as(lab: &Lab, setup: &Setup) -> Result<Self, Error> {
        let port = ports::block()?;
        let home = lab.path("linphone");
        fs::create_dir_all(&home).map_err(|error| Error::io(home.display(), &error))?;
        let config = format!(
            "[sip]\n\
             sip_port={port}\n\
             sip_tcp_port=0\n\
             sip_tls_port=0\n\
             use_ipv6=0\n\
             guess_hostname=0\n\
             100rel_support_level={reliable}\n\
             media_encryption={encryption}\n\
             media_encryption_mandatory={encrypted}\n\
             use_info={info}\n\
             use_rfc2833={events}\n\
             [rtp]\n\
             audio_rtp_port={media}\n\
             [net]\n\
             firewall_policy=0\n\
             [storage]\n\
             uri=null\n\
             [video]\n\
             enabled=0\n",
            reliable = 1 + u8::from(setup.insists_on_prack),
            encryption = setup.encryption,
            encrypted = u8::from(setup.encryption != Setup::PLAIN.encryption),
            info = u8::from(!setup.digits_in_media),
            events = u8::from(setup.digits_in_media),
            media = port + 4,
        );
        let path = home.join("factory");
        fs::write(&path, config).map_err(|error| Error::io(path.display(), &error))?;
        let mut command = Command::new("linphone-daemon");
        command
            .arg("--factory-config")
            .arg(&path)
            .arg("--config")
            .arg(home.join("config"))
            .arg("--log")
            .arg(home.join("log"))
            .arg("--disable-stats-events")
            .args(setup.answers.then_some("--auto-answer"));
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(name, &home);
        }
        let process = Process::start_typing(lab.folder(), "linphone", &mut command)?;
        let mut linphone = Self { process, port };
        let up = wait_until(Deadline::after(Duration::from_secs(20)), || {
            let up = std::net::UdpSocket::bind(("127.0.0.1", port)).is_err();
            (up || linphone.process.has_ended()).then_some(up)
        });
        ensure(up == Some(true), || {
            "linphone did not start; see linphone.err".to_owned()
        })?;
        Ok(linphone)
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:linphone@127.0.0.1:{}", self.port)
    }

    /// Registers as `user`, a name and a password, at `host` and waits until it is.
    pub(crate) fn register(&mut self, user: (&str, &str), host: &str) -> Result<(), Error> {
        let (name, password) = user;
        self.process
            .type_line(&format!("register sip:{name}@{host} sip:{host} {password}"))?;
        let registered = wait_until(Deadline::after(Duration::from_secs(10)), || {
            pause(Duration::from_millis(250));
            let asked = self.process.type_line("register-status ALL");
            let is = self.process.stdout().contains("LinphoneRegistrationOk");
            (is || asked.is_err()).then_some(is)
        });
        ensure(registered == Some(true), || {
            format!("linphone is not registered as {name} within 10 s; see linphone.out")
        })
    }

    pub(crate) fn call(&mut self, uri: &str) -> Result<(), Error> {
        self.process.type_line(&format!("call {uri}"))
    }

    /// Takes the call that rings.
    pub(crate) fn answer(&mut self) -> Result<(), Error> {
        self.process.type_line("answer 1")
    }

    /// Asks the peer of its first call to call `uri` instead.
    pub(crate) fn transfer(&mut self, uri: &str) -> Result<(), Error> {
        self.process.type_line(&format!("call-transfer 1 {uri}"))
    }

    pub(crate) fn hold(&mut self) -> Result<(), Error> {
        self.process.type_line("call-pause")
    }

    /// Comes back to its first call.
    pub(crate) fn resume(&mut self) -> Result<(), Error> {
        self.process.type_line("call-resume 1")
    }

    pub(crate) fn hang_up(&mut self) -> Result<(), Error> {
        self.process.type_line("terminate")
    }

    /// Plays `file` to the peer of its call, from the beginning.
    pub(crate) fn play(&mut self, file: &Path) -> Result<(), Error> {
        self.process
            .type_line(&format!("incall-player-start {}", file.display()))
    }

    /// Presses keys.
    pub(crate) fn send_digits(&mut self, digits: &str) -> Result<(), Error> {
        for digit in digits.chars() {
            self.process.type_line(&format!("dtmf {digit}"))?;
            pause(Duration::from_millis(400));
        }
        Ok(())
    }

    /// Demands that the digits that it heard are exactly these.
    pub(crate) fn must_have_digits(&self, digits: &str) -> Result<(), Error> {
        let said = self.process.stdout();
        let heard: String = said
            .lines()
            .filter_map(|line| line.strip_prefix("Tone: "))
            .collect();
        ensure(heard == digits, || {
            format!("linphone heard the digits `{heard}`, not `{digits}`")
        })
    }

    /// Waits until it says that a call of its is in `state` as often as `times`.
    pub(crate) fn wait_for(&self, state: &str, times: usize, limit: Duration) -> Result<(), Error> {
        let line = format!("Event: LinphoneCall{state}");
        let said = || self.process.stdout().matches(&line).count() >= times;
        wait_until(Deadline::after(limit), || said().then_some(())).ok_or_else(|| {
            Error::new(format!(
                "linphone had no {state} within {} s",
                limit.as_secs()
            ))
        })
    }
}

/// `5.1.65` of `version: 5.1.65`
pub(crate) fn version() -> Option<String> {
    let text = output(Command::new("linphonec").arg("-v")).ok()?;
    text.split_whitespace().next_back().map(str::to_owned)
}
