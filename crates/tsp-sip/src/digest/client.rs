//! The client: answers challenges, and puts what it learned into later requests before it is asked.

use msp_core::secret::Secret;

use super::arithmetic::{Hash, Proof};
use crate::wire::auth::{Challenge, Credentials, DigestChallenge, DigestCredentials, Qop, escaped};
use crate::wire::{HeaderName, Headers, Request, Text};

/// Realms that are remembered at a time; the oldest is forgotten.
const MOST: usize = 8;

/// What a user proves in a realm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credential {
    /// The realm; none for whatever realm the account's own servers name.
    pub realm: Option<Box<str>>,
    /// The user's name there.
    pub user: Box<str>,
    /// What is known only to the user and the server.
    pub key: Key,
}

/// What is known only to a user and a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// The password.
    Password(Secret<String>),
    /// What stands for the password in one realm, for one hash function ([`Hash::ha1`]), in hexadecimal digits.
    Ha1(Hash, Secret<String>),
}

impl Credential {
    /// A password for every realm.
    pub fn password(user: impl Into<Box<str>>, password: impl Into<String>) -> Self {
        Self {
            realm: None,
            user: user.into(),
            key: Key::Password(Secret::new(password.into())),
        }
    }

    fn fits(&self, realm: &str, hash: Hash) -> bool {
        let known = match &self.key {
            Key::Password(_) => true,
            Key::Ha1(of, _) => *of == hash,
        };
        known && self.realm.as_ref().is_none_or(|r| **r == *realm)
    }
}

/// Challenges that were answered, each with how often its nonce was used.
#[derive(Debug, Default)]
pub struct DigestClient {
    sessions: Vec<Session>,
}

/// What is kept of a realm.
struct Session {
    /// A proxy asked.
    proxy: bool,
    challenge: DigestChallenge,
    user: Text,
    ha1: Secret<String>,
    /// The same for all uses of a nonce, as a session's algorithm needs it.
    cnonce: Text,
    nc: u32,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("realm", &self.challenge.realm)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

impl DigestClient {
    /// Takes the challenges of a 401 (`proxy` is false) or a 407: of those of a realm the topmost that is supported and
    /// that there is a credential for (RFC 8760 section 2.4). Whether there is anything new to send: a challenge that
    /// repeats the nonce that `refused`, the request, was proved with, without calling it stale, says that the
    /// password is wrong, and so does any that comes for a proof to one of the realms `answered`, which asked for this
    /// very request before (RFC 7616 section 3.3). `random` makes a token.
    pub fn challenged(
        &mut self,
        credentials: &[Credential],
        refused: &Request,
        headers: &Headers,
        proxy: bool,
        answered: &[Text],
        mut random: impl FnMut() -> String,
    ) -> bool {
        let challenges: Vec<_> = match proxy {
            true => headers.proxy_challenges().collect(),
            false => headers.www_challenges().collect(),
        };
        let mut taken: Vec<Text> = Vec::new();
        let mut fresh = false;
        for challenge in challenges {
            let Ok(Challenge::Digest(challenge)) = challenge else {
                continue;
            };
            let Some((hash, _)) = Hash::of(challenge.algorithm()) else {
                continue;
            };
            let realm = challenge.realm.detached();
            if taken.contains(&realm) || !is_supported(&challenge.qop) {
                continue;
            }
            let Some(credential) = credentials.iter().find(|c| c.fits(&realm, hash)) else {
                continue;
            };
            let again = answered.contains(&realm);
            fresh |= challenge.stale || !was_proved(refused, proxy, &challenge, again);
            taken.push(realm.clone());
            let user = escaped(&credential.user);
            let ha1 = match &credential.key {
                Key::Password(password) => hash.ha1(&user, &realm, password),
                Key::Ha1(_, ha1) => ha1.clone(),
            };
            self.sessions
                .retain(|s| s.proxy != proxy || s.challenge.realm != realm);
            if self.sessions.len() >= MOST {
                self.sessions.remove(0);
            }
            let cnonce = random().into();
            let nc = 0;
            self.sessions.push(Session {
                proxy,
                challenge: detached(&challenge),
                user,
                ha1,
                cnonce,
                nc,
            });
        }
        fresh
    }

    /// Proves what was asked for before in `request`, whose Request-URI and body are those that leave.
    pub fn authorize(&mut self, request: &mut Request) {
        for session in &mut self.sessions {
            let Some(credentials) = session.prove(request) else {
                continue;
            };
            let name = match session.proxy {
                true => HeaderName::ProxyAuthorization,
                false => HeaderName::Authorization,
            };
            request.headers.put(name, credentials.to_value());
        }
    }

    /// A server took what was proved, and may want another nonce the next time (RFC 7616 section 3.5).
    pub fn accepted(&mut self, headers: &Headers) {
        let next = headers.authentication_info().ok().flatten();
        let Some(next) = next.and_then(|i| i.next_nonce) else {
            return;
        };
        // It does not say of which realm, and only servers send it: with several there is no telling.
        let mut own = self.sessions.iter_mut().filter(|s| !s.proxy);
        if let (Some(session), None) = (own.next(), own.next()) {
            session.challenge.nonce = next.detached();
            session.nc = 0;
        }
    }
}

impl Session {
    fn prove(&mut self, request: &Request) -> Option<DigestCredentials> {
        let offered = &self.challenge.qop;
        let qop = [Qop::Auth, Qop::AuthInt]
            .into_iter()
            .find(|q| offered.contains(q));
        self.nc = self.nc.checked_add(1)?;
        let proof = Proof {
            nonce: &self.challenge.nonce,
            cnonce: &self.cnonce,
            nc: self.nc,
            qop: qop.as_ref(),
            method: request.method.as_str(),
            uri: request.uri.as_str(),
            body: &request.body,
        };
        let algorithm = self.challenge.algorithm();
        let response = proof.response(algorithm, &self.ha1)?;
        let session = Hash::of(algorithm).is_some_and(|(_, session)| session);
        Some(DigestCredentials {
            username: self.user.clone(),
            realm: self.challenge.realm.clone(),
            nonce: self.challenge.nonce.clone(),
            uri: request.uri.as_str().into(),
            response,
            // Servers that name no algorithm may not know the parameter.
            algorithm: self.challenge.algorithm.clone(),
            opaque: self.challenge.opaque.clone(),
            cnonce: (qop.is_some() || session).then(|| self.cnonce.clone()),
            nc: qop.is_some().then_some(self.nc),
            qop,
            userhash: false,
        })
    }
}

/// Whether one of the offered kinds of protection can be given; none at all is the old form.
fn is_supported(qop: &[Qop]) -> bool {
    qop.is_empty() || qop.iter().any(|q| !matches!(q, Qop::Other(_)))
}

/// Whether a request has credentials for this algorithm and this very nonce, or for `any` nonce of the realm.
fn was_proved(request: &Request, proxy: bool, challenge: &DigestChallenge, any: bool) -> bool {
    let fits = |c: crate::Result<Credentials>| {
        matches!(c, Ok(Credentials::Digest(c))
            if c.realm == challenge.realm
                && (any || c.nonce == challenge.nonce)
                && c.algorithm() == challenge.algorithm())
    };
    match proxy {
        true => request.headers.proxy_authorizations().any(fits),
        false => request.headers.authorizations().any(fits),
    }
}

/// The challenge as a value that does not keep a message's buffer alive.
fn detached(challenge: &DigestChallenge) -> DigestChallenge {
    DigestChallenge {
        realm: challenge.realm.detached(),
        nonce: challenge.nonce.detached(),
        opaque: challenge.opaque.as_ref().map(Text::detached),
        domain: None,
        stale: challenge.stale,
        // One with a name of its own is not answered, so it holds no text of the message.
        algorithm: challenge.algorithm.clone(),
        qop: challenge.qop.clone(),
        userhash: challenge.userhash,
    }
}
