//! What is hashed, and how (RFC 7616 section 3.4).

use md5::Md5;
use msp_core::secret::Secret;
use sha2::{Digest, Sha256, Sha512_256};

use crate::wire::auth::{Algorithm, Qop};

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    /// MD5. Weak; what most registrars still ask for.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256, which is not SHA-512 cut short.
    Sha512_256,
}

impl Hash {
    /// The function of an algorithm, and whether that is a session's variant; none for an unknown one.
    pub const fn of(algorithm: &Algorithm) -> Option<(Self, bool)> {
        Some(match algorithm {
            Algorithm::Md5 => (Self::Md5, false),
            Algorithm::Md5Sess => (Self::Md5, true),
            Algorithm::Sha256 => (Self::Sha256, false),
            Algorithm::Sha256Sess => (Self::Sha256, true),
            Algorithm::Sha512_256 => (Self::Sha512_256, false),
            Algorithm::Sha512_256Sess => (Self::Sha512_256, true),
            Algorithm::Other(_) => return None,
        })
    }

    /// The hash of `parts` with colons between them, in hexadecimal digits.
    pub(super) fn join(self, parts: &[&[u8]]) -> String {
        fn run<D: Digest>(parts: &[&[u8]]) -> String {
            let mut hash = D::new();
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    hash.update(b":");
                }
                hash.update(part);
            }
            let digits = |b: &u8| format!("{b:02x}");
            hash.finalize().iter().map(digits).collect()
        }
        match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha512_256 => run::<Sha512_256>(parts),
        }
    }

    /// How many hexadecimal digits its value has.
    pub const fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512_256 => 64,
        }
    }

    /// What stands for a user's password in a realm, known as HA1: `user:realm:password` hashed.
    pub fn ha1(self, user: &str, realm: &str, password: &Secret<String>) -> Secret<String> {
        let parts = [
            user.as_bytes(),
            realm.as_bytes(),
            password.expose().as_bytes(),
        ];
        Secret::new(self.join(&parts))
    }
}

/// What a digest proves something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof<'a> {
    /// The server's nonce.
    pub nonce: &'a str,
    /// The client's nonce; needed for a session's algorithm and with a `qop`.
    pub cnonce: &'a str,
    /// How often the nonce was used, this time included.
    pub nc: u32,
    /// What is protected; none for the old form (RFC 2069).
    pub qop: Option<&'a Qop>,
    /// The method of the request.
    pub method: &'a str,
    /// Its Request-URI.
    pub uri: &'a str,
    /// Its body, which `auth-int` protects.
    pub body: &'a [u8],
}

impl Proof<'_> {
    /// The digest of `algorithm` for who has `ha1`, in hexadecimal digits; none for an unknown algorithm or `qop`.
    pub fn response(&self, algorithm: &Algorithm, ha1: &Secret<String>) -> Option<Secret<String>> {
        let (hash, session) = Hash::of(algorithm)?;
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        let a1 = match session {
            true => Secret::new(hash.join(&[ha1.expose().as_bytes(), nonce, cnonce])),
            false => ha1.clone(),
        };
        let (method, uri) = (self.method.as_bytes(), self.uri.as_bytes());
        let a2 = match self.qop {
            None | Some(Qop::Auth) => hash.join(&[method, uri]),
            Some(Qop::AuthInt) => {
                let body = hash.join(&[self.body]);
                hash.join(&[method, uri, body.as_bytes()])
            }
            Some(Qop::Other(_)) => return None,
        };
        let (a1, a2) = (a1.expose().as_bytes(), a2.as_bytes());
        Some(Secret::new(match self.qop {
            None => hash.join(&[a1, nonce, a2]),
            Some(qop) => {
                let count = format!("{:08x}", self.nc);
                let qop = qop.as_str().as_bytes();
                hash.join(&[a1, nonce, count.as_bytes(), cnonce, qop, a2])
            }
        }))
    }
}
