//! How the called end shall ring and answer: Alert-Info (RFC 3261 section 20.4, RFC 7462), Answer-Mode and
//! Priv-Answer-Mode (RFC 5373).

use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::params::{Params, token_headed};
use super::scan::{find_unquoted, is_token, trim};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// One value of Alert-Info: a sound to ring with, or how to alert, and parameters such as `info=alert-autoanswer`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    uri: Text,
    params: Params,
}

impl Alert {
    /// Reads one value. Peers also write `;info=...` without a URI before it; the URI is empty then.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it breaks the grammar.
    pub fn parse(value: &Bytes) -> Result<Self> {
        const BAD: Error = Error::new(ErrorKind::Value, "Alert-Info");
        let text = Text::new(value.slice_ref(trim(value))).map_err(|_| BAD)?;
        let end = find_unquoted(text.as_bytes(), b';').unwrap_or(text.len());
        let (head, params) = text.split_at_checked(end).ok_or(BAD)?;
        let head = head.trim_end_matches([' ', '\t']);
        let uri = if head.is_empty() {
            head
        } else {
            let inner = head.strip_prefix('<').and_then(|h| h.strip_suffix('>'));
            inner.unwrap_or(head)
        };
        let plain = |b: u8| b > b' ' && !matches!(b, b'<' | b'>' | b'"' | 0x7f);
        if text.is_empty() || !uri.bytes().all(plain) {
            return Err(BAD);
        }
        Ok(Self {
            uri: text.share(uri),
            params: Params::new(text.share(params)).map_err(|_| BAD)?,
        })
    }

    /// An alert by `uri`, for instance `urn:alert:service:call-waiting`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it cannot stand between angle brackets.
    pub fn new(uri: &str, params: Params) -> Result<Self> {
        let mut alert = Self::parse(&format!("<{uri}>").into())?;
        alert.params = params;
        Ok(alert)
    }

    /// The URI, or empty.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Whether the value asks for an answer without anybody's help in one of the forms that phones and PBXs
    /// use: `info=alert-autoanswer`, `info=RingAnswer`, `info=intercom`, `auto-answer`, `answer-after=N`, as a
    /// parameter or as the word that stands for the URI.
    pub fn asks_auto_answer(&self) -> bool {
        const WORDS: [&str; 6] = [
            "alert-autoanswer",
            "auto answer",
            "auto-answer",
            "autoanswer",
            "intercom",
            "ring answer",
        ];
        let is_word = |text: &str| {
            let text = text.trim();
            text.eq_ignore_ascii_case("ringanswer")
                || WORDS.iter().any(|w| w.eq_ignore_ascii_case(text))
        };
        self.params.has("answer-after")
            || self.params.has("auto-answer")
            || self.params.get("info").is_some_and(|info| is_word(&info))
            || is_word(self.uri.strip_prefix("info=").unwrap_or(&self.uri))
    }

    /// In how many whole seconds `answer-after` asks for the answer.
    pub fn answer_after(&self) -> Option<u16> {
        self.params.raw("answer-after")?.parse().ok()
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// Whether a person has to answer (RFC 5373).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnswerMode {
    mode: Text,
    /// Whether the call shall fail rather than be answered in another way.
    pub require: bool,
}

impl AnswerMode {
    /// To be answered by a person.
    pub const MANUAL: Self = Self::plain("Manual");
    /// To be answered without anybody's help.
    pub const AUTO: Self = Self::plain("Auto");

    const fn plain(mode: &'static str) -> Self {
        Self {
            mode: Text::from_static(mode),
            require: false,
        }
    }

    /// Reads the value of Answer-Mode or Priv-Answer-Mode.
    ///
    /// # Errors
    /// [`ErrorKind::Value`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (mode, params) = token_headed(value, "Answer-Mode")?;
        Ok(Self {
            mode,
            require: params.has("require"),
        })
    }

    /// Another mode than the two that are defined.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is no token.
    pub fn new(mode: &str) -> Result<Self> {
        if !is_token(mode.as_bytes()) {
            return Err(Error::new(ErrorKind::Value, "Answer-Mode"));
        }
        Ok(Self {
            mode: mode.into(),
            require: false,
        })
    }

    /// This mode, and no other.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.require = true;
        self
    }

    /// The mode as it is written.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// Whether the call is to be answered without anybody's help.
    pub fn is_auto(&self) -> bool {
        self.mode.eq_ignore_ascii_case("Auto")
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for AnswerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let require = if self.require { ";require" } else { "" };
        write!(f, "{}{require}", self.mode)
    }
}

impl Headers {
    /// Alert-Info values that can be read.
    pub fn alerts(&self) -> impl Iterator<Item = Alert> {
        self.list(&HeaderName::AlertInfo)
            .filter_map(|v| Alert::parse(&v).ok())
    }

    /// Answer-Mode.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn answer_mode(&self) -> Result<Option<AnswerMode>> {
        self.mode(&HeaderName::AnswerMode, "Answer-Mode")
    }

    /// Priv-Answer-Mode: the same, meant to overrule what the called user has set.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn priv_answer_mode(&self) -> Result<Option<AnswerMode>> {
        self.mode(&HeaderName::PrivAnswerMode, "Priv-Answer-Mode")
    }

    fn mode(&self, name: &HeaderName, what: &'static str) -> Result<Option<AnswerMode>> {
        self.only(name, what)?
            .map(|v| AnswerMode::parse(v).map_err(|e| Error::new(e.kind(), what)))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_many_forms() {
        let h = Headers::of(&[
            (
                "Alert-Info",
                "<http://www.example.com/sounds/a,b.wav>, <urn:alert:service:call-waiting>;x=y",
            ),
            (
                "Alert-Info",
                "<http://127.0.0.1/Bellcore-dr2>;info=alert-autoanswer;delay=0",
            ),
            ("Alert-Info", "info=alert-autoanswer"),
            ("Alert-Info", ";info=\"Auto Answer\""),
            ("Alert-Info", "Ring Answer"),
            ("Alert-Info", "<sip:h>;answer-after=3"),
            ("Alert-Info", "<a b>, \"x\", "),
        ]);
        let alerts: Vec<_> = h.alerts().collect();
        let uris: Vec<_> = alerts.iter().map(Alert::uri).collect();
        assert_eq!(
            uris,
            [
                "http://www.example.com/sounds/a,b.wav",
                "urn:alert:service:call-waiting",
                "http://127.0.0.1/Bellcore-dr2",
                "info=alert-autoanswer",
                "",
                "sip:h"
            ]
        );
        let auto: Vec<_> = alerts.iter().map(Alert::asks_auto_answer).collect();
        assert_eq!(auto, [false, false, true, true, true, true]);
        assert_eq!(alerts[5].answer_after(), Some(3));
        assert_eq!(alerts[1].to_value(), "<urn:alert:service:call-waiting>;x=y");
        assert!(Alert::new("a> <b", Params::NONE).is_err());
    }

    #[test]
    fn answer_modes() {
        let h = Headers::of(&[
            ("Answer-Mode", "auto ; Require"),
            ("Priv-Answer-Mode", "Manual"),
        ]);
        let mode = h.answer_mode().unwrap().unwrap();
        assert!(mode.is_auto() && mode.require);
        assert_eq!(mode.to_value(), "auto;require");
        assert_eq!(h.priv_answer_mode().unwrap(), Some(AnswerMode::MANUAL));
        assert_eq!(AnswerMode::AUTO.required().to_value(), "Auto;require");
        for bad in ["", "a b", "Auto, Manual", ";require"] {
            assert!(
                Headers::of(&[("Answer-Mode", bad)]).answer_mode().is_err(),
                "{bad}"
            );
        }
        assert!(
            Headers::of(&[("Answer-Mode", "Auto"), ("Answer-Mode", "Auto")])
                .answer_mode()
                .is_err()
        );
    }
}
