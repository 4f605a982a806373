//! Our server, `tipring serve`, where the phones of others register.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::lab::Lab;
use crate::ports;
use crate::tipring::Tipring;

/// Long enough for it to start on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// The users that it knows, with their passwords.
pub(crate) const ALICE: (&str, &str) = ("alice", "wonderland");
pub(crate) const BOB: (&str, &str) = ("bob", "builder");

/// A running server on 127.0.0.1.
pub(crate) struct Office {
    // Killed when dropped.
    tipring: Tipring,
    port: u16,
}

impl Office {
    pub(crate) fn open(lab: &Lab) -> Result<Self, Error> {
        Self::open_with(lab, "")
    }

    /// The same with `settings` in its file.
    pub(crate) fn open_with(lab: &Lab, settings: &str) -> Result<Self, Error> {
        let lab = lab.beside("server")?;
        let port = ports::block()?;
        let user = |(name, password)| {
            format!("\n[[user]]\nname = \"{name}\"\npassword = \"{password}\"\n")
        };
        let users = format!("{}{}", user(ALICE), user(BOB));
        let text = format!("domain = \"127.0.0.1\"\n{settings}\n{users}");
        let file = lab.path("office.toml");
        fs::write(&file, text).map_err(|error| Error::io(file.display(), &error))?;
        let bind = format!("127.0.0.1:{port}");
        let mut tipring = Tipring::start(&lab, ["serve", "office.toml", "--bind", &bind])?;
        tipring.wait_for("serving", SOON)?;
        Ok(Self { tipring, port })
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks it to end, waits until it has, and gives a count of its signalling: how many proofs were wrong for instance.
    pub(crate) fn close(mut self, count: &str) -> Result<u64, Error> {
        self.tipring.process.terminate()?;
        self.tipring.process.wait(SOON)?;
        let events = self.tipring.events();
        let told = events.iter().find(|event| event["event"] == "signalling");
        let told = told.ok_or_else(|| Error::new("our server ends without its numbers"))?;
        // What was never counted is not told.
        Ok(told["agent"]
            .get(count)
            .and_then(Value::as_u64)
            .unwrap_or(0))
    }
}
