//! Requests and responses.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::fields::CSeq;
use super::headers::{Header, Headers};
use super::method::Method;
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::status::StatusCode;
use super::text::Text;
use super::uri::Uri;

/// A request (RFC 3261 section 7.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// Who is asked.
    pub uri: Uri,
    /// Whether the request is of SIP/2.0; one of another version gets a 505.
    pub version_ok: bool,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A response (RFC 3261 section 7.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// What became of the request.
    pub status: StatusCode,
    /// The phrase for humans.
    pub reason: Text,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// Bodies are told by their length alone: descriptions have keys in them.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("version_ok", &self.version_ok)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

impl Request {
    /// A request without header fields and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            version_ok: true,
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// A request with what every request outside of a dialog has but Via, which whoever sends it adds.
    pub fn with(
        method: Method,
        uri: Uri,
        from: &NameAddr,
        to: &NameAddr,
        call_id: &str,
        number: u32,
    ) -> Self {
        let mut request = Self::new(method, uri);
        let headers = &mut request.headers;
        headers.put(HeaderName::MaxForwards, "70");
        headers.put(HeaderName::From, from.to_value());
        headers.put(HeaderName::To, to.to_value());
        headers.put(HeaderName::CallId, call_id.to_owned());
        let cseq = CSeq {
            number,
            method: request.method.clone(),
        };
        headers.put(HeaderName::CSeq, cseq.to_value());
        request
    }

    /// A response to this request with the header fields that it must copy (RFC 3261 section 8.2.6.2).
    pub fn response(&self, status: StatusCode) -> Response {
        Response::to(&self.headers, status)
    }

    /// Writes the request as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.put_slice(self.method.as_str().as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.uri.as_str().as_bytes());
        out.put_slice(b" SIP/2.0\r\n");
        write_rest(&self.headers, &self.body, out);
    }

    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let start = self.method.as_str().len() + self.uri.as_str().len();
        let mut out = BytesMut::with_capacity(start + length_of(&self.headers, &self.body));
        self.write_to(&mut out);
        out.freeze()
    }
}

impl Response {
    /// A response of `status` to the request whose header fields are given: Via, From, To, Call-ID and `CSeq`
    /// are copied, Timestamp too if the response is a 100 (RFC 3261 sections 8.2.6.1 and 8.2.6.2).
    pub fn to(request: &Headers, status: StatusCode) -> Self {
        let mut headers = Headers::with_capacity(10);
        for field in request.iter() {
            let copied = match field.name() {
                HeaderName::Via
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq => true,
                HeaderName::Timestamp => status == StatusCode::TRYING,
                _ => false,
            };
            if copied {
                headers.put(field.name().clone(), field.value().clone());
            }
        }
        Self {
            status,
            reason: Text::from_static(status.phrase()),
            headers,
            body: Bytes::new(),
        }
    }

    /// Writes the response as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.put_slice(b"SIP/2.0 ");
        put_number(usize::from(self.status.code()), out);
        out.put_u8(b' ');
        out.put_slice(self.reason.as_bytes());
        out.put_slice(b"\r\n");
        write_rest(&self.headers, &self.body, out);
    }

    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let room = self.reason.len() + length_of(&self.headers, &self.body);
        let mut out = BytesMut::with_capacity(room);
        self.write_to(&mut out);
        out.freeze()
    }
}

impl Message {
    /// The header fields.
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(r) => &r.headers,
            Self::Response(r) => &r.headers,
        }
    }

    /// The body.
    pub const fn body(&self) -> &Bytes {
        match self {
            Self::Request(r) => &r.body,
            Self::Response(r) => &r.body,
        }
    }

    /// The message as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(r) => r.to_bytes(),
            Self::Response(r) => r.to_bytes(),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// The header fields, the blank line and the body. Content-Length always tells the body's true length, at the
/// place where the field stands or else at the end.
fn write_rest(headers: &Headers, body: &Bytes, out: &mut BytesMut) {
    let mut told = false;
    for field in headers.iter() {
        if *field.name() == HeaderName::ContentLength {
            if !told {
                write_length(body.len(), out);
            }
            told = true;
            continue;
        }
        out.put_slice(field.name().as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(field.value());
        out.put_slice(b"\r\n");
    }
    if !told {
        write_length(body.len(), out);
    }
    out.put_slice(b"\r\n");
    out.put_slice(body);
}

/// Room for all but the words of the first line.
fn length_of(headers: &Headers, body: &Bytes) -> usize {
    let field = |f: &Header| f.name().as_str().len() + f.value().len() + 4;
    headers.iter().map(field).sum::<usize>() + body.len() + 64
}

fn write_length(length: usize, out: &mut BytesMut) {
    out.put_slice(b"Content-Length: ");
    put_number(length, out);
    out.put_slice(b"\r\n");
}

/// Writes a number in decimal digits.
fn put_number(number: usize, out: &mut BytesMut) {
    if number >= 10 {
        put_number(number / 10, out);
    }
    // A digit.
    out.put_u8(b'0' + (number % 10) as u8);
}
