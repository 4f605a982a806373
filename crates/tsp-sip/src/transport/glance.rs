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
            if line.is_empty() {
                break;
            }
            glance.take(line);
        }
        glance
    }

    fn take(&mut self, line: &'a [u8]) {
        let Some(colon) = memchr::memchr(b':', line) else {
            return;
        };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        let is = |long: &str, short: &str| {
            [long, short]
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
        };
        let value = || {
            let value = value.get(1..).unwrap_or_default();
            std::str::from_utf8(value.trim_ascii()).ok()
        };
        if self.call_id.is_none() && is("call-id", "i") {
            self.call_id = value();
        } else if self.branch.is_none() && is("via", "v") {
            self.branch = value().and_then(branch);
        } else if self.method.is_none() && is("cseq", "cseq") {
            let method = value().and_then(|v| v.split_ascii_whitespace().nth(1));
            self.method = method.and_then(|m| Method::new(m).ok());
        }
    }
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
}
