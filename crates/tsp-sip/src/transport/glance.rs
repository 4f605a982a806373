//! What a datagram belongs to, found with as little work as there can be: it is looked at before it is known whether it is
//! worth more.

use crate::wire::Method;

/// The few fields that tell.
#[derive(Debug, Default)]
pub(crate) struct Glance<'a> {
    pub(crate) is_response: bool,
    pub(crate) call_id: Option<&'a str>,
    /// The branch of the topmost Via.
    pub(crate) branch: Option<&'a str>,
    /// The method in `CSeq`.
    pub(crate) method: Option<Method>,
    /// To has a tag: it belongs to a dialog, or says so.
    pub(crate) is_within: bool,
    to_seen: bool,
    /// The host, and port, of the topmost Via.
    pub(crate) sent_by: Option<&'a str>,
}

/// Methods that begin something outside of dialogs, and cost work.
const BEGINNINGS: [&[u8]; 6] = [
    b"INVITE ",
    b"OPTIONS ",
    b"MESSAGE ",
    b"SUBSCRIBE ",
    b"REGISTER ",
    b"PUBLISH ",
];

/// Whether a datagram is a request that begins something if it belongs to nothing that is known.
pub(crate) fn may_begin(datagram: &[u8]) -> bool {
    BEGINNINGS.iter().any(|b| datagram.starts_with(b))
}

impl<'a> Glance<'a> {
    /// Fields that are folded or quoted oddly are not found: then it belongs to nothing.
    pub(crate) fn of(datagram: &'a [u8]) -> Self {
        let mut glance = Self {
            is_response: datagram.starts_with(b"SIP/2.0 "),
            ..Self::default()
        };
        let mut rest = datagram;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let line = line.trim_ascii_end();
            if line.is_empty() || glance.is_complete() {
                break;
            }
            glance.take(line);
        }
        glance
    }

    /// Nothing that follows tells more.
    fn is_complete(&self) -> bool {
        self.to_seen && self.call_id.is_some() && self.branch.is_some() && self.method.is_some()
    }

    fn take(&mut self, line: &'a [u8]) {
        let Some(colon) = memchr::memchr(b':', line) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        let value = || {
            let value = value.get(1..).unwrap_or_default();
            std::str::from_utf8(value.trim_ascii()).ok()
        };
        let name = name.trim_ascii_end();
        let mut lower = [0; LONGEST_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else {
            return;
        };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"call-id" | b"i" if self.call_id.is_none() => self.call_id = value(),
            b"via" | b"v" if self.branch.is_none() => {
                let via = value();
                self.branch = via.and_then(branch);
                self.sent_by = via.and_then(sent_by);
            }
            b"cseq" if self.method.is_none() => {
                let method = value().and_then(|v| v.split_ascii_whitespace().nth(1));
                self.method = method.and_then(|m| Method::new(m).ok());
            }
            b"to" | b"t" => {
                self.is_within = value().is_some_and(has_tag);
                self.to_seen = true;
            }
            _ => {}
        }
    }
}

/// That of `call-id`.
const LONGEST_NAME: usize = 7;

/// Whether there is a `tag` behind the URI of To.
fn has_tag(to: &str) -> bool {
    let behind = to.rsplit_once('>').map_or(to, |(_, params)| params);
    behind
        .split(';')
        .skip(1)
        .filter_map(|param| param.split('=').next())
        .any(|name| name.trim().eq_ignore_ascii_case("tag"))
}

fn sent_by(via: &str) -> Option<&str> {
    let (_, rest) = via.split_once([' ', '\t'])?;
    rest.trim_start().split([';', ',', ' ', '\t']).next()
}

fn branch(via: &str) -> Option<&str> {
    let (_, branch) = via.split_once(";branch=")?;
    branch.split([';', ',', ' ', '\t']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_that_tell_are_found_in_all_their_forms() {
        let glance = Glance::of(
            b"SIP/2.0 200 OK\r\nv : SIP/2.0/UDP h;branch=z9hG4bKa;rport, SIP/2.0/UDP i;branch=z9hG4bKb\r\n\
              Via: SIP/2.0/UDP j;branch=z9hG4bKc\r\nI:  x@y \r\nCSEQ: 7 \t BYE\r\n\r\nCall-ID: body",
        );
        assert!(glance.is_response && glance.call_id == Some("x@y"));
        assert_eq!(glance.branch, Some("z9hG4bKa"));
        assert_eq!(glance.method, Some(Method::Bye));
        let glance =
            Glance::of(b"INVITE sip:a@b SIP/2.0\nVia\nCall-ID: \xff\r\nCSeq: 1\n\nCall-ID: x");
        assert!(!glance.is_response && glance.call_id.is_none());
        assert!(glance.branch.is_none() && glance.method.is_none());
        assert!(Glance::of(b"").call_id.is_none());
    }

    #[test]
    fn a_request_within_a_dialog_has_a_tag_in_to() {
        for (to, within) in [
            ("To: <sip:a@b;tag=1>", false),
            ("To: <sip:a@b>", false),
            ("To: \"x;tag=1\" <sip:a@b>;x=tag", false),
            ("t:sip:a@b;TAG=1", true),
            ("To: <sip:a@b> ; tag = 1", true),
        ] {
            let glance = format!("INVITE sip:a@b SIP/2.0\r\n{to}\r\nFrom: <sip:c@d>;tag=2\r\n\r\n");
            assert_eq!(Glance::of(glance.as_bytes()).is_within, within, "{to}");
        }
    }

    #[test]
    fn who_sent_it_is_found() {
        let of = |via: &str| {
            let text = format!("OPTIONS sip:a@b SIP/2.0\r\n{via}\r\n\r\n");
            Glance::of(text.as_bytes()).sent_by.map(str::to_owned)
        };
        assert_eq!(of("Via: SIP/2.0/UDP h:5;rport").as_deref(), Some("h:5"));
        assert_eq!(of("v: SIP/2.0/UDP  [::1], x").as_deref(), Some("[::1]"));
        assert_eq!(of("Via: SIP/2.0/UDP"), None);
    }

    #[test]
    fn only_some_requests_begin_something() {
        for text in ["INVITE sip:a@b", "OPTIONS x", "REGISTER x", "SUBSCRIBE x"] {
            assert!(may_begin(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "INVITE",
            "ACK x",
            "BYE x",
            "SIP/2.0 200 OK",
            "NOTIFY x",
            "CANCEL x",
        ] {
            assert!(!may_begin(text.as_bytes()), "{text}");
        }
    }
}
