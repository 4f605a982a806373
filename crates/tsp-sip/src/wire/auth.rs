//! Challenges and credentials: WWW-Authenticate, Authorization and their like for proxies, Authentication-Info
//! (RFC 3261 section 22, RFC 7616, RFC 8760). Only the grammar; what is computed from it is not done here.
//!
//! Quoted values are kept and written as they stand between their quotes, escapes included: so they are hashed
//! (RFC 7616 section 3.4) and so a peer finds its own again. [`escaped`] makes such a value of any text.

mod challenge;
mod credentials;
mod pairs;

#[cfg(test)]
mod tests;

pub use challenge::{Challenge, DigestChallenge};
pub use credentials::{AuthenticationInfo, Credentials, DigestCredentials};

use std::fmt;

use super::text::Text;

/// The scheme that this crate reads.
const DIGEST: &str = "Digest";

/// `text` as it can stand between quotes: quotes and backslashes escaped, control characters made spaces.
pub fn escaped(text: &str) -> Text {
    let quoted = super::scan::quote(text);
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    inner.into()
}

/// The algorithm of a digest (RFC 7616 section 6.1, RFC 8760).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    /// `MD5`, also meant where no algorithm is named.
    Md5,
    /// `MD5-sess`
    Md5Sess,
    /// `SHA-256`
    Sha256,
    /// `SHA-256-sess`
    Sha256Sess,
    /// `SHA-512-256`
    Sha512_256,
    /// `SHA-512-256-sess`
    Sha512_256Sess,
    /// Any other, as it is written.
    Other(Text),
}

impl Algorithm {
    /// Those that we know.
    pub const KNOWN: [Self; 6] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512_256,
        Self::Sha512_256Sess,
    ];

    fn new(text: Text) -> Self {
        Self::named(&text).unwrap_or(Self::Other(text))
    }

    /// The one of those that we know with this name, in any case of its letters.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = Self::KNOWN.into_iter();
        known.find(|a| a.as_str().eq_ignore_ascii_case(name))
    }

    /// The name as it is registered.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a digest protects (RFC 7616 section 3.3).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Qop {
    /// `auth`: the method and the URI.
    Auth,
    /// `auth-int`: the body too.
    AuthInt,
    /// Any other, as it is written.
    Other(Text),
}

impl Qop {
    fn new(text: &str) -> Self {
        if text.eq_ignore_ascii_case("auth") {
            Self::Auth
        } else if text.eq_ignore_ascii_case("auth-int") {
            Self::AuthInt
        } else {
            Self::Other(text.into())
        }
    }

    /// The word as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
