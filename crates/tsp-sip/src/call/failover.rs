//! Requests outside of dialogs that go another way when one fails (RFC 3263 section 4.3).

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::interface::{Route, Target};
use super::services::{Purpose, Sent, Services, goes_to_sips};
use crate::Result;
use crate::account::AccountId;
use crate::transaction::ClientId;
use crate::transport::{Flow, Transport};
use crate::wire::{HeaderName, Headers, Host, Request};

/// How long a server that failed is asked only if no other is left, unless it says itself how long.
const AVOIDED: Duration = Duration::from_secs(30);

/// The longest that a server may say.
const MOST_AVOIDED: Duration = Duration::from_secs(600);

/// Servers that are avoided at a time.
const MOST_FAILED: usize = 64;

/// The way that is taken, and those that are left.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) flow: Flow,
    pub(super) ways: Box<Ways>,
}

/// The ways that a request may take.
#[derive(Debug)]
pub(super) struct Ways {
    target: Target,
    /// Those that are left, best first.
    rest: VecDeque<Route>,
    /// Those that were taken.
    tried: Vec<Server>,
    /// The request, if nobody makes it anew, and the account that it is sent for.
    request: Option<(Box<Request>, Option<AccountId>)>,
}

type Server = (Transport, SocketAddr);

/// Servers that failed lately, with when they may be asked again.
#[derive(Debug, Default)]
pub(super) struct Failed {
    servers: VecDeque<(Server, Instant)>,
}

impl Failed {
    fn note(&mut self, now: Instant, server: Server, away: Duration) {
        self.servers
            .retain(|(s, until)| *s != server && *until > now);
        if self.servers.len() >= MOST_FAILED {
            self.servers.pop_front();
        }
        self.servers.push_back((server, now + away));
    }

    fn is_avoided(&self, now: Instant, route: &Route) -> bool {
        let server = (route.transport, route.remote);
        let mut all = self.servers.iter();
        all.any(|(s, until)| *s == server && *until > now)
    }
}

impl Chosen {
    /// The one way that leads to whom is called.
    pub(super) fn only(flow: Flow) -> Self {
        let ways = Ways {
            target: Target::from(Host::Ip(flow.remote.ip())),
            rest: VecDeque::new(),
            tried: vec![(flow.transport, flow.remote)],
            request: None,
        };
        Self {
            flow,
            ways: Box::new(ways),
        }
    }

    /// Keeps the request that takes it, to be sent again for `account` if the way fails.
    pub(super) fn carry(&mut self, request: &Request, account: Option<AccountId>) {
        if !self.ways.rest.is_empty() {
            self.ways.request = Some((Box::new(request.clone()), account));
        }
    }
}

impl Services {
    /// The first way of those that a look-up for `target` found; servers that failed lately come last.
    pub(super) fn first_way(
        &mut self,
        now: Instant,
        mut routes: Vec<Route>,
        target: &Target,
    ) -> Option<Chosen> {
        routes.sort_by_key(|r| self.failed.is_avoided(now, r));
        self.next_way(Box::new(Ways {
            target: target.clone(),
            rest: routes.into(),
            tried: Vec::new(),
            request: None,
        }))
    }

    fn next_way(&mut self, mut ways: Box<Ways>) -> Option<Chosen> {
        let route = ways.rest.pop_front()?;
        ways.tried.push((route.transport, route.remote));
        let flow = self.way(route, &ways.target);
        Some(Chosen { flow, ways })
    }

    /// What is said at last about a request: that it was tried elsewhere too.
    pub(super) fn with_tried(&self, why: &str) -> Box<str> {
        format!("{why}{}", self.tried).into()
    }
}

impl UserAgent {
    /// The way of a request failed: it goes the next one, if there is one and it is wanted still. Whether it does; then
    /// nobody else needs to hear of it.
    pub(super) fn fail_over(
        &mut self,
        now: Instant,
        id: ClientId,
        sent: Sent,
        headers: Option<&Headers>,
    ) -> bool {
        let services = &mut self.services;
        let Some(mut ways) = services.ways.remove(&id) else {
            return false;
        };
        let said = headers.and_then(|h| h.retry_after().ok().flatten());
        let away = said.map_or(AVOIDED, |r| r.after.min(MOST_AVOIDED));
        let server = (sent.flow.transport, sent.flow.remote);
        services.failed.note(now, server, away);
        if !self.is_wanted(sent.purpose) {
            return false;
        }
        let services = &mut self.services;
        if ways.rest.is_empty() {
            if ways.tried.len() > 1 {
                services.tried = ways.tried_in_words();
            }
            return false;
        }
        let request = ways.request.take();
        let Some(mut way) = services.next_way(ways) else {
            return false;
        };
        services.stats.failovers += 1;
        services.sent.remove(&id);
        services.retries.remove(&id);
        match (sent.purpose, request) {
            (Purpose::Invite(key), _) => self.invite_elsewhere(now, key, way),
            (Purpose::Register(account), _) => self.register_by(now, account, Ok(way)),
            (purpose, Some((mut request, account))) => {
                if request.headers.get(&HeaderName::Contact).is_some() {
                    let sips = goes_to_sips(&request);
                    let contact = services.contact(way.flow, account, sips);
                    request.headers.set(HeaderName::Contact, contact);
                }
                way.carry(&request, account);
                if let Err(error) = services.send_by(now, way, *request, purpose, account) {
                    self.not_sent(now, purpose, &error);
                }
            }
            // Those have their request with them.
            (_, None) => return false,
        }
        true
    }

    /// A request did not leave.
    fn not_sent(&mut self, now: Instant, purpose: Purpose, error: &crate::Error) {
        match purpose {
            Purpose::Aside(key, aside) => self.unsent(now, key, aside, error),
            Purpose::Options(key, _) => self.options_unsent(key, error),
            _ => {}
        }
    }
}

impl Services {
    /// Sends a request outside of dialogs on a way, and remembers what for and which ways are left.
    pub(super) fn send_by(
        &mut self,
        now: Instant,
        way: Chosen,
        request: Request,
        purpose: Purpose,
        account: Option<AccountId>,
    ) -> Result<ClientId> {
        let id = self.send_for(now, way.flow, request, purpose, account)?;
        self.ways.insert(id, way.ways);
        Ok(id)
    }

    /// A request was sent again to the same server.
    pub(super) fn keep_ways(&mut self, before: ClientId, again: ClientId) {
        if let Some(ways) = self.ways.remove(&before) {
            self.ways.insert(again, ways);
        }
    }
}

impl Ways {
    fn tried_in_words(&self) -> Box<str> {
        let mut words = String::new();
        for (n, (transport, server)) in self.tried.iter().enumerate() {
            let before = if n == 0 { "; tried" } else { "," };
            // Writing into memory does not fail.
            let _fits = write!(words, "{before} {server} ({transport})");
        }
        words.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(n: u16) -> Route {
        Route {
            transport: Transport::Udp,
            remote: SocketAddr::from(([192, 0, 2, 1], n)),
            local: SocketAddr::from(([192, 0, 2, 2], 5060)),
        }
    }

    #[test]
    fn as_many_servers_are_avoided_as_there_is_room_for_and_no_longer_than_they_have_to() {
        let mut failed = Failed::default();
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        for n in 0..=64 {
            let route = route(n);
            failed.note(at(0), (route.transport, route.remote), AVOIDED);
        }
        assert_eq!(failed.servers.len(), MOST_FAILED);
        assert!(!failed.is_avoided(at(1), &route(0)));
        assert!(failed.is_avoided(at(29), &route(64)));
        assert!(!failed.is_avoided(at(30), &route(64)));
        failed.note(at(31), (Transport::Udp, route(1).remote), AVOIDED);
        assert_eq!(failed.servers.len(), 1);
    }
}
