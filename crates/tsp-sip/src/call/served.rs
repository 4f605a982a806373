//! The domain that we serve: its users register with us and prove themselves when they call (RFC 3261 sections 10.3 and
//! 22.2).

use msp_core::id::CallKey;
use msp_core::secret::Secret;
use msp_core::time::Instant;

use super::UserAgent;
use super::failover::Chosen;
use super::interface::Output;
use super::services::Services;
use crate::account::AccountId;
use crate::digest::{Credential, DigestServer, Hash, Key, Verdict};
use crate::registrar::{Location, Registrar, RegistrarLimits};
use crate::tables::HashMap;
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::auth::Algorithm;
use crate::wire::{HeaderName, Headers, Host, NameAddr, Request, Response, StatusCode, Uri};

/// A domain that a user agent serves.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The host in the addresses of its users, and the realm of their passwords.
    pub host: Host,
    /// Its users, each with what it proves itself with.
    pub users: Vec<Credential>,
    /// For how long, and for how many contacts, they may register.
    pub limits: RegistrarLimits,
    /// What they are asked to prove themselves by, the preferred first (RFC 8760 section 2.3). There are phones that read
    /// no challenge at all where one of several is of an algorithm that they do not know: such want `Md5` alone.
    pub algorithms: Vec<Algorithm>,
}

impl Domain {
    /// The domain `host` of `users`, with the usual limits and SHA-256 before MD5.
    pub fn new(host: Host, users: Vec<Credential>) -> Self {
        Self {
            host,
            users,
            limits: RegistrarLimits::default(),
            algorithms: DigestServer::ALGORITHMS.into(),
        }
    }
}

/// What an INVITE to a contact of a user of ours passes.
#[derive(Debug)]
pub(super) struct Passage {
    /// The proxies between us and the contact (RFC 3327).
    path: Vec<NameAddr>,
    /// How many more hops it may take.
    hops: u8,
}

impl Passage {
    pub(super) const fn new(path: Vec<NameAddr>, hops: u8) -> Self {
        Self { path, hops }
    }

    pub(super) fn dress(&self, headers: &mut Headers) {
        headers.set(HeaderName::MaxForwards, self.hops.to_string());
        for proxy in &self.path {
            headers.put(HeaderName::Route, proxy.to_value());
        }
    }
}

/// A domain and what is known of its users.
#[derive(Debug)]
pub(super) struct Served {
    host: Host,
    /// The host as the realm of its users' passwords.
    realm: Box<str>,
    users: HashMap<Box<str>, Key>,
    digest: DigestServer,
    pub(super) registrar: Registrar,
}

impl Served {
    /// `secret` is random.
    pub(super) fn new(domain: Domain, secret: Secret<String>) -> Self {
        let realm = domain.host.to_string();
        let users = domain.users.into_iter().map(|c| (c.user, c.key));
        Self {
            digest: DigestServer::new(&*realm, secret).algorithms(domain.algorithms),
            realm: realm.into(),
            users: users.collect(),
            host: domain.host,
            registrar: Registrar::new(domain.limits),
        }
    }

    /// The user of ours that an address names.
    pub(super) fn user<'a>(&'a self, uri: &Uri) -> Option<&'a str> {
        let ours = uri.host().is_some_and(|h| h.same_as(&self.host));
        let name = uri.user().filter(|_| ours)?;
        self.users.get_key_value(&*name).map(|(name, _)| &**name)
    }

    fn judge(&mut self, now: Instant, request: &Request) -> Verdict {
        let (users, realm) = (&self.users, &self.realm);
        let ha1 = |user: &str, hash: Hash| match users.get(user)? {
            Key::Password(password) => Some(hash.ha1(user, realm, password)),
            Key::Ha1(of, ha1) => (*of == hash).then(|| ha1.clone()),
        };
        self.digest.judge(now, request, false, ha1)
    }
}

impl UserAgent {
    /// Whether a request outside of a dialog may go on: where we serve a domain, only a user of it who proves to be the
    /// one that From names. Else it is answered here.
    pub(super) fn admits(&mut self, now: Instant, id: ServerId, request: &Request) -> bool {
        let Some(served) = &mut self.served else {
            return true;
        };
        let verdict = served.judge(now, request);
        let from = request.headers.from().ok();
        let named = from.as_ref().and_then(|f| served.user(f.uri()));
        match verdict {
            Verdict::Proved(user) if named == Some(&*user) => true,
            Verdict::Proved(_) => {
                self.services
                    .refuse(now, id, request, StatusCode::FORBIDDEN);
                false
            }
            other => {
                self.ask_for_proof(now, id, request, &other);
                false
            }
        }
    }

    /// A REGISTER for a user of ours.
    pub(super) fn registered(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let Some(served) = &mut self.served else {
            return;
        };
        let verdict = served.judge(now, request);
        let Verdict::Proved(proved) = verdict else {
            self.ask_for_proof(now, id, request, &verdict);
            return;
        };
        let to = request.headers.to().ok();
        let user = to
            .as_ref()
            .and_then(|t| served.user(t.uri()))
            .map(Box::<str>::from);
        // Users register themselves, and not as us: a call to such a contact would come back.
        let Some(user) =
            user.filter(|u| *u == proved && !leads_to_us(&self.services, flow, request))
        else {
            self.services
                .refuse(now, id, request, StatusCode::FORBIDDEN);
            return;
        };
        let outcome = served.registrar.register(now, flow, &user, request);
        let mut response = self.services.refusal(&request.headers, outcome.status);
        for (name, value) in outcome.fields {
            response.headers.put(name, value);
        }
        if !outcome.status.is_success() {
            self.services.stats.refused += 1;
        }
        self.services.respond(now, id, &response);
        self.tell_location(now, user);
    }

    /// Bindings are over, or the connection that they were made on is gone.
    pub(super) fn locations_due(&mut self, now: Instant) {
        let users = self.served.as_mut().map(|s| s.registrar.expire(now));
        for user in users.into_iter().flatten() {
            self.tell_location(now, user);
        }
    }

    pub(super) fn location_lost(&mut self, now: Instant, flow: Flow) {
        let users = self.served.as_mut().map(|s| s.registrar.lost(flow));
        for user in users.into_iter().flatten() {
            self.tell_location(now, user);
        }
    }

    fn tell_location(&mut self, now: Instant, user: Box<str>) {
        let locations = self.served.as_ref().map(|s| s.registrar.find(now, &user));
        let locations = locations.unwrap_or_default();
        self.services
            .out
            .push_back(Output::Located { user, locations });
    }

    /// Calls a user of ours at a contact, by the way that it registered.
    pub(super) fn dial_location(
        &mut self,
        now: Instant,
        key: CallKey,
        location: Location,
        account: Option<AccountId>,
        hops: u8,
    ) {
        if !self.may_begin(key) {
            return;
        }
        let Location {
            uri, path, flow, ..
        } = location;
        self.begin_call(key, uri, account);
        if let Some(call) = self.calls.get_mut(&key) {
            call.passage = Some(Box::new(Passage::new(path, hops)));
        }
        self.dial_by(now, key, Ok(Chosen::only(flow)));
    }

    fn ask_for_proof(&mut self, now: Instant, id: ServerId, request: &Request, verdict: &Verdict) {
        let mut response: Response = self
            .services
            .refusal(&request.headers, StatusCode::UNAUTHORIZED);
        let salt = self.services.random_below(u64::MAX);
        if let Some(served) = &self.served {
            let stale = *verdict == Verdict::Stale;
            served
                .digest
                .challenge(now, &mut response, false, stale, salt);
        }
        if *verdict == Verdict::Wrong {
            self.services.stats.wrong_proofs += 1;
        }
        self.services.respond(now, id, &response);
    }
}

/// Whether a contact of a registration is our own address.
fn leads_to_us(services: &Services, flow: Flow, request: &Request) -> bool {
    let ours = [flow.local, services.advertised(flow)];
    request.headers.contacts().flatten().any(|contact| {
        let Some(Host::Ip(ip)) = contact.uri().host() else {
            return false;
        };
        let port = contact
            .uri()
            .port()
            .unwrap_or_else(|| flow.transport.default_port());
        ours.iter().any(|o| (o.ip(), o.port()) == (ip, port))
    })
}
