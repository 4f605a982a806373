//! Methods: the ones that RFCs name, and any other token.

use std::fmt;

use super::scan::is_token;
use super::text::Text;
use crate::{Error, ErrorKind, Result};

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// What a request asks for (RFC 3261 section 7.1). Methods are case-sensitive.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum Method {
            $($(#[$doc])* $name,)*
            /// A method that this crate has no name for.
            Other(Text),
        }

        impl Method {
            /// The method as it is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }

            pub(super) fn known(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

methods! {
    /// Sets up or changes a session.
    Invite = "INVITE",
    /// Confirms that the final response to an INVITE came.
    Ack = "ACK",
    /// Ends a session.
    Bye = "BYE",
    /// Takes back a request that is not answered yet.
    Cancel = "CANCEL",
    /// Asks what the other end can do.
    Options = "OPTIONS",
    /// Binds an address of record to where a user is.
    Register = "REGISTER",
    /// Acknowledges a provisional response (RFC 3262).
    Prack = "PRACK",
    /// Asks for notice of a state (RFC 6665).
    Subscribe = "SUBSCRIBE",
    /// Gives notice of a state (RFC 6665).
    Notify = "NOTIFY",
    /// Publishes a state (RFC 3903).
    Publish = "PUBLISH",
    /// Carries information within a session (RFC 6086).
    Info = "INFO",
    /// Asks the other end to send a request (RFC 3515).
    Refer = "REFER",
    /// Carries a message (RFC 3428).
    Message = "MESSAGE",
    /// Changes a session before it is answered (RFC 3311).
    Update = "UPDATE",
}

impl Method {
    /// The method that `text` names.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is not a token.
    pub fn new(text: &str) -> Result<Self> {
        match Self::known(text) {
            Some(known) => Ok(known),
            None if is_token(text.as_bytes()) => Ok(Self::Other(text.into())),
            None => Err(Error::new(ErrorKind::Value, "method")),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
