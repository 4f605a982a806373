//! Messages that wait for a user: the body `application/simple-message-summary` (RFC 3842 section 5).

use std::fmt::Write;

use crate::{Error, ErrorKind, Result};

/// How many messages of one class wait: new and old, and how many of each are urgent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageCount {
    /// Messages that were not looked at.
    pub new: u32,
    /// Messages that were.
    pub old: u32,
    /// How many of the new ones are urgent; none if it was not said.
    pub urgent_new: u32,
    /// How many of the old ones are urgent; none if it was not said.
    pub urgent_old: u32,
}

/// Whether messages wait for a user, and how many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessageSummary {
    /// Whether any wait.
    pub waiting: bool,
    /// The address that messages were left for, as it was written; empty if it was not said.
    pub account: Box<str>,
    /// How many spoken ones, if it was said.
    pub voice: Option<MessageCount>,
    /// How many faxes, if it was said.
    pub fax: Option<MessageCount>,
    /// How many written ones, if it was said.
    pub text: Option<MessageCount>,
}

const BAD: Error = Error::new(ErrorKind::Value, "message summary");

impl MessageSummary {
    /// The type of the body.
    pub const TYPE: &'static str = "application/simple-message-summary";

    /// Reads a body. Lines of other classes and optional headers are passed over.
    ///
    /// # Errors
    /// [`ErrorKind::NotUtf8`], or [`ErrorKind::Value`] if it does not say whether messages wait, or counts cannot be read.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(body).map_err(|_| Error::new(ErrorKind::NotUtf8, ""))?;
        let mut summary = Self::default();
        let mut said = false;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                // A blank line leads to headers of single messages.
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("Messages-Waiting") {
                summary.waiting = match () {
                    () if value.eq_ignore_ascii_case("yes") => true,
                    () if value.eq_ignore_ascii_case("no") => false,
                    () => return Err(BAD),
                };
                said = true;
            } else if name.eq_ignore_ascii_case("Message-Account") {
                summary.account = value.into();
            } else if name.eq_ignore_ascii_case("Voice-Message") {
                summary.voice = Some(count(value)?);
            } else if name.eq_ignore_ascii_case("Fax-Message") {
                summary.fax = Some(count(value)?);
            } else if name.eq_ignore_ascii_case("Text-Message") {
                summary.text = Some(count(value)?);
            }
        }
        if said { Ok(summary) } else { Err(BAD) }
    }

    /// The body. What would end a line in the account shows as a space.
    pub fn to_body(&self) -> String {
        let waiting = if self.waiting { "yes" } else { "no" };
        let mut out = format!("Messages-Waiting: {waiting}\r\n");
        if !self.account.is_empty() {
            let account = self.account.replace(['\r', '\n'], " ");
            // Writing to a string does not fail.
            let _ = write!(out, "Message-Account: {account}\r\n");
        }
        for (name, count) in [
            ("Voice", self.voice),
            ("Fax", self.fax),
            ("Text", self.text),
        ] {
            if let Some(c) = count {
                let (new, old) = (c.new, c.old);
                let (urgent_new, urgent_old) = (c.urgent_new, c.urgent_old);
                let _ = write!(
                    out,
                    "{name}-Message: {new}/{old} ({urgent_new}/{urgent_old})\r\n"
                );
            }
        }
        out
    }
}

/// `new/old` and perhaps `(urgent/urgent)`.
fn count(value: &str) -> Result<MessageCount> {
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, urgent.split_once(')').ok_or(BAD)?.0),
        None => (value, "0/0"),
    };
    let pair = |text: &str| -> Result<(u32, u32)> {
        let (new, old) = text.split_once('/').ok_or(BAD)?;
        let number = |n: &str| n.trim().parse().map_err(|_| BAD);
        Ok((number(new)?, number(old)?))
    };
    let ((new, old), (urgent_new, urgent_old)) = (pair(all)?, pair(urgent)?);
    Ok(MessageCount {
        new,
        old,
        urgent_new,
        urgent_old,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows: message waiting: the body as peers write it | RFC 3842 5, interop row 45
    #[test]
    fn summaries_of_the_rfc_and_of_peers() {
        // RFC 3842 section 6, Asterisk (no space, no account), and one with headers of a message.
        let rfc = b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (2/0)\r\n";
        let summary = MessageSummary::parse(rfc).unwrap();
        let voice = MessageCount {
            new: 4,
            old: 8,
            urgent_new: 2,
            urgent_old: 0,
        };
        assert_eq!((summary.waiting, summary.voice), (true, Some(voice)));
        assert_eq!(&*summary.account, "sip:alice@vmail.example.com");
        assert_eq!(summary.to_body().as_bytes(), rfc);
        let bare = MessageSummary::parse(b"messages-waiting:NO\nVoice-Message:0/0\n").unwrap();
        assert_eq!(
            (bare.waiting, bare.voice),
            (false, Some(MessageCount::default()))
        );
        let long = b"Messages-Waiting: yes\r\nvideo-message: 1/0\r\nFax-Message: 1 / 2\r\n\r\nTo: <alice@x>\r\nSubject: a/b\r\n";
        assert_eq!(MessageSummary::parse(long).unwrap().fax.unwrap().old, 2);
    }

    #[test]
    fn what_is_no_summary() {
        for bad in [
            "",
            "Messages-Waiting: maybe\r\n",
            "Voice-Message: 1/0\r\n",
            "Messages-Waiting: yes\r\nVoice-Message: 1\r\n",
            "Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n",
            "Messages-Waiting: yes\r\nVoice-Message: 1/0 (\r\n",
            "Messages-Waiting: yes\r\nVoice-Message: 99999999999/0\r\n",
        ] {
            assert!(MessageSummary::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let body =
            "Messages-Waiting: yes\r\nMessage-Account: sip:a@b\r\nVoice-Message: 4/8 (2/0)\r\n";
        for n in 0..body.len() {
            // Cut off anywhere: read or refused, nothing worse.
            let _ = MessageSummary::parse(&body.as_bytes()[..n]);
        }
        let sly = MessageSummary {
            account: "a\r\nVoice-Message: 9/9".into(),
            ..MessageSummary::default()
        };
        assert_eq!(
            MessageSummary::parse(sly.to_body().as_bytes())
                .unwrap()
                .voice,
            None
        );
    }
}
