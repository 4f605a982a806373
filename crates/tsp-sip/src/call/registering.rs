//! Registrations of the accounts: their requests, and what the answers tell (RFC 3261 section 10.2).

use std::net::SocketAddr;
use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::accounts::reached;
use super::errand::Errand;
use super::failover::Chosen;
use super::interface::Output;
use super::services::{Purpose, Services, goes_to_sips, target_of};
use crate::account::{AccountId, loose};
use crate::registration::{
    Answer, FlowId, Registration, RegistrationEvent, RegistrationKind, Step,
};
use crate::transport::{Flow, Keeper};
use crate::wire::{
    HeaderName, Headers, HostPort, Method, NameAddr, Request, Response, StatusCode, Uri,
};
use crate::{Error, ErrorKind, Result};

/// Service routes that are taken from a registrar.
const MOST_ROUTES: usize = 8;

/// A registration of an account, with what its requests have in common.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) machine: Registration,
    /// Which of the account's flows it is, from 0.
    pub(super) number_of_flow: u8,
    /// The first hop knows nothing of flows: we register as if there were none (RFC 5626 section 11.6).
    plain: bool,
    /// The registrar knows of flows, and uses this one.
    pub(super) outbound: bool,
    /// The way that the last request went.
    asked_by: Option<Flow>,
    call_id: String,
    tag: String,
    number: u32,
    /// The Contact that the registrar has.
    told: Option<Uri>,
    /// The address that the registrar sees us at, if it is not our own.
    pub(super) seen: Option<SocketAddr>,
    /// The way for other requests of the account (RFC 3608).
    pub(super) service_routes: Vec<NameAddr>,
    /// The address that the registrar gave us (RFC 5627).
    pub(super) gruu: Option<Uri>,
    /// The one that does not tell who we are.
    pub(super) temporary_gruu: Option<Uri>,
    /// The way by which the registrar reaches us.
    pub(super) flow: Option<Flow>,
    /// What keeps that open, if it is one of datagrams.
    pub(super) keeper: Option<Keeper>,
}

impl UserAgent {
    /// The application wants an account to be registered.
    pub(super) fn register(&mut self, now: Instant, id: AccountId) {
        let Some(account) = self.services.accounts.get(id).filter(|_| !self.closing) else {
            let kind = failed(None, "no account to register", Duration::ZERO);
            self.services.tell_registration(id, kind);
            return;
        };
        let expires = account.registering.expires;
        let all = 0..account.registering.flows();
        let held = |number_of_flow| Held {
            machine: Registration::new(expires),
            number_of_flow,
            plain: false,
            outbound: false,
            asked_by: None,
            call_id: self.services.token(),
            tag: self.services.token(),
            number: 0,
            told: None,
            seen: None,
            service_routes: Vec::new(),
            gruu: None,
            temporary_gruu: None,
            flow: None,
            keeper: None,
        };
        let flows = all.clone().map(held).collect();
        self.services.accounts.set_registrations(id, flows);
        for n in all {
            self.ask_registrar(now, FlowId(id, n));
        }
    }

    /// The application wants an account to be registered no more.
    pub(super) fn unregister(&mut self, now: Instant, id: AccountId) {
        for id in self.services.accounts.flow_ids_of_account(id) {
            let held = self.services.accounts.registration(id);
            match held.and_then(|h| h.machine.leave()) {
                Some(Step::Gone) => self.registration_gone(id),
                Some(_) => self.ask_registrar(now, id),
                None => {}
            }
        }
    }

    pub(super) fn unregister_all(&mut self, now: Instant) {
        for id in self.services.accounts.ids() {
            self.unregister(now, id);
        }
    }

    /// When a registration has something to do.
    pub(super) fn registration_deadline(&self) -> Option<Instant> {
        self.services.accounts.deadline()
    }

    /// Asks for what is due.
    pub(super) fn registrations_due(&mut self, now: Instant) {
        self.keep_alives_due(now);
        for id in self.services.accounts.flow_ids_due(now) {
            let held = self.services.accounts.registration(id);
            if held.is_some_and(|h| h.machine.timeout(now)) {
                self.ask_registrar(now, id);
            }
        }
    }

    pub(super) fn ask_registrar(&mut self, now: Instant, id: FlowId) {
        let registrar = self.services.registrar(id.0);
        let first = self.services.registration_routes(id).into_iter().next();
        let hop = first.map(|r| r.uri().clone()).or(registrar);
        let target = hop.as_ref().and_then(target_of);
        let looked = target.map(|t| self.services.look_up(t, Errand::Register(id)));
        if !matches!(looked, Some(Ok(()))) {
            self.registrar_answered(now, id, None, "no way to the registrar");
        }
    }

    /// The way to a registrar is known, or there is none.
    pub(super) fn register_by(
        &mut self,
        now: Instant,
        id: FlowId,
        way: std::result::Result<Chosen, Box<str>>,
    ) {
        let mut way = match way {
            Ok(way) => way,
            Err(why) => {
                self.registrar_answered(now, id, None, &why);
                return;
            }
        };
        way.flow = self.services.way_of_its_own(id, way.flow);
        let request = self.services.registration_request(id, way.flow);
        let sent = request.and_then(|request| {
            let purpose = Purpose::Register(id);
            self.services
                .send_by(now, way, request, purpose, Some(id.0))
        });
        if let Err(error) = sent {
            self.registrar_answered(now, id, None, &error.to_string());
        }
    }

    /// The registrar answered finally, or nobody did.
    pub(super) fn registrar_answered(
        &mut self,
        now: Instant,
        id: FlowId,
        response: Option<(Flow, &Response)>,
        why: &str,
    ) {
        let beside = self.services.stands_beside(id);
        let mut numbers = Vec::new();
        // As many as one step draws at most.
        for _ in 0..2 {
            numbers.push(self.services.random_below(u64::MAX));
        }
        let follows = self
            .services
            .accounts
            .get(id.0)
            .map(|a| a.registering.follows_nat);
        let reason = match response {
            Some((_, response)) => &self.services.with_tried(&response.reason),
            None => why,
        };
        let named = self.services.config.advertise_host.clone();
        let Some(held) = self.services.accounts.registration(id) else {
            return;
        };
        held.machine.set_beside(beside);
        if response.is_some_and(|(_, r)| held.does_without_flows(r.status)) {
            self.ask_registrar(now, id);
            return;
        }
        let answer = match response {
            None => Answer::Silence,
            Some((_, response)) => held.read(response),
        };
        let random = |below: u64| numbers.pop().unwrap_or_default() % below.max(1);
        let step = held.machine.answered(now, &answer, random);
        let status = response.map(|(_, r)| r.status);
        match step {
            Step::Ask => self.ask_registrar(now, id),
            Step::Failed(retry_in) => {
                let way = held.leave_way();
                self.services
                    .registration_failed(id, status, reason, retry_in);
                if let Some(way) = way {
                    self.services.release_way(way);
                }
                self.move_calls(id.0);
            }
            Step::Gone => self.registration_gone(id),
            Step::Registered(expires) => {
                let Some((flow, response)) = response else {
                    return;
                };
                held.learn(&response.headers);
                let moved = follows == Some(true)
                    && named.is_none()
                    && held.is_seen_elsewhere(flow, &response.headers)
                    && held.machine.moved();
                let contacts = response.headers.contacts().flatten();
                let contacts = contacts.map(|c| c.to_string().into()).collect();
                self.services.keep_way(now, id, flow, &response.headers);
                if moved {
                    self.ask_registrar(now, id);
                } else {
                    let kind = RegistrationKind::Registered { expires, contacts };
                    self.services.tell_registration(id.0, kind);
                    self.move_calls(id.0);
                }
            }
        }
    }

    /// Nothing is left of a registration by one flow; of the account's if it was the last.
    fn registration_gone(&mut self, id: FlowId) {
        let held = self.services.accounts.registration(id);
        if let Some(way) = held.and_then(|h| h.leave_way()) {
            self.services.release_way(way);
        }
        let flows = self.services.accounts.flows_of(id.0);
        if flows.iter().all(|f| f.machine.is_gone()) {
            self.services.accounts.set_registrations(id.0, Vec::new());
            let kind = RegistrationKind::Unregistered;
            self.services.tell_registration(id.0, kind);
        }
    }
}

impl Services {
    /// An account is not registered, or only by another flow.
    pub(super) fn registration_failed(
        &mut self,
        id: FlowId,
        status: Option<StatusCode>,
        reason: &str,
        retry_in: Duration,
    ) {
        let kind = match self.stands_beside(id) {
            false => failed(status, reason, retry_in),
            true => RegistrationKind::FlowFailed {
                edge: id.1.into(),
                status,
                reason: reason.into(),
                retry_in,
            },
        };
        self.tell_registration(id.0, kind);
    }

    /// Whether the account is reached by another flow than this.
    pub(super) fn stands_beside(&self, id: FlowId) -> bool {
        let mut all = self.accounts.flows_of(id.0).iter();
        all.any(|f| f.number_of_flow != id.1 && f.flow.is_some())
    }

    /// The way of a flow: one that is not another flow's already, as far as there are such.
    fn way_of_its_own(&mut self, id: FlowId, flow: Flow) -> Flow {
        let others = self.accounts.flows_of(id.0).iter();
        let mut others = others.filter(|f| f.number_of_flow != id.1);
        let taken = flow.connection.is_some() && others.any(|f| f.asked_by == Some(flow));
        let own = self.accounts.registration(id).and_then(|h| h.asked_by);
        let flow = match own {
            _ if !taken => flow,
            Some(own) if own.remote == flow.remote && self.flows.is_open(own) => own,
            _ => {
                let name = self.flows.name_of(flow);
                self.connect_anew(flow, name.as_deref())
            }
        };
        if let Some(held) = self.accounts.registration(id) {
            held.asked_by = Some(flow);
        }
        flow
    }

    /// The proxies that a REGISTER passes: the edge proxy of the flow, then those of the account.
    fn registration_routes(&self, id: FlowId) -> Vec<NameAddr> {
        let Some(account) = self.accounts.get(id.0) else {
            return Vec::new();
        };
        let edge = account.registering.edges.get(usize::from(id.1));
        let routes = account.routes(&Method::Register);
        edge.map(loose).into_iter().chain(routes).collect()
    }

    fn tell_registration(&mut self, account: AccountId, kind: RegistrationKind) {
        let event = RegistrationEvent { account, kind };
        self.out.push_back(Output::Registration(event));
    }

    /// The Request-URI of a REGISTER: the registrar's domain, without a user (RFC 3261 section 10.2).
    pub(super) fn registrar(&self, id: AccountId) -> Option<Uri> {
        let account = self.accounts.get(id)?;
        match &account.registering.registrar {
            Some(registrar) => Some(registrar.clone()),
            None => Some(Uri::sip(None, &account.aor.host_port()?)),
        }
    }

    /// The next REGISTER of a flow.
    fn registration_request(&mut self, id: FlowId, flow: Flow) -> Result<Request> {
        const NONE: Error = Error::new(ErrorKind::Unknown, "registration");
        let registrar = self.registrar(id.0).ok_or(NONE)?;
        let own = self.advertised(flow);
        let host = self.advertised_host(flow);
        let routes = self.registration_routes(id);
        let account = self.accounts.get(id.0).ok_or(NONE)?;
        let aor = account.address();
        let instance = account.registering.instance.clone();
        let user = account.aor.user().map(|u| u.into_owned());
        let held = self.accounts.registration(id).ok_or(NONE)?;
        let seen = held.seen.filter(|s| s.is_ipv4() == own.is_ipv4());
        let place = host.unwrap_or_else(|| seen.unwrap_or(own).into());
        let number = held.next_number();
        let (tag, call_id) = (held.tag.clone(), held.call_id.clone());
        let from = aor.clone().with_param("tag", &tag)?;
        let mut request = Request::with(Method::Register, registrar, &from, &aor, &call_id, number);
        let sips = goes_to_sips(&request);
        let headers = &mut request.headers;
        for route in routes {
            headers.put(HeaderName::Route, route.to_value());
        }
        let own = reached(&user.unwrap_or_default(), flow, place, sips);
        let mut contact = NameAddr::new(own.clone());
        let mut supported = "path".to_owned();
        if let Some(instance) = instance {
            contact = contact.with_instance(&instance)?;
            if !held.plain {
                contact = contact.with_param("reg-id", &held.reg_id().to_string())?;
                supported.push_str(", outbound");
            }
            supported.push_str(", gruu");
        }
        headers.put(HeaderName::Contact, contact.to_value());
        let expires = held.machine.expires().as_secs();
        // What was told before and is not true any more goes in the same breath.
        if let Some(old) = held.told.replace(own.clone()).filter(|old| *old != own) {
            let old = NameAddr::new(old).with_param("expires", "0")?;
            headers.put(HeaderName::Contact, old.to_value());
        }
        headers.put(HeaderName::Expires, expires.to_string());
        headers.put(HeaderName::Supported, supported);
        Ok(request)
    }
}

impl Held {
    /// The number of its next request.
    pub(super) const fn next_number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let keeper = self.keeper.as_ref().map(Keeper::deadline);
        self.machine.deadline().into_iter().chain(keeper).min()
    }

    /// Its number as registrars know it (RFC 5626 section 4.2.1).
    fn reg_id(&self) -> u32 {
        u32::from(self.number_of_flow) + 1
    }

    /// Whether a refusal says that there are no flows here, and we can do without: the first one can.
    fn does_without_flows(&mut self, status: StatusCode) -> bool {
        let can = status == StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT
            && self.number_of_flow == 0
            && !self.plain;
        self.plain |= can;
        can
    }

    /// Our address is another: whether the registrar has to be told.
    pub(super) fn move_away(&mut self) -> bool {
        self.leave_way();
        (self.seen, self.asked_by) = (None, None);
        self.machine.move_away()
    }

    /// The registrar does not reach us any more by the way that is given.
    fn leave_way(&mut self) -> Option<Flow> {
        self.keeper = None;
        self.flow.take()
    }

    /// What an answer means.
    fn read(&self, response: &Response) -> Answer {
        let headers = &response.headers;
        let after = || headers.retry_after().ok().flatten().map(|r| r.after);
        match response.status {
            status if status.is_success() => {
                let own = self.own_contact(headers).and_then(|c| c.expires());
                let expires = || headers.expires().ok().flatten();
                Answer::Granted(own.or_else(expires))
            }
            StatusCode::INTERVAL_TOO_BRIEF => {
                Answer::TooBrief(headers.min_expires().ok().flatten())
            }
            status => Answer::Refused(status, after()),
        }
    }

    /// Our Contact among those of a response; registrars add parameters and change order and ports of others.
    fn own_contact(&self, headers: &Headers) -> Option<NameAddr> {
        let told = self.told.as_ref()?;
        let ours =
            |c: &NameAddr| c.uri().user() == told.user() && c.uri().host_port() == told.host_port();
        let all: Vec<_> = headers.contacts().flatten().filter(ours).collect();
        // Two flows may have one Contact.
        let exactly = all.iter().find(|c| c.reg_id() == Some(self.reg_id()));
        exactly.or_else(|| all.first()).cloned()
    }

    /// Takes what a success tells besides the interval.
    fn learn(&mut self, headers: &Headers) {
        let routes = headers.service_route().flatten().take(MOST_ROUTES);
        self.service_routes = routes.map(|r| r.detached()).collect();
        let own = self.own_contact(headers);
        self.gruu = own.as_ref().and_then(|c| c.pub_gruu());
        self.temporary_gruu = own.and_then(|c| c.temp_gruu());
        self.outbound = !self.plain && headers.list_has(&HeaderName::Require, "outbound");
    }

    /// Whether the registrar sees us at another address than we told it, which is noted.
    fn is_seen_elsewhere(&mut self, flow: Flow, headers: &Headers) -> bool {
        let Ok(via) = headers.via() else { return false };
        let told = self.told.as_ref().and_then(Uri::host_port);
        // On a connection the registrar finds us by that.
        if flow.transport.is_reliable() {
            return false;
        }
        // Only who was asked for rport says where we are (RFC 3581).
        let Some(Some(port)) = via.rport() else {
            return false;
        };
        let ip = via.received().unwrap_or_else(|| flow.local.ip());
        let seen = SocketAddr::new(ip, port);
        let elsewhere = told.is_some_and(|t| t != HostPort::from(seen));
        if elsewhere {
            self.seen = Some(seen);
        }
        elsewhere
    }
}

fn failed(status: Option<StatusCode>, reason: &str, retry_in: Duration) -> RegistrationKind {
    RegistrationKind::Failed {
        status,
        reason: reason.into(),
        retry_in,
    }
}
