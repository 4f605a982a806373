//! What can go wrong in a media service provider, and whose fault it is.

use std::fmt;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The provider does not carry this kind of media.
    InvalidMediaType,
    /// The direction does not fit the stream or the terminal.
    InvalidDirection,
    /// The stream is none of this call, or gone.
    InvalidStream,
    /// The terminal is none of this address, is selected already, or is not selected.
    InvalidTerminal,
    /// No terminal class of that name is registered.
    InvalidTerminalClass,
    /// The call is none of this address, or gone.
    InvalidCall,
    /// An argument is out of its range.
    InvalidArgument,
    /// The operation is not allowed in the present state.
    WrongState,
    /// The terminal serves as many streams as it can.
    TerminalInUse,
    /// The terminal is one of two that belong together, and the other was not set.
    PeerNotSet,
    /// The terminal belongs together with another one already.
    PeerAlreadySet,
    /// The stream has as many terminals as it can.
    MaxTerminals,
    /// The call has as many streams as it can.
    MaxStreams,
    /// The stream has no terminal and the operation needs one.
    NoTerminal,
    /// The address, the provider or the call was closed.
    Closed,
    /// A call of that key exists already.
    CallExists,
    /// This provider does not offer the operation.
    Unsupported,
    /// The format is unknown or cannot be converted.
    NoFormat,
    /// A file or a device could not be opened, read or written.
    Device,
    /// No port, no descriptor, no memory: the machine has nothing left to give.
    ResourceUnavailable,
    /// The engine has as much work as it can do in time.
    Busy,
    /// Nothing came in time.
    Timeout,
    /// What the peer sent breaks its protocol.
    PeerMisbehaved,
    /// The peer cannot do what the call needs.
    PeerIncompatible,
    /// A message is too old, too early, or for nobody.
    StaleMessage,
    /// Code of a stream or a terminal panicked; that stream is lost, others go on.
    Panicked,
}

/// Who has to act when an error occurs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// The caller used the interface wrongly.
    Caller,
    /// The other end of the call.
    Peer,
    /// A device, a file or the system.
    Device,
    /// A limit was reached: later or elsewhere it may work.
    Limit,
    /// A defect of the provider or a terminal.
    Defect,
}

impl ErrorKind {
    /// Who has to act.
    pub const fn fault(self) -> Fault {
        match self {
            Self::PeerMisbehaved | Self::PeerIncompatible | Self::Timeout => Fault::Peer,
            Self::Device => Fault::Device,
            Self::ResourceUnavailable | Self::Busy | Self::MaxStreams | Self::MaxTerminals => {
                Fault::Limit
            }
            Self::Panicked => Fault::Defect,
            _ => Fault::Caller,
        }
    }

    /// The code of the same meaning in TAPI 3 (the low byte of 0x800400xx), where it has one.
    pub const fn tapi_code(self) -> Option<u32> {
        let low = match self {
            Self::Unsupported => 0x03,
            Self::InvalidMediaType => 0x04,
            Self::ResourceUnavailable => 0x52,
            Self::InvalidDirection => 0x3a,
            Self::InvalidTerminal => 0x3b,
            Self::InvalidTerminalClass => 0x3c,
            Self::MaxStreams => 0x3e,
            Self::NoTerminal => 0x3f,
            Self::TerminalInUse => 0x40,
            Self::MaxTerminals => 0x42,
            Self::InvalidStream => 0x43,
            Self::Timeout => 0x44,
            Self::PeerAlreadySet => 0x4e,
            Self::PeerNotSet => 0x4f,
            Self::NoFormat => 0x56,
            Self::WrongState => 0x58,
            _ => return None,
        };
        Some(0x8004_0000 | low)
    }

    const fn text(self) -> &'static str {
        match self {
            Self::InvalidMediaType => "the provider does not carry this kind of media",
            Self::InvalidDirection => "the direction does not fit",
            Self::InvalidStream => "no such stream",
            Self::InvalidTerminal => "no such terminal",
            Self::InvalidTerminalClass => "no such terminal class",
            Self::InvalidCall => "no such call",
            Self::InvalidArgument => "argument out of range",
            Self::WrongState => "not allowed in this state",
            Self::TerminalInUse => "the terminal is in use",
            Self::PeerNotSet => "the terminal has no other end",
            Self::PeerAlreadySet => "the terminal has another end already",
            Self::MaxTerminals => "the stream takes no more terminals",
            Self::MaxStreams => "the call takes no more streams",
            Self::NoTerminal => "no terminal is selected",
            Self::Closed => "closed",
            Self::CallExists => "a call of that key exists",
            Self::Unsupported => "not supported",
            Self::NoFormat => "unknown format",
            Self::Device => "device failed",
            Self::ResourceUnavailable => "resource unavailable",
            Self::Busy => "no more work can be taken",
            Self::Timeout => "nothing came in time",
            Self::PeerMisbehaved => "the peer misbehaved",
            Self::PeerIncompatible => "the peer lacks it",
            Self::StaleMessage => "message out of turn",
            Self::Panicked => "code of the stream panicked",
        }
    }
}

/// An error of a provider: what went wrong, and with what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    context: Box<str>,
}

/// The result of an operation on a provider.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `context` names what it was about (a path, a class, an address).
    pub fn new(kind: ErrorKind, context: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            context: context.into(),
        }
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What it was about.
    pub const fn context(&self) -> &str {
        &self.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.context.is_empty() {
            f.write_str(self.kind.text())
        } else {
            write!(f, "{}: {}", self.context, self.kind.text())
        }
    }
}

impl std::error::Error for Error {}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, "")
    }
}
