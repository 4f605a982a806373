//! What can go wrong in SIP signalling, and whose fault it is.

use std::fmt;

/// A cap on what a peer may send or make us keep.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Limit {
    /// Bytes of a whole message.
    Message,
    /// Bytes of all header fields together.
    HeaderBytes,
    /// Header fields of a message.
    HeaderCount,
    /// Bytes of one header field or of the start line.
    Line,
    /// Bytes of a URI.
    Uri,
    /// Bytes of a From or To tag.
    Tag,
    /// Bytes of a branch parameter.
    Branch,
    /// Bytes of a Call-ID.
    CallId,
    /// Bytes of a display name.
    Display,
    /// Via values.
    Via,
    /// Route values.
    Route,
    /// Record-Route values.
    RecordRoute,
    /// Contact values.
    Contact,
    /// Values of Accept, Allow, Require, Supported and their like.
    List,
    /// Bytes of a body.
    Body,
    /// Transactions alive at a time.
    Transactions,
    /// Calls alive at a time.
    Calls,
    /// Host names being resolved at a time.
    Lookups,
}

impl Limit {
    const fn text(self) -> &'static str {
        match self {
            Self::Message => "message too large",
            Self::HeaderBytes => "header fields too large",
            Self::HeaderCount => "too many header fields",
            Self::Line => "line too long",
            Self::Uri => "URI too long",
            Self::Tag => "tag too long",
            Self::Branch => "branch too long",
            Self::CallId => "Call-ID too long",
            Self::Display => "display name too long",
            Self::Via => "too many Via values",
            Self::Route => "too many Route values",
            Self::RecordRoute => "too many Record-Route values",
            Self::Contact => "too many Contact values",
            Self::List => "too many list values",
            Self::Body => "body too large",
            Self::Transactions => "too many transactions",
            Self::Calls => "too many calls",
            Self::Lookups => "too many look-ups",
        }
    }
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The message ends before its header section does.
    Truncated,
    /// The first line is neither a request line nor a status line (RFC 3261 section 7).
    StartLine,
    /// The version is not SIP/2.0.
    Version,
    /// The status code is not a number from 100 to 699.
    StatusCode,
    /// A header line has no name, no colon or a byte that may not stand there.
    HeaderLine,
    /// A header field that must be there is missing.
    Missing,
    /// A header field that may be there once is there more than once.
    Duplicate,
    /// The value of a header field breaks its grammar.
    Value,
    /// The text is not UTF-8.
    NotUtf8,
    /// A URI breaks its grammar.
    Uri,
    /// A host name or address breaks its grammar.
    Host,
    /// A number is no number or out of its range.
    Number,
    /// Content-Length is not a number, or there more than once.
    ContentLength,
    /// Fewer bytes came than Content-Length says.
    BodyTruncated,
    /// The method of CSeq is not that of the request.
    MethodMismatch,
    /// A cap was reached.
    Limit(Limit),
    /// The value cannot be expressed in the other type or on the wire.
    Inexpressible,
    /// No call, transaction or dialog of that name exists.
    Unknown,
    /// Not allowed in the present state.
    WrongState,
    /// A host name could not be resolved.
    Resolve,
    /// A socket could not be opened or used.
    Socket,
}

/// Who has to act when an error occurs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The caller used the interface wrongly.
    Caller,
    /// The other end of the call.
    Peer,
    /// The network or the system.
    System,
    /// A limit was reached: later or elsewhere it may work.
    Limit,
}

impl ErrorKind {
    /// Who has to act.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Limit(_) => Fault::Limit,
            Self::Inexpressible | Self::Unknown | Self::WrongState => Fault::Caller,
            Self::Resolve | Self::Socket => Fault::System,
            _ => Fault::Peer,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Truncated => "the message ends within its header section",
            Self::StartLine => "neither a request line nor a status line",
            Self::Version => "not SIP/2.0",
            Self::StatusCode => "status code out of range",
            Self::HeaderLine => "malformed header line",
            Self::Missing => "missing header field",
            Self::Duplicate => "header field given more than once",
            Self::Value => "malformed value",
            Self::NotUtf8 => "not UTF-8",
            Self::Uri => "malformed URI",
            Self::Host => "malformed host",
            Self::Number => "number out of range",
            Self::ContentLength => "malformed or repeated Content-Length",
            Self::BodyTruncated => "fewer bytes than Content-Length says",
            Self::MethodMismatch => "the method of CSeq is another",
            Self::Limit(limit) => limit.text(),
            Self::Inexpressible => "cannot be expressed",
            Self::Unknown => "not known",
            Self::WrongState => "not allowed in this state",
            Self::Resolve => "cannot be resolved",
            Self::Socket => "socket failed",
        }
    }
}

/// An error of the signalling half: what went wrong, and with what.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Error {
    kind: ErrorKind,
    what: &'static str,
}

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `what` names the header field, the parameter or the argument, and may be empty.
    pub const fn new(kind: ErrorKind, what: &'static str) -> Self {
        Self { kind, what }
    }

    /// What went wrong.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// What it was about.
    pub const fn what(self) -> &'static str {
        self.what
    }

    pub(crate) const fn limit(limit: Limit, what: &'static str) -> Self {
        Self::new(ErrorKind::Limit(limit), what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.what.is_empty() {
            f.write_str(self.kind.text())
        } else {
            write!(f, "{}: {}", self.what, self.kind.text())
        }
    }
}

impl std::error::Error for Error {}
