//! Challenges: what a server or a proxy asks for.

use bytes::Bytes;

use super::pairs::{Pairs, Scheme, Writer, schemes};
use super::{Algorithm, DIGEST, Qop};
use crate::wire::headers::Headers;
use crate::wire::name::HeaderName;
use crate::wire::text::Text;
use crate::{Error, ErrorKind, Result};

/// One challenge of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// By digest.
    Digest(DigestChallenge),
    /// Of another scheme, which nothing here can answer.
    Other {
        /// The scheme.
        scheme: Text,
        /// What follows it, item by item.
        items: Vec<Bytes>,
    },
}

/// A challenge by digest (RFC 7616 section 3.3, RFC 3261 section 22.4). Texts are as they stand between quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestChallenge {
    /// What the credentials are for.
    pub realm: Text,
    /// What the server made to be used once, or for a while.
    pub nonce: Text,
    /// What the client has to send back unchanged.
    pub opaque: Option<Text>,
    /// URIs that share the credentials, as they are written.
    pub domain: Option<Text>,
    /// Whether the credentials were right but for their nonce.
    pub stale: bool,
    /// The algorithm; none means MD5 (RFC 7616 section 3.3).
    pub algorithm: Option<Algorithm>,
    /// What the digest may protect; none at all in a challenge of the old kind (RFC 2069).
    pub qop: Vec<Qop>,
    /// Whether the server can find a user by a hash of the name.
    pub userhash: bool,
}

impl DigestChallenge {
    /// A challenge of `realm` with `nonce`, for `algorithm`, and `auth` as what is protected.
    pub fn new(realm: impl Into<Text>, nonce: impl Into<Text>, algorithm: Algorithm) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            opaque: None,
            domain: None,
            stale: false,
            algorithm: Some(algorithm),
            qop: vec![Qop::Auth],
            userhash: false,
        }
    }

    /// The algorithm that is meant.
    pub fn algorithm(&self) -> &Algorithm {
        self.algorithm.as_ref().unwrap_or(&Algorithm::Md5)
    }

    fn read(items: &[Bytes]) -> Result<Self> {
        let mut pairs = Pairs::default();
        for item in items {
            pairs.read(item)?;
        }
        let is_true = |name| {
            pairs
                .get(name)
                .is_some_and(|v| v.eq_ignore_ascii_case("true"))
        };
        let qop = pairs.get("qop").map(Text::as_str).unwrap_or_default();
        let words = qop.split(',').map(str::trim).filter(|w| !w.is_empty());
        Ok(Self {
            realm: pairs.need("realm")?,
            nonce: pairs.need("nonce")?,
            opaque: pairs.get("opaque").cloned(),
            domain: pairs.get("domain").cloned(),
            stale: is_true("stale"),
            algorithm: pairs.get("algorithm").cloned().map(Algorithm::new),
            qop: words.map(Qop::new).collect(),
            userhash: is_true("userhash"),
        })
    }

    /// The challenge as it is written in a header field.
    pub fn to_value(&self) -> Bytes {
        let mut out = Writer::new(DIGEST);
        out.quoted("realm", &self.realm);
        out.quoted_if("domain", self.domain.as_ref());
        out.quoted("nonce", &self.nonce);
        out.quoted_if("opaque", self.opaque.as_ref());
        if self.stale {
            out.plain("stale", "true");
        }
        if let Some(algorithm) = &self.algorithm {
            out.plain("algorithm", algorithm.as_str());
        }
        if !self.qop.is_empty() {
            let words: Vec<_> = self.qop.iter().map(Qop::as_str).collect();
            out.quoted("qop", &words.join(","));
        }
        if self.userhash {
            out.plain("userhash", "true");
        }
        out.finish()
    }
}

impl Challenge {
    /// Reads the challenges of one field: one as a rule, several from peers that join them.
    ///
    /// # Errors
    /// [`ErrorKind::Value`], [`ErrorKind::Missing`] without a realm or a nonce, [`ErrorKind::Duplicate`] for a
    /// parameter given twice, or [`ErrorKind::Limit`].
    pub fn parse(value: &Bytes) -> Result<Vec<Self>> {
        schemes(value)?.into_iter().map(Self::read).collect()
    }

    fn read(scheme: Scheme) -> Result<Self> {
        if scheme.name.eq_ignore_ascii_case(DIGEST) {
            DigestChallenge::read(&scheme.items).map(Self::Digest)
        } else {
            Ok(Self::Other {
                scheme: scheme.name,
                items: scheme.items,
            })
        }
    }
}

impl Headers {
    /// The challenges of a server, in their order (WWW-Authenticate, RFC 3261 section 20.44). A field that cannot
    /// be read is an error in its place and hides no other.
    pub fn www_challenges(&self) -> impl Iterator<Item = Result<Challenge>> {
        self.challenges(&HeaderName::WwwAuthenticate, "WWW-Authenticate")
    }

    /// The challenges of proxies, in their order (Proxy-Authenticate, RFC 3261 section 20.27).
    pub fn proxy_challenges(&self) -> impl Iterator<Item = Result<Challenge>> {
        self.challenges(&HeaderName::ProxyAuthenticate, "Proxy-Authenticate")
    }

    fn challenges<'a>(
        &'a self,
        name: &'a HeaderName,
        what: &'static str,
    ) -> impl Iterator<Item = Result<Challenge>> + 'a {
        self.all(name).flat_map(move |value| {
            let read = match Challenge::parse(value) {
                Ok(challenges) => challenges.into_iter().map(Ok).collect(),
                Err(e) if e.kind() == ErrorKind::Missing => vec![Err(e)],
                Err(e) => vec![Err(Error::new(e.kind(), what))],
            };
            read.into_iter()
        })
    }
}
