//! Credentials: what a client proves itself with, and what a server proves in return.

use bytes::Bytes;
use msp_core::secret::Secret;

use super::pairs::{Pairs, Scheme, Writer, schemes};
use super::{Algorithm, DIGEST, Qop};
use crate::wire::headers::Headers;
use crate::wire::name::HeaderName;
use crate::wire::scan::list_items;
use crate::wire::text::Text;
use crate::{Error, ErrorKind, Result};

/// What one Authorization or Proxy-Authorization holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// By digest.
    Digest(Box<DigestCredentials>),
    /// Of another scheme. What follows is not kept: it may be a password in the clear.
    Other {
        /// The scheme.
        scheme: Text,
    },
}

/// Credentials by digest (RFC 7616 section 3.4, RFC 3261 section 22.4). Texts are as they stand between quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestCredentials {
    /// The user's name in the realm, or the hash of it.
    pub username: Text,
    /// That of the challenge.
    pub realm: Text,
    /// That of the challenge.
    pub nonce: Text,
    /// The Request-URI that was signed.
    pub uri: Text,
    /// The digest, in hexadecimal digits.
    pub response: Secret<String>,
    /// The algorithm; none means MD5.
    pub algorithm: Option<Algorithm>,
    /// That of the challenge.
    pub opaque: Option<Text>,
    /// What the client made to be used once.
    pub cnonce: Option<Text>,
    /// What the digest protects; none in credentials of the old kind (RFC 2069).
    pub qop: Option<Qop>,
    /// How often the client used the nonce, this time included.
    pub nc: Option<u32>,
    /// Whether the name is a hash.
    pub userhash: bool,
}

impl DigestCredentials {
    /// The algorithm that is meant.
    pub fn algorithm(&self) -> &Algorithm {
        self.algorithm.as_ref().unwrap_or(&Algorithm::Md5)
    }

    fn read(items: &[Bytes]) -> Result<Self> {
        let pairs = read_pairs(items.iter())?;
        let response = Secret::new(pairs.need("response")?.to_string());
        Ok(Self {
            username: pairs.need("username")?,
            realm: pairs.need("realm")?,
            nonce: pairs.need("nonce")?,
            uri: pairs.need("uri")?,
            response,
            algorithm: pairs.get("algorithm").cloned().map(Algorithm::new),
            opaque: pairs.get("opaque").cloned(),
            cnonce: pairs.get("cnonce").cloned(),
            qop: pairs.get("qop").map(|q| Qop::new(q)),
            nc: nonce_count(&pairs)?,
            userhash: pairs
                .get("userhash")
                .is_some_and(|v| v.eq_ignore_ascii_case("true")),
        })
    }

    /// The credentials as they are written in a header field.
    pub fn to_value(&self) -> Bytes {
        let mut out = Writer::new(DIGEST);
        out.quoted("username", &self.username);
        out.quoted("realm", &self.realm);
        out.quoted("nonce", &self.nonce);
        out.quoted("uri", &self.uri);
        out.quoted("response", self.response.expose());
        if let Some(algorithm) = &self.algorithm {
            out.plain("algorithm", algorithm.as_str());
        }
        out.quoted_if("cnonce", self.cnonce.as_ref());
        out.quoted_if("opaque", self.opaque.as_ref());
        if let Some(qop) = &self.qop {
            out.plain("qop", qop.as_str());
        }
        if let Some(nc) = self.nc {
            out.plain("nc", &format!("{nc:08x}"));
        }
        if self.userhash {
            out.plain("userhash", "true");
        }
        out.finish()
    }
}

impl Credentials {
    /// Reads the value of one Authorization or Proxy-Authorization.
    ///
    /// # Errors
    /// [`ErrorKind::Value`], [`ErrorKind::Missing`] without a parameter that must be there,
    /// [`ErrorKind::Duplicate`] for one given twice, [`ErrorKind::Number`] for a nonce count that is none, or
    /// [`ErrorKind::Limit`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let mut all = schemes(value)?;
        let first: Scheme = match (all.pop(), all.pop()) {
            (Some(only), None) => only,
            // One field holds one set (RFC 3261 section 7.3.1); a comma in it parts its pairs.
            _ => return Err(Error::new(ErrorKind::Value, "credentials")),
        };
        if first.name.eq_ignore_ascii_case(DIGEST) {
            let digest = DigestCredentials::read(&first.items)?;
            Ok(Self::Digest(Box::new(digest)))
        } else {
            Ok(Self::Other { scheme: first.name })
        }
    }
}

/// What a server says after it took credentials: that it knows the secret too, and the next nonce
/// (RFC 7616 section 3.5, RFC 3261 section 20.6).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuthenticationInfo {
    /// The nonce to use from now on.
    pub next_nonce: Option<Text>,
    /// The server's own digest, in hexadecimal digits.
    pub response: Option<Secret<String>>,
    /// That of the credentials.
    pub qop: Option<Qop>,
    /// That of the credentials.
    pub cnonce: Option<Text>,
    /// That of the credentials.
    pub nc: Option<u32>,
}

impl AuthenticationInfo {
    /// Reads the value of Authentication-Info.
    ///
    /// # Errors
    /// [`ErrorKind::Value`], [`ErrorKind::Duplicate`], [`ErrorKind::Number`] or [`ErrorKind::Limit`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let items: Vec<_> = list_items(value).map(|i| value.slice_ref(i)).collect();
        let pairs = read_pairs(items.iter())?;
        Ok(Self {
            next_nonce: pairs.get("nextnonce").cloned(),
            response: pairs.get("rspauth").map(|r| Secret::new(r.to_string())),
            qop: pairs.get("qop").map(|q| Qop::new(q)),
            cnonce: pairs.get("cnonce").cloned(),
            nc: nonce_count(&pairs)?,
        })
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        let mut out = Writer::new("");
        out.quoted_if("nextnonce", self.next_nonce.as_ref());
        if let Some(qop) = &self.qop {
            out.plain("qop", qop.as_str());
        }
        if let Some(response) = &self.response {
            out.quoted("rspauth", response.expose());
        }
        out.quoted_if("cnonce", self.cnonce.as_ref());
        if let Some(nc) = self.nc {
            out.plain("nc", &format!("{nc:08x}"));
        }
        out.finish()
    }
}

fn read_pairs<'a>(items: impl Iterator<Item = &'a Bytes>) -> Result<Pairs> {
    let mut pairs = Pairs::default();
    for item in items {
        pairs.read(item)?;
    }
    Ok(pairs)
}

/// The nonce count: eight hexadecimal digits (RFC 7616 section 3.4); peers also write fewer.
fn nonce_count(pairs: &Pairs) -> Result<Option<u32>> {
    let Some(text) = pairs.get("nc") else {
        return Ok(None);
    };
    let digits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| digits);
    number.map(Some).ok_or(Error::new(ErrorKind::Number, "nc"))
}

impl Headers {
    /// The credentials for the server, in their order (Authorization, RFC 3261 section 20.7).
    pub fn authorizations(&self) -> impl Iterator<Item = Result<Credentials>> {
        self.all(&HeaderName::Authorization).map(Credentials::parse)
    }

    /// The credentials for proxies, in their order (Proxy-Authorization, RFC 3261 section 20.28).
    pub fn proxy_authorizations(&self) -> impl Iterator<Item = Result<Credentials>> {
        self.all(&HeaderName::ProxyAuthorization)
            .map(Credentials::parse)
    }

    /// Authentication-Info.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`AuthenticationInfo::parse`].
    pub fn authentication_info(&self) -> Result<Option<AuthenticationInfo>> {
        self.only(&HeaderName::AuthenticationInfo, "Authentication-Info")?
            .map(AuthenticationInfo::parse)
            .transpose()
    }
}
