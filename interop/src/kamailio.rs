//! Kamailio: a registrar and a proxy that stays in the path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clock::{Deadline, wait_until};
use crate::error::{Error, ensure};
use crate::lab::{Lab, root};
use crate::ports;
use crate::process::{Process, output};

/// Where Debian lays what is not for every user.
pub(crate) const PROGRAM: &str = "/usr/sbin/kamailio";

/// The users that its configuration knows, with their passwords.
pub(crate) const ALICE: (&str, &str) = ("alice", "wonderland");
pub(crate) const BOB: (&str, &str) = ("bob", "builder");

/// A running Kamailio on 127.0.0.1, over UDP and TCP, and over TLS at the port after that of both.
pub(crate) struct Kamailio {
    // Killed when dropped; its children end when their parent is gone.
    process: Process,
    port: u16,
    certificate: PathBuf,
}

impl Kamailio {
    pub(crate) fn start(lab: &Lab) -> Result<Self, Error> {
        let port = ports::block()?;
        let sockets = lab.path("kamailio");
        fs::create_dir_all(&sockets).map_err(|error| Error::io(sockets.display(), &error))?;
        let (key, certificate) = (sockets.join("key.pem"), sockets.join("certificate.pem"));
        output(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
                .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-subj", "/CN=kamailio"])
                .args(["-addext", "subjectAltName=IP:127.0.0.1"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        )?;
        let mut command = Command::new(PROGRAM);
        command
            .arg("-f")
            .arg(root().join("interop/scenarios/kamailio.cfg"))
            .args(["-l", &format!("udp:127.0.0.1:{port}")])
            .args(["-l", &format!("tcp:127.0.0.1:{port}")])
            .args(["-l", &format!("tls:127.0.0.1:{}", port + 1)])
            .args(["-A", &format!("TLS_KEY=\"{}\"", key.display())])
            .args([
                "-A",
                &format!("TLS_CERTIFICATE=\"{}\"", certificate.display()),
            ])
            .args(["-DD", "-E", "-m", "16", "-M", "4", "-Y"])
            .arg(&sockets);
        let mut process = Process::start(lab.folder(), "kamailio", &mut command)?;
        let up = wait_until(Deadline::after(Duration::from_secs(20)), || {
            let up = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            (up || process.has_ended()).then_some(up)
        });
        ensure(up == Some(true), || {
            "kamailio did not start; see kamailio.err".to_owned()
        })?;
        Ok(Self {
            process,
            port,
            certificate,
        })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT;transport=tls`, where it speaks TLS.
    pub(crate) fn tls_host(&self) -> String {
        format!("127.0.0.1:{};transport=tls", self.port + 1)
    }

    /// What to trust it by.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The address of a user there: `alice@127.0.0.1:PORT`.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("{user}@{}", self.host())
    }

    /// Whether a request like `BYE from alice` within a call came its way.
    pub(crate) fn has_passed_on(&self, request: &str) -> bool {
        let line = format!("within a call: {request}");
        self.process
            .stderr()
            .lines()
            .any(|said| said.ends_with(&line))
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Asked to end it takes its children along; killed it would leave them behind.
        let _ = self.process.terminate();
        let _ = self.process.wait(Duration::from_secs(5));
    }
}

/// `5.6.3` of `version: kamailio 5.6.3 (x86_64/linux)`
pub(crate) fn version() -> Option<String> {
    let text = output(Command::new(PROGRAM).arg("-v")).ok()?;
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "kamailio");
    words.nth(1).map(str::to_owned)
}
