//! What a message must have before anybody acts on it (RFC 3261 sections 8.1.1, 8.2 and 16.3).

use bytes::Bytes;

use super::headers::Headers;
use super::limits::Limits;
use super::message::{Request, Response};
use super::name::HeaderName;
use super::name_addr::Parts;
use super::scan::list_items;
use super::via::Via;
use crate::{Error, ErrorKind, Limit, Result};

/// Whether a request has every header field that it must have, each once and well formed, within `limits`.
///
/// # Errors
/// The first fault found; a request with one is answered with 400.
pub fn request(request: &Request, limits: &Limits) -> Result<()> {
    common(&request.headers, limits)?;
    if request.headers.cseq()?.method != request.method {
        return Err(Error::new(ErrorKind::MethodMismatch, "CSeq"));
    }
    // Header fields have no place in a Request-URI (RFC 3261 section 19.1.1, table 1).
    if request.uri.headers().next().is_some() {
        return Err(Error::new(ErrorKind::Uri, "Request-URI"));
    }
    Ok(())
}

/// Whether a response has every header field that it must have, each once and well formed, within `limits`.
///
/// # Errors
/// The first fault found; a response with one is dropped.
pub fn response(response: &Response, limits: &Limits) -> Result<()> {
    common(&response.headers, limits)?;
    response.headers.retry_after()?;
    Ok(())
}

/// One walk over the fields; what each must be, and how many of it there may be.
fn common(headers: &Headers, limits: &Limits) -> Result<()> {
    let mut seen = Seen::default();
    for field in headers.iter() {
        let value = field.value();
        match field.name() {
            HeaderName::From => {
                seen.once(1 << 0, "From")?;
                end_point(value, "From", limits)?;
            }
            HeaderName::To => {
                seen.once(1 << 1, "To")?;
                end_point(value, "To", limits)?;
            }
            HeaderName::CallId => {
                seen.once(1 << 2, "Call-ID")?;
                if headers.call_id()?.len() > limits.token {
                    return Err(Error::limit(Limit::CallId, ""));
                }
            }
            HeaderName::CSeq => {
                seen.once(1 << 3, "CSeq")?;
                headers.cseq()?;
            }
            HeaderName::MaxForwards => {
                seen.once(1 << 4, "Max-Forwards")?;
                headers.max_forwards()?;
            }
            HeaderName::ContentType => {
                seen.once(1 << 5, "Content-Type")?;
                headers.content_type()?;
            }
            HeaderName::Expires => {
                seen.once(1 << 6, "Expires")?;
                headers.expires()?;
            }
            HeaderName::ContentDisposition => seen.once(1 << 7, "Content-Disposition")?,
            HeaderName::Date => seen.once(1 << 8, "Date")?,
            HeaderName::Event => seen.once(1 << 9, "Event")?,
            HeaderName::Via => {
                for item in list_items(value) {
                    count(&mut seen.vias, limits.vias, Limit::Via)?;
                    if Via::parse(&value.slice_ref(item))?
                        .branch()
                        .is_some_and(|b| b.len() > limits.token)
                    {
                        return Err(Error::limit(Limit::Branch, ""));
                    }
                }
            }
            HeaderName::Route => {
                addresses(value, &mut seen.routes, limits.routes, Limit::Route, limits)?;
            }
            HeaderName::RecordRoute => {
                addresses(
                    value,
                    &mut seen.record_routes,
                    limits.routes,
                    Limit::RecordRoute,
                    limits,
                )?;
            }
            HeaderName::Contact if value.as_ref() != b"*" => {
                addresses(
                    value,
                    &mut seen.contacts,
                    limits.contacts,
                    Limit::Contact,
                    limits,
                )?;
            }
            // Each field is counted by itself: of a name there are at most `Limits::headers`.
            name if is_counted_list(name) && list_items(value).nth(limits.list).is_some() => {
                return Err(Error::limit(Limit::List, ""));
            }
            _ => {}
        }
    }
    for (bit, what) in [
        (1 << 0, "From"),
        (1 << 1, "To"),
        (1 << 2, "Call-ID"),
        (1 << 3, "CSeq"),
    ] {
        if seen.single & bit == 0 {
            return Err(Error::new(ErrorKind::Missing, what));
        }
    }
    if seen.vias == 0 {
        Err(Error::new(ErrorKind::Missing, "Via"))
    } else {
        Ok(())
    }
}

const fn is_counted_list(name: &HeaderName) -> bool {
    matches!(
        name,
        HeaderName::Accept
            | HeaderName::AcceptEncoding
            | HeaderName::AcceptLanguage
            | HeaderName::Allow
            | HeaderName::AllowEvents
            | HeaderName::Require
            | HeaderName::ProxyRequire
            | HeaderName::Supported
            | HeaderName::Unsupported
    )
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    /// A bit for each field that may be there once only.
    single: u16,
    vias: usize,
    routes: usize,
    record_routes: usize,
    contacts: usize,
}

impl Seen {
    const fn once(&mut self, bit: u16, what: &'static str) -> Result<()> {
        if self.single & bit != 0 {
            return Err(Error::new(ErrorKind::Duplicate, what));
        }
        self.single |= bit;
        Ok(())
    }
}

const fn count(n: &mut usize, max: usize, limit: Limit) -> Result<()> {
    *n += 1;
    if *n > max {
        Err(Error::limit(limit, ""))
    } else {
        Ok(())
    }
}

/// From or To.
fn end_point(value: &Bytes, what: &'static str, limits: &Limits) -> Result<()> {
    let address = Parts::of(value).map_err(|e| Error::new(e.kind(), what))?;
    if address.tag().is_some_and(|t| t.len() > limits.token) {
        return Err(Error::limit(Limit::Tag, what));
    }
    if address.display.len() > limits.token {
        return Err(Error::limit(Limit::Display, what));
    }
    if address.uri.len() > limits.uri {
        return Err(Error::limit(Limit::Uri, what));
    }
    Ok(())
}

/// Whether every value of a list of addresses is well formed, and there are at most `max`.
fn addresses(
    value: &Bytes,
    n: &mut usize,
    max: usize,
    limit: Limit,
    limits: &Limits,
) -> Result<()> {
    for item in list_items(value) {
        count(n, max, limit)?;
        if Parts::of(item)?.uri.len() > limits.uri {
            return Err(Error::limit(Limit::Uri, ""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Message;

    fn fault(extra: &str) -> Option<ErrorKind> {
        let text = format!(
            "INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             To: <sip:b@c>\r\nFrom: <sip:a@c>;tag=1\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n{extra}\r\n"
        );
        match Message::parse(&Bytes::from(text)).unwrap() {
            Message::Request(r) => request(&r, &Limits::default()).err().map(Error::kind),
            Message::Response(_) => panic!(),
        }
    }

    #[test]
    fn each_fault_is_named() {
        assert_eq!(fault(""), None);
        for single in [
            "To: <sip:b@c>",
            "f: <sip:a@c>;tag=1",
            "i: x",
            "CSeq: 1 INVITE",
            "Max-Forwards: 70",
        ] {
            assert_eq!(
                fault(&format!("{single}\r\n")),
                Some(ErrorKind::Duplicate),
                "{single}"
            );
        }
        let long = "x".repeat(513);
        let cases = [
            (
                format!("Via: SIP/2.0/UDP h;branch={long}\r\n"),
                Limit::Branch,
            ),
            ("v: SIP/2.0/UDP h\r\n".repeat(70), Limit::Via),
            (
                "Record-Route: <sip:p;lr>\r\n".repeat(33),
                Limit::RecordRoute,
            ),
            (
                format!("Route: {}<sip:p;lr>\r\n", "<sip:p;lr>,".repeat(32)),
                Limit::Route,
            ),
            (
                format!("m: {}<sip:p>\r\n", "<sip:p>,".repeat(64)),
                Limit::Contact,
            ),
            (format!("Accept: {}a/b\r\n", "a/b,".repeat(32)), Limit::List),
            (
                format!("Contact: <sip:{}@b>\r\n", "y".repeat(1024)),
                Limit::Uri,
            ),
        ];
        for (extra, limit) in cases {
            assert_eq!(fault(&extra), Some(ErrorKind::Limit(limit)));
        }
        assert_eq!(
            fault("Contact: \"Joe\" <sip:joe@example.org>;;;;\r\n"),
            Some(ErrorKind::Value)
        );
    }
}
