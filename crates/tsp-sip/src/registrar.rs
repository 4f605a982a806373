//! A registrar: where the users of a domain can be reached, for as long as they say (RFC 3261 section 10.3, RFC 3327,
//! RFC 5626 section 6).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use crate::tables::HashMap;
use crate::transport::Flow;
use crate::wire::{HeaderName, NameAddr, OptionTags, Preference, Request, StatusCode, Text, Uri};

#[cfg(test)]
mod tests;

/// How long bindings live, and how many there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistrarLimits {
    /// The shortest that is granted; who asks for less is answered 423.
    pub shortest: Duration,
    /// The longest that is granted.
    pub longest: Duration,
    /// What is granted to who asks for nothing.
    pub usual: Duration,
    /// Contacts of one user.
    pub contacts: usize,
}

impl Default for RegistrarLimits {
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
            usual: Duration::from_secs(3600),
            contacts: 10,
        }
    }
}

/// Where a user can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The Request-URI of a request to the user.
    pub uri: Uri,
    /// The proxies in between (RFC 3327).
    pub path: Vec<NameAddr>,
    /// The way that the registration came, on which a user behind NAT is reached.
    pub flow: Flow,
    /// How much this one is preferred to others.
    pub preference: Preference,
}

/// What a registration comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The status of the response.
    pub status: StatusCode,
    /// What it says besides: all contacts that hold, or why it was refused.
    pub fields: Vec<(HeaderName, Bytes)>,
}

/// The bindings of a domain.
#[derive(Debug, Default)]
pub struct Registrar {
    limits: RegistrarLimits,
    users: HashMap<Box<str>, Vec<Binding>>,
    /// When bindings end, and whose.
    ends: BTreeMap<(Instant, u64), Box<str>>,
    next: u64,
}

/// One contact of a user.
#[derive(Clone, Debug)]
struct Binding {
    /// As it was written, without how long.
    contact: NameAddr,
    path: Vec<NameAddr>,
    flow: Flow,
    /// The registration that made or refreshed it.
    call_id: Text,
    number: u32,
    end: Instant,
    /// Its place among the ends.
    id: u64,
}

/// What a request wants of one contact.
struct Wish {
    contact: NameAddr,
    life: Duration,
}

impl Registrar {
    /// No bindings yet.
    pub fn new(limits: RegistrarLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes a REGISTER for `user`, who is allowed to: all of it or nothing.
    pub fn register(&mut self, now: Instant, flow: Flow, user: &str, request: &Request) -> Outcome {
        self.expire(now);
        match self.change(now, flow, user, request) {
            Ok(()) => Outcome {
                status: StatusCode::OK,
                fields: self.contacts(now, user, request),
            },
            Err(refusal) => refusal,
        }
    }

    fn change(
        &mut self,
        now: Instant,
        flow: Flow,
        user: &str,
        request: &Request,
    ) -> Result<(), Outcome> {
        let bad = |_| refused(StatusCode::BAD_REQUEST);
        let headers = &request.headers;
        let call_id = headers.call_id().map_err(bad)?.detached();
        let number = headers.cseq().map_err(bad)?.number;
        let path: Vec<NameAddr> = headers
            .path()
            .map(|p| p.map(|p| p.detached()))
            .collect::<Result<_, _>>()
            .map_err(bad)?;
        if !path.is_empty() && !headers.supported().map_err(bad)?.has(OptionTags::PATH) {
            // The proxy that added it wants the user to know (RFC 3327 section 5.3).
            let mut refusal = refused(StatusCode::BAD_EXTENSION);
            refusal
                .fields
                .push((HeaderName::Unsupported, Bytes::from_static(b"path")));
            return Err(refusal);
        }
        let given = headers.expires().map_err(bad)?;
        let bindings = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let is_old = |b: &&Binding| b.call_id == call_id && b.number >= number;
        if headers.is_every_contact() {
            if given != Some(Duration::ZERO) {
                return Err(refused(StatusCode::BAD_REQUEST));
            }
            if bindings.iter().any(|b| is_old(&b)) {
                return Err(refused(StatusCode::SERVER_INTERNAL_ERROR));
            }
            self.forget(user);
            return Ok(());
        }
        let mut wishes = Vec::new();
        for contact in headers.contacts() {
            let contact = contact.map_err(bad)?;
            let known = bindings.iter().find(|b| b.is_for(&contact));
            if known.as_ref().is_some_and(is_old) {
                // A copy, or one that was overtaken (RFC 3261 section 10.3, step 7).
                return Err(refused(StatusCode::SERVER_INTERNAL_ERROR));
            }
            let asked = contact.expires().or(given);
            let life = asked.unwrap_or(self.limits.usual).min(self.limits.longest);
            if !life.is_zero() && life < self.limits.shortest {
                let mut refusal = refused(StatusCode::INTERVAL_TOO_BRIEF);
                let shortest = self.limits.shortest.as_secs().to_string();
                refusal
                    .fields
                    .push((HeaderName::MinExpires, shortest.into()));
                return Err(refusal);
            }
            wishes.push(Wish { contact, life });
        }
        let fresh = wishes.iter().filter(|w| !w.life.is_zero());
        let fresh = fresh
            .filter(|w| !bindings.iter().any(|b| b.is_for(&w.contact)))
            .count();
        if bindings.len() + fresh > self.limits.contacts {
            return Err(refused(StatusCode::FORBIDDEN));
        }
        for wish in wishes {
            self.bind(now, flow, user, &call_id, number, &path, wish);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "all that a binding is made of")]
    fn bind(
        &mut self,
        now: Instant,
        flow: Flow,
        user: &str,
        call_id: &Text,
        number: u32,
        path: &[NameAddr],
        wish: Wish,
    ) {
        let bindings = self.users.entry(user.into()).or_default();
        if let Some(at) = bindings.iter().position(|b| b.is_for(&wish.contact)) {
            let old = bindings.remove(at);
            self.ends.remove(&(old.end, old.id));
        }
        if !wish.life.is_zero() {
            self.next += 1;
            let (end, id) = (now + wish.life, self.next);
            bindings.push(Binding {
                contact: wish.contact.detached(),
                path: path.to_vec(),
                flow,
                call_id: call_id.clone(),
                number,
                end,
                id,
            });
            self.ends.insert((end, id), user.into());
        }
        if bindings.is_empty() {
            self.users.remove(user);
        }
    }

    /// All contacts that hold, each with how long, and what else a success says.
    fn contacts(&self, now: Instant, user: &str, request: &Request) -> Vec<(HeaderName, Bytes)> {
        let mut fields = Vec::new();
        let bindings = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let mut outbound = false;
        for binding in bindings {
            let left = binding.end.saturating_since(now);
            // Rounded up, so that nothing that holds is said to be over.
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            let said = binding
                .contact
                .clone()
                .with_param("expires", &seconds.to_string());
            outbound |= binding.contact.reg_id().is_some()
                && request
                    .headers
                    .contacts()
                    .flatten()
                    .any(|c| binding.is_for(&c));
            if let Ok(said) = said {
                fields.push((HeaderName::Contact, said.to_value()));
            }
        }
        for path in request.headers.all(&HeaderName::Path) {
            fields.push((HeaderName::Path, path.clone()));
        }
        if outbound
            && request
                .headers
                .supported()
                .is_ok_and(|s| s.has(OptionTags::OUTBOUND))
        {
            // RFC 5626 section 6.
            fields.push((HeaderName::Require, Bytes::from_static(b"outbound")));
        }
        fields
    }

    /// Where a user can be reached now, the preferred first, then the latest.
    pub fn find(&self, now: Instant, user: &str) -> Vec<Location> {
        let bindings = self.users.get(user).map(Vec::as_slice).unwrap_or_default();
        let holding = bindings.iter().rev().filter(|b| b.end > now);
        let mut locations: Vec<Location> = holding.map(Binding::location).collect();
        locations.sort_by_key(|t| std::cmp::Reverse(t.preference));
        locations
    }

    /// A connection is gone: what was registered by it is not reached any more (RFC 5626 section 6). Gives the users.
    pub fn lost(&mut self, flow: Flow) -> Vec<Box<str>> {
        let mut gone = Vec::new();
        for (user, bindings) in &self.users {
            let by_it = bindings.iter().filter(|b| b.flow == flow);
            gone.extend(by_it.map(|b| ((b.end, b.id), user.clone())));
        }
        let users = gone.iter().map(|(_, user)| user.clone()).collect();
        for (end, user) in gone {
            self.end(end, &user);
        }
        users
    }

    /// Forgets what is over, and gives whose it was.
    pub fn expire(&mut self, now: Instant) -> Vec<Box<str>> {
        let mut users = Vec::new();
        while let Some((end, user)) = self
            .ends
            .first_key_value()
            .filter(|((at, _), _)| *at <= now)
        {
            let (end, user) = (*end, user.clone());
            self.end(end, &user);
            users.push(user);
        }
        users
    }

    fn end(&mut self, end: (Instant, u64), user: &str) {
        self.ends.remove(&end);
        if let Some(bindings) = self.users.get_mut(user) {
            bindings.retain(|b| b.id != end.1);
            if bindings.is_empty() {
                self.users.remove(user);
            }
        }
    }

    /// When the next binding is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.ends.keys().next().map(|(at, _)| *at)
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn forget(&mut self, user: &str) {
        for binding in self.users.remove(user).unwrap_or_default() {
            self.ends.remove(&(binding.end, binding.id));
        }
    }
}

impl Binding {
    /// Whether a contact replaces this one: the same flow of the same device (RFC 5626 section 6), else the same URI
    /// (RFC 3261 section 19.1.4).
    fn is_for(&self, contact: &NameAddr) -> bool {
        match (self.contact.instance(), self.contact.reg_id()) {
            (Some(instance), Some(id)) => {
                contact.instance() == Some(instance) && contact.reg_id() == Some(id)
            }
            _ => self.contact.uri().equivalent(contact.uri()),
        }
    }

    fn location(&self) -> Location {
        Location {
            uri: self.contact.uri().clone(),
            path: self.path.clone(),
            flow: self.flow,
            preference: self.contact.preference().unwrap_or(Preference::MOST),
        }
    }
}

fn refused(status: StatusCode) -> Outcome {
    Outcome {
        status,
        fields: Vec::new(),
    }
}
