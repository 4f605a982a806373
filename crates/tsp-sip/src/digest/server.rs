//! The server: asks users to prove themselves, and judges their proofs.

use std::time::Duration;

use msp_core::secret::Secret;
use msp_core::time::Instant;
use subtle::ConstantTimeEq;

use super::arithmetic::{Hash, Proof};
use crate::memory::Memory;
use crate::wire::auth::{Algorithm, Credentials, DigestChallenge, DigestCredentials, Qop};
use crate::wire::{HeaderName, Headers, Request, Response, Text, Uri};

/// How long a nonce is good.
const LIFE: Duration = Duration::from_secs(60);

/// Hexadecimal digits of a nonce's time, of its random part and of what proves that we made it.
const TIME: usize = 16;
const SALT: usize = 16;
const SEAL: usize = 64;

/// Asks users to prove that they know a password, and judges what they say (RFC 7616 section 3.3, RFC 8760).
///
/// Nothing is kept of a nonce until somebody proves something with it, so that strangers cost no memory: it carries the
/// time of its birth, sealed.
pub struct DigestServer {
    realm: Text,
    algorithms: Vec<Algorithm>,
    secret: Secret<String>,
    used: Memory<Used>,
}

/// The uses of a nonce: the highest count, and which of the 64 up to it came.
#[derive(Clone, Copy, Debug)]
struct Used {
    highest: u32,
    window: u64,
}

/// What somebody proved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// To be this user.
    Proved(Box<str>),
    /// Nothing: there is no proof for our realm.
    Unproved,
    /// That the password is known, with a nonce that is too old or was used up.
    Stale,
    /// Nothing: the proof is wrong, or there is no such user.
    Wrong,
}

impl std::fmt::Debug for DigestServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestServer")
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

impl DigestServer {
    /// What is asked for if nobody says more: SHA-256 before MD5.
    pub const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// A server of `realm`, which asks for its [`ALGORITHMS`](Self::ALGORITHMS). `secret`, 256 random bits or more, seals
    /// its nonces.
    pub fn new(realm: impl Into<Text>, secret: Secret<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: Self::ALGORITHMS.into(),
            secret,
            used: Memory::new(),
        }
    }

    /// Asks for these algorithms instead, the preferred first (RFC 8760 section 2.3). With none nobody can prove anything.
    pub fn algorithms(mut self, algorithms: Vec<Algorithm>) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// Adds a challenge for each algorithm, the preferred first. `proxy`: as a proxy asks, with a 407; else as a
    /// registrar or a user agent does, with a 401. `salt` is 64 random bits.
    pub fn challenge(
        &self,
        now: Instant,
        response: &mut Response,
        proxy: bool,
        stale: bool,
        salt: u64,
    ) {
        let name = match proxy {
            true => HeaderName::ProxyAuthenticate,
            false => HeaderName::WwwAuthenticate,
        };
        let nonce = self.nonce(now, salt);
        for algorithm in &self.algorithms {
            let mut challenge =
                DigestChallenge::new(self.realm.clone(), nonce.clone(), algorithm.clone());
            challenge.qop = vec![Qop::Auth, Qop::AuthInt];
            challenge.stale = stale;
            response.headers.put(name.clone(), challenge.to_value());
        }
    }

    /// Judges the proof that `request` carries for our realm. `ha1` gives what stands for a user's password
    /// ([`Hash::ha1`]), if there is such a user.
    pub fn judge(
        &mut self,
        now: Instant,
        request: &Request,
        proxy: bool,
        ha1: impl Fn(&str, Hash) -> Option<Secret<String>>,
    ) -> Verdict {
        while self.used.forget(now).is_some() {}
        let Some(credentials) = self.credentials(&request.headers, proxy) else {
            return Verdict::Unproved;
        };
        let user = credentials.username.as_str();
        let algorithm = credentials.algorithm();
        let asked = self.algorithms.contains(algorithm);
        let Some((hash, _)) = Hash::of(algorithm).filter(|_| asked) else {
            return Verdict::Wrong;
        };
        let Some(born) = self.birth(&credentials.nonce) else {
            return Verdict::Wrong;
        };
        let Some(ha1) = ha1(user, hash).filter(|_| is_about(&credentials, &request.uri)) else {
            return Verdict::Wrong;
        };
        let proof = Proof {
            nonce: &credentials.nonce,
            cnonce: credentials.cnonce.as_deref().unwrap_or_default(),
            nc: credentials.nc.unwrap_or_default(),
            qop: credentials.qop.as_ref(),
            method: request.method.as_str(),
            uri: &credentials.uri,
            body: &request.body,
        };
        let Some(right) = proof.response(algorithm, &ha1) else {
            return Verdict::Wrong;
        };
        let said = credentials.response.expose().to_ascii_lowercase();
        if !bool::from(right.expose().as_bytes().ct_eq(said.as_bytes())) {
            return Verdict::Wrong;
        }
        // Only who knows the password is told that the nonce is old, and only such uses are remembered.
        let end = born + LIFE;
        if now > end || !self.is_first(end, &credentials) {
            return Verdict::Stale;
        }
        Verdict::Proved(user.into())
    }

    fn credentials(&self, headers: &Headers, proxy: bool) -> Option<DigestCredentials> {
        let ours = |c: Credentials| match c {
            Credentials::Digest(digest) if digest.realm == self.realm => Some(*digest),
            _ => None,
        };
        match proxy {
            true => headers.proxy_authorizations().flatten().find_map(ours),
            false => headers.authorizations().flatten().find_map(ours),
        }
    }

    fn nonce(&self, now: Instant, salt: u64) -> Text {
        let stamp = format!("{:016x}{salt:016x}", now.as_nanos());
        let seal = self.seal(&stamp);
        format!("{stamp}{seal}").into()
    }

    fn seal(&self, stamp: &str) -> String {
        Hash::Sha512_256.join(&[self.secret.expose().as_bytes(), stamp.as_bytes()])
    }

    /// When we made a nonce; nothing if we did not.
    fn birth(&self, nonce: &str) -> Option<Instant> {
        let (stamp, seal) = nonce
            .split_at_checked(TIME + SALT)
            .filter(|(_, s)| s.len() == SEAL)?;
        if !bool::from(self.seal(stamp).as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let nanos = u64::from_str_radix(stamp.get(..TIME)?, 16).ok()?;
        Some(Instant::from_nanos(nanos))
    }

    /// Whether a nonce was not used with this count, and notes it. Requests may overtake each other a little.
    fn is_first(&mut self, end: Instant, credentials: &DigestCredentials) -> bool {
        // Without `qop` nothing counts the uses: one is allowed.
        let count = credentials
            .nc
            .filter(|_| credentials.qop.is_some())
            .unwrap_or(1);
        let nonce: &str = &credentials.nonce;
        let used = match self.used.get(nonce).copied() {
            None => Used {
                highest: count,
                window: 1,
            },
            Some(known) if count > known.highest => Used {
                highest: count,
                window: known.window.checked_shl(count - known.highest).unwrap_or(0) | 1,
            },
            Some(known) => {
                let bit = 1_u64.checked_shl(known.highest - count).unwrap_or(0);
                if bit == 0 || known.window & bit != 0 {
                    return false;
                }
                Used {
                    window: known.window | bit,
                    ..known
                }
            }
        };
        self.used.put(end, nonce, used);
        true
    }
}

/// Whether a proof is about a request to `uri`: clients leave out parameters, and a proxy may have changed the port.
fn is_about(credentials: &DigestCredentials, uri: &Uri) -> bool {
    let Ok(proved) = Uri::new(credentials.uri.clone()) else {
        return false;
    };
    let same_host = match (proved.host(), uri.host()) {
        (Some(a), Some(b)) => a.same_as(&b),
        (a, b) => a.is_none() && b.is_none(),
    };
    same_host && proved.user() == uri.user()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Credential, DigestClient};
    use crate::wire::{Method, NameAddr, StatusCode};

    fn server() -> DigestServer {
        DigestServer::new("example.com", Secret::new("a secret of 256 bits".into()))
    }

    fn register() -> Request {
        let uri = Uri::new("sip:example.com").unwrap();
        let aor = NameAddr::new(Uri::new("sip:alice@example.com").unwrap());
        Request::with(Method::Register, uri, &aor, &aor, "c1", 1)
    }

    fn knows(user: &str, hash: Hash) -> Option<Secret<String>> {
        (user == "alice").then(|| hash.ha1(user, "example.com", &Secret::new("wonder".into())))
    }

    /// A request that proves itself to a challenge of `at`, and the client that made it.
    fn proved(server: &DigestServer, at: Instant, password: &str) -> (Request, DigestClient) {
        let mut request = register();
        let mut response = request.response(StatusCode::UNAUTHORIZED);
        server.challenge(at, &mut response, false, false, 7);
        let mut client = DigestClient::default();
        let credentials = [Credential::password("alice", password)];
        let new = client.challenged(
            &credentials,
            &request,
            &response.headers,
            false,
            &[],
            || "c".into(),
        );
        assert!(new);
        client.authorize(&mut request);
        (request, client)
    }

    // Shows: users prove themselves to us by digest, once for each count, for as long as the nonce is good | RFC 7616 3.3, RFC 8760
    #[test]
    fn who_knows_the_password_proves_it_once_for_each_count() {
        let mut server = server();
        let t = Instant::from_millis;
        assert_eq!(
            server.judge(t(0), &register(), false, knows),
            Verdict::Unproved
        );
        let (request, mut client) = proved(&server, t(0), "wonder");
        let alice = Verdict::Proved("alice".into());
        assert_eq!(server.judge(t(1), &request, false, knows), alice);
        assert_eq!(
            server.judge(t(2), &request, false, knows),
            Verdict::Stale,
            "said again by a listener"
        );
        let mut again = register();
        client.authorize(&mut again);
        let mut later = register();
        client.authorize(&mut later);
        assert_eq!(server.judge(t(3), &later, false, knows), alice);
        assert_eq!(
            server.judge(t(3), &again, false, knows),
            alice,
            "it was overtaken"
        );
        assert_eq!(server.judge(t(3), &again, false, knows), Verdict::Stale);
        let mut old = register();
        client.authorize(&mut old);
        assert_eq!(server.judge(t(60_001), &old, false, knows), Verdict::Stale);
        assert_eq!(server.used.len(), 0, "forgotten with the nonce");
    }

    #[test]
    fn what_is_no_proof_proves_nothing() {
        let mut server = server();
        let t = Instant::from_millis;
        let (wrong, _) = proved(&server, t(0), "guess");
        assert_eq!(server.judge(t(1), &wrong, false, knows), Verdict::Wrong);
        let (right, _) = proved(&server, t(0), "wonder");
        assert_eq!(
            server.judge(t(1), &right, true, knows),
            Verdict::Unproved,
            "no proxy was asked for"
        );
        assert_eq!(
            server.judge(t(1), &right, false, |_, _| None),
            Verdict::Wrong,
            "no such user"
        );
        let mut other = right.clone();
        other.uri = Uri::new("sip:victim@example.com").unwrap();
        assert_eq!(
            server.judge(t(1), &other, false, knows),
            Verdict::Wrong,
            "about something else"
        );
        let mut other = right.clone();
        other.method = Method::Invite;
        assert_eq!(server.judge(t(1), &other, false, knows), Verdict::Wrong);
        let elsewhere = DigestServer::new("example.com", Secret::new("another secret".into()));
        let (foreign, _) = proved(&elsewhere, t(0), "wonder");
        assert_eq!(
            server.judge(t(1), &foreign, false, knows),
            Verdict::Wrong,
            "a nonce that we did not make"
        );
        assert_eq!(server.used.len(), 0, "strangers cost no memory");
        assert_eq!(
            server.judge(t(1), &right, false, knows),
            Verdict::Proved("alice".into())
        );
    }
}
