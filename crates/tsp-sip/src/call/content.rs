//! What a body holds for a call: a session description, by itself or among other parts (RFC 3261 section 20.11,
//! RFC 5621 section 3).

use bytes::Bytes;

use crate::Error;
use crate::wire::multipart::{self, Part};
use crate::wire::{HeaderName, Headers};

/// The bodies that a call takes, as Accept lists them.
pub(super) const ACCEPT: &str =
    "application/sdp, multipart/mixed, multipart/alternative, application/pidf+xml";

/// What was found in a body.
#[derive(Default, Debug)]
pub(super) struct Content {
    /// The session description; the first, if there are several.
    pub(super) description: Option<Bytes>,
    /// Why the body is not understood as a whole, though its sender wants that.
    pub(super) fault: Option<Fault>,
}

/// What is wrong with a body, or a part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is of a type that we do not know, or shall be used in a way that we do not know.
    Type,
    /// It is packed.
    Encoding,
    /// Its parts cannot be told apart.
    Malformed(Error),
}

impl Content {
    /// Looks through a body and the parts of it.
    pub(super) fn of(headers: &Headers, body: &Bytes) -> Self {
        if body.is_empty() {
            return Self::default();
        }
        let parts = match headers.content_type() {
            Ok(Some(media)) if media.kind().eq_ignore_ascii_case("multipart") => {
                multipart::parse(&media, body)
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match parts {
            Ok(parts) => Self::piece(headers, body, &parts),
            Err(_) if headers.is_body_optional() => Self::default(),
            Err(error) => Self::bad(Fault::Malformed(error)),
        }
    }

    /// A body, or a part of one.
    fn piece(headers: &Headers, body: &Bytes, parts: &[Part]) -> Self {
        let fault = match headers.content_type() {
            _ if is_packed(headers) => Fault::Encoding,
            Ok(Some(media)) if media.is("application", "sdp") && !is_early(headers) => {
                return Self {
                    description: Some(body.clone()),
                    fault: None,
                };
            }
            Ok(Some(media)) if media.is("multipart", "alternative") => {
                return Self::best(headers, parts);
            }
            // Where the caller is (RFC 6442 section 3) helps who routes a call; who is called needs none of it.
            Ok(Some(media)) if media.is("application", "pidf+xml") => return Self::default(),
            // Kinds of multipart that nobody knows are read as mixed (RFC 2046 section 5.1.3).
            Ok(Some(media)) if media.kind().eq_ignore_ascii_case("multipart") => {
                return Self::all(headers, parts);
            }
            _ => Fault::Type,
        };
        if headers.is_body_optional() {
            Self::default()
        } else {
            Self::bad(fault)
        }
    }

    /// Parts that are all meant.
    fn all(headers: &Headers, parts: &[Part]) -> Self {
        let mut found = Self::default();
        for part in parts {
            let content = Self::piece(&part.headers, &part.body, &part.parts);
            found.description = found.description.or(content.description);
            found.fault = found.fault.or(content.fault);
        }
        if headers.is_body_optional() {
            found.fault = None;
        }
        found
    }

    /// Parts that say the same, the best last (RFC 2046 section 5.1.4).
    fn best(headers: &Headers, parts: &[Part]) -> Self {
        let mut contents = parts
            .iter()
            .rev()
            .map(|part| Self::piece(&part.headers, &part.body, &part.parts));
        let understood = contents.find(|c| c.fault.is_none() && c.description.is_some());
        match understood {
            Some(content) => content,
            None if parts.is_empty() || headers.is_body_optional() => Self::default(),
            None => Self::bad(Fault::Type),
        }
    }

    const fn bad(fault: Fault) -> Self {
        Self {
            description: None,
            fault: Some(fault),
        }
    }
}

/// The session description in a message, if it has one.
pub(super) fn description(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    Content::of(headers, body).description
}

fn is_packed(headers: &Headers) -> bool {
    headers
        .list(&HeaderName::ContentEncoding)
        .any(|e| !e.eq_ignore_ascii_case(b"identity"))
}

/// A description of early media alone is none of the session (RFC 3959 section 4).
fn is_early(headers: &Headers) -> bool {
    let value = headers.get(&HeaderName::ContentDisposition);
    let kind = value.and_then(|v| v.split(|b| *b == b';').next());
    kind.is_some_and(|k| k.trim_ascii().eq_ignore_ascii_case(b"early-session"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
    const TEXT: &str = "Content-Type: text/plain\r\n\r\nx\r\n";
    const OPTIONAL: &str =
        "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\nx\r\n";
    const EARLY: &str =
        "Content-Type: application/sdp\r\nContent-Disposition: Early-Session\r\n\r\nv=1\r\n";
    const PACKED: &str = "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\nv=2\r\n";

    fn parted(subtype: &str, parts: &[&str]) -> String {
        let mut text = format!(
            "Content-Type: multipart/{subtype};boundary=b{}\r\n\r\n",
            parts.len()
        );
        for part in parts {
            text.push_str(&format!("--b{}\r\n{part}", parts.len()));
        }
        text + &format!("--b{}--\r\n", parts.len())
    }

    fn content(text: &str) -> (Option<&'static str>, Option<Fault>) {
        let message = format!("INVITE sip:a@b SIP/2.0\r\n{text}");
        let message = crate::wire::Message::parse(&message.into()).unwrap();
        let found = Content::of(message.headers(), message.body());
        let known = ["v=0", "v=1", "v=2"];
        let text = found.description.map(|d| {
            *known
                .iter()
                .find(|k| d.starts_with(k.as_bytes()))
                .expect("one of ours")
        });
        (text, found.fault)
    }

    #[test]
    fn a_description_is_found_among_parts() {
        let found = (Some("v=0"), None);
        assert_eq!(content(SDP), found);
        assert_eq!(content(&parted("mixed", &[SDP])), found);
        let plain = PACKED.replace("gzip", "identity");
        assert_eq!(content(&parted("mixed", &[OPTIONAL, SDP, &plain])), found);
        assert_eq!(content(&parted("unheard-of", &[OPTIONAL, SDP])), found);
        assert_eq!(
            content(&parted("alternative", &[TEXT, SDP, PACKED, TEXT])),
            found
        );
        let nested = parted(
            "mixed",
            &[OPTIONAL, &parted("alternative", &[TEXT, TEXT, SDP])],
        );
        assert_eq!(content(&nested), found);
    }

    #[test]
    fn what_its_sender_wants_understood_is_a_fault() {
        assert_eq!(content(TEXT), (None, Some(Fault::Type)));
        assert_eq!(content(OPTIONAL), (None, None));
        assert_eq!(content(EARLY), (None, Some(Fault::Type)));
        assert_eq!(content(PACKED), (None, Some(Fault::Encoding)));
        assert_eq!(
            content(&parted("mixed", &[SDP, TEXT])),
            (Some("v=0"), Some(Fault::Type))
        );
        assert_eq!(
            content(&parted("alternative", &[TEXT, PACKED])),
            (None, Some(Fault::Type))
        );
        assert_eq!(content(&parted("mixed", &[OPTIONAL])), (None, None));
        let whole = parted("mixed", &[SDP, TEXT]);
        let optional = format!("Content-Disposition: x;handling=optional\r\n{whole}");
        assert_eq!(content(&optional), (Some("v=0"), None));
    }

    #[test]
    fn parts_that_cannot_be_told_apart() {
        let cut = "Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\nx";
        assert!(matches!(content(cut), (None, Some(Fault::Malformed(_)))));
        let optional = format!("Content-Disposition: x;handling=optional\r\n{cut}");
        assert_eq!(content(&optional), (None, None));
        assert_eq!(
            content("Content-Type: multipart/mixed\r\n\r\n"),
            (None, None)
        );
    }
}
