//! The accounts of a user agent: which a request is sent for, and which a call came in for.

use std::net::IpAddr;

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::numbers::same_number;
use super::policy::CallPolicy;
use super::registering;
use super::services::{Random, Services, goes_to_sips, token};
use super::timed::{Due, Timed};
use crate::Result;
use crate::account::{Account, AccountId, loose};
use crate::digest::DigestClient;
use crate::registration::{FlowId, MOST_FLOWS};
use crate::tables::HashMap;
use crate::transport::{Flow, Transport};
use crate::wire::{
    HeaderName, Headers, Host, HostPort, Method, NameAddr, Request, Scheme, Text, Uri,
};

/// Addresses of a provider that are remembered; the oldest is forgotten.
const MOST_ADDRESSES: usize = 8;

/// An account and what was learned of its provider.
#[derive(Debug)]
struct Held {
    account: Account,
    digest: DigestClient,
    /// Where requests went that were meant for the provider.
    addresses: Vec<IpAddr>,
    /// The flows by which it is registered.
    flows: Vec<registering::Held>,
}

impl Held {
    /// Whether `host` is one of the provider's: the account names it, or its registrar does.
    fn serves(&self, host: Option<Host>) -> bool {
        let routes = self.flows.iter().flat_map(|r| &r.service_routes);
        let mut named = routes.filter_map(|r| r.uri().host());
        host.as_ref()
            .is_some_and(|host| named.any(|n| n.same_as(host)))
            || self.account.is_served_by(host)
    }
}

impl Due for Held {
    fn deadline(&self) -> Option<Instant> {
        let flows = self.flows.iter();
        flows.filter_map(registering::Held::deadline).min()
    }
}

/// All accounts, and which calls are whose.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_id: Timed<AccountId, Held>,
    /// Calls that belong to an account.
    calls: HashMap<CallKey, AccountId>,
}

impl Accounts {
    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(id).map(|h| &h.account)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn add(&mut self, id: AccountId, account: Account) {
        let held = Held {
            account,
            digest: DigestClient::default(),
            addresses: Vec::new(),
            flows: Vec::new(),
        };
        self.by_id.insert(id, held);
    }

    pub(super) fn ids(&self) -> Vec<AccountId> {
        self.by_id.keys()
    }

    /// One of the flows by which an account is registered.
    pub(super) fn registration(&mut self, id: FlowId) -> Option<&mut registering::Held> {
        let held = self.by_id.get_mut(id.0)?;
        held.flows.get_mut(usize::from(id.1))
    }

    pub(super) fn set_registrations(&mut self, id: AccountId, flows: Vec<registering::Held>) {
        if let Some(held) = self.by_id.get_mut(id) {
            held.flows = flows;
        }
    }

    /// The flows of all accounts.
    pub(super) fn registrations(&self) -> impl Iterator<Item = &registering::Held> {
        self.by_id.values().flat_map(|h| &h.flows)
    }

    /// The names of the flows of all accounts.
    pub(super) fn flow_ids(&self) -> Vec<FlowId> {
        self.flow_ids_of(|_| true)
    }

    /// The names of the flows of all accounts that are such.
    pub(super) fn flow_ids_of(&self, fits: impl Fn(&registering::Held) -> bool) -> Vec<FlowId> {
        let named = |(id, held): (AccountId, &Held)| names(id, &held.flows, &fits);
        self.by_id.iter().flat_map(named).collect()
    }

    /// The names of the flows of an account.
    pub(super) fn flow_ids_of_account(&self, id: AccountId) -> Vec<FlowId> {
        names(id, self.flows_of(id), |_| true)
    }

    /// The names of the flows that have something to do.
    pub(super) fn flow_ids_due(&mut self, now: Instant) -> Vec<FlowId> {
        let due = |f: &registering::Held| f.deadline().is_some_and(|at| at <= now);
        let accounts = self.by_id.due(now).into_iter();
        accounts
            .flat_map(|id| names(id, self.flows_of(id), due))
            .collect()
    }

    /// When one of them has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_id.deadline()
    }

    pub(super) fn tidy(&mut self) {
        self.by_id.tidy();
    }

    /// The flows of an account.
    pub(super) fn flows_of(&self, id: AccountId) -> &[registering::Held] {
        self.by_id.get(id).map_or(&[], |h| &h.flows)
    }

    /// The flow that an account is reached by and sends by: the first that stands, else the first.
    pub(super) fn registered(&self, id: AccountId) -> Option<&registering::Held> {
        let flows = self.flows_of(id);
        let stands = flows.iter().find(|f| f.flow.is_some());
        stands.or_else(|| flows.first())
    }

    /// Whether the account has anything to prove itself with.
    pub(super) fn proves(&self, id: AccountId) -> bool {
        self.get(id).is_some_and(|a| !a.credentials.is_empty())
    }

    /// Notes where a request goes that is meant for the provider of the account.
    pub(super) fn learn_way(&mut self, id: AccountId, request: &Request, flow: Flow) {
        let Some(held) = self.by_id.get_mut(id) else {
            return;
        };
        let ip = flow.remote.ip();
        if is_within_dialog(request) || !held.serves(first_host(request)) {
            return;
        }
        if !held.addresses.contains(&ip) {
            if held.addresses.len() >= MOST_ADDRESSES {
                held.addresses.remove(0);
            }
            held.addresses.push(ip);
        }
    }

    /// Whether what `request`, sent by `flow`, is asked for may be proved: to servers of the account's provider, and
    /// within a call only if the account says so and the request passes such a server.
    pub(super) fn trusts(&self, id: AccountId, request: &Request, flow: Flow) -> bool {
        let Some(held) = self.by_id.get(id) else {
            return false;
        };
        let known = held.addresses.contains(&flow.remote.ip()) || held.serves(first_host(request));
        let by_proxy = request.headers.get(&HeaderName::Route).is_some();
        // A subscription costs nobody anything, and who has it refreshed asks at each refresh.
        let subscribes = request.method == Method::Subscribe;
        let within = || subscribes || held.account.answers_within_calls && by_proxy;
        known && (!is_within_dialog(request) || within())
    }

    /// Whether a server of the account's provider is at `ip`, or `request` goes to one first; of any account's if none is
    /// named.
    pub(super) fn provides(
        &self,
        id: Option<AccountId>,
        ip: IpAddr,
        request: Option<&Request>,
    ) -> bool {
        let Some(id) = id else {
            return self.is_provider(ip);
        };
        self.by_id.get(id).is_some_and(|held| {
            let named = request.is_some_and(|r| held.serves(first_host(r)));
            named || held.addresses.contains(&ip) || held.serves(Some(Host::Ip(ip)))
        })
    }

    /// Whether a server of the provider of any account is at `ip`.
    pub(super) fn is_provider(&self, ip: IpAddr) -> bool {
        let here = |h: &Held| h.addresses.contains(&ip) || h.serves(Some(Host::Ip(ip)));
        self.by_id.values().any(here)
    }

    /// Proves what the account was asked for before.
    pub(super) fn authorize(&mut self, id: AccountId, request: &mut Request) {
        if let Some(held) = self.by_id.get_mut(id) {
            held.digest.authorize(request);
        }
    }

    /// Takes challenges to `refused`, which the realms `answered` asked for before. Whether there is anything new to
    /// prove.
    pub(super) fn challenged(
        &mut self,
        id: AccountId,
        refused: &Request,
        headers: &Headers,
        proxy: bool,
        answered: &[Text],
        random: &mut Random,
    ) -> bool {
        let Some(held) = self.by_id.get_mut(id) else {
            return false;
        };
        let credentials = &held.account.credentials;
        let cnonce = || token(random);
        held.digest
            .challenged(credentials, refused, headers, proxy, answered, cnonce)
    }

    /// A server of the account's took what was proved.
    pub(super) fn accepted(&mut self, id: AccountId, headers: &Headers) {
        if let Some(held) = self.by_id.get_mut(id) {
            held.digest.accepted(headers);
        }
    }

    pub(super) fn remove(&mut self, id: AccountId) {
        self.by_id.remove(id);
    }

    /// The call is one of this account's.
    pub(super) fn claim(&mut self, call: CallKey, account: Option<AccountId>) {
        if let Some(account) = account {
            self.calls.insert(call, account);
        }
    }

    /// The account that a call belongs to.
    pub(super) fn of_call(&self, call: CallKey) -> Option<AccountId> {
        self.calls.get(&call).copied()
    }

    pub(super) fn forget_call(&mut self, call: CallKey) -> Option<AccountId> {
        self.calls.remove(&call)
    }

    /// The account that a request is meant for: the one whose address the Request-URI is, else the one whose address
    /// To is, else the one whose number either is, else the one that the user part of the Request-URI, which is that of our Contact, belongs to.
    pub(super) fn called(&self, request: &Request) -> Option<AccountId> {
        if self.by_id.is_empty() {
            return None;
        }
        let to = request.headers.to().ok();
        let find = |fits: &dyn Fn(&Account) -> bool| {
            let mut all = self.by_id.iter();
            all.find(|(_, h)| fits(&h.account)).map(|(id, _)| id)
        };
        let gruu = |r: &registering::Held| {
            let mut given = r.gruu.iter().chain(&r.temporary_gruu);
            given.any(|g| g.equivalent(&request.uri))
        };
        let by_gruu = self.by_id.iter().find(|(_, h)| h.flows.iter().any(gruu));
        by_gruu
            .map(|(id, _)| id)
            .or_else(|| find(&|a| same_person(&a.aor, &request.uri)))
            .or_else(|| find(&|a| to.as_ref().is_some_and(|to| same_person(&a.aor, to.uri()))))
            .or_else(|| find(&|a| same_number(&a.aor, &request.uri)))
            .or_else(|| find(&|a| to.as_ref().is_some_and(|to| same_number(&a.aor, to.uri()))))
            .or_else(|| {
                find(&|a| request.uri.user().is_some() && a.aor.user() == request.uri.user())
            })
    }
}

/// The names of those flows of account `id` that are such.
fn names(
    id: AccountId,
    flows: &[registering::Held],
    fits: impl Fn(&registering::Held) -> bool,
) -> Vec<FlowId> {
    let numbered = (0..MOST_FLOWS).zip(flows);
    let fitting = numbered.filter(|(_, flow)| fits(flow));
    fitting.map(|(n, _)| FlowId(id, n)).collect()
}

fn is_within_dialog(request: &Request) -> bool {
    request.headers.to_tag().is_some()
}

/// The host that a request goes to first.
fn first_host(request: &Request) -> Option<Host> {
    match request.headers.routes().next() {
        Some(route) => route.ok()?.uri().host(),
        None => request.uri.host(),
    }
}

/// The URI of `user` at `place`, which messages come to by the transport of `flow`; a `sips` URI if that is wanted and
/// nobody reads what comes that way.
pub(super) fn reached(user: &str, flow: Flow, place: HostPort, sips: bool) -> Uri {
    let uri = Uri::sip(Some(user), &place);
    match flow.transport {
        Transport::Tls if sips => uri.secured(),
        Transport::Udp => uri,
        // A word is a value of a parameter.
        other => uri.with_param("transport", other.param()).unwrap_or(uri),
    }
}

/// Whether two URIs have the same user at the same host, whatever else they say.
fn same_person(a: &Uri, b: &Uri) -> bool {
    let same_host = match (a.host(), b.host()) {
        (Some(a), Some(b)) => a.same_as(&b),
        _ => false,
    };
    same_host && a.user() == b.user()
}

impl Services {
    /// How calls of an account are made, answered and changed.
    pub(super) fn policy(&self, account: Option<AccountId>) -> &CallPolicy {
        let own = account.and_then(|id| self.accounts.get(id)?.policy.as_deref());
        own.unwrap_or(&self.config.policy)
    }

    /// The policy of a call.
    pub(super) fn policy_of(&self, key: CallKey) -> &CallPolicy {
        self.policy(self.accounts.of_call(key))
    }

    /// Where a request of `method` to `to` goes first: to the first proxy of the account, or straight.
    pub(super) fn first_hop(&self, account: Option<AccountId>, method: &Method, to: &Uri) -> Uri {
        if let Some(route) = account.and_then(|id| self.routes(id, method).into_iter().next()) {
            return route.uri().clone();
        }
        // A number says nothing of where it leads: the provider knows.
        let provider = account.filter(|_| to.scheme() == Scheme::Tel);
        let provider = provider.and_then(|id| self.accounts.get(id));
        provider.map_or_else(|| to.clone(), |a| a.aor.clone())
    }

    /// The proxies that a request of an account goes through: its own, then those that its registrar named
    /// (RFC 3608 section 6.1).
    fn routes(&self, id: AccountId, method: &Method) -> Vec<NameAddr> {
        let Some(account) = self.accounts.get(id) else {
            return Vec::new();
        };
        let registered = self.accounts.registered(id);
        let edges = &account.registering.edges;
        let edge = edges.get(registered.map_or(0, |r| usize::from(r.number_of_flow)));
        let edge = edge.map(loose);
        let mut routes: Vec<_> = edge.into_iter().chain(account.routes(method)).collect();
        let service = registered.map_or(&[][..], |r| &r.service_routes);
        if *method != Method::Register
            && let Some(first) = service.first()
        {
            // A registrar that names our own proxy first says the whole way.
            let host = first.uri().host();
            if routes.iter().any(|r| r.uri().host() == host) {
                routes.clear();
            }
            routes.extend_from_slice(service);
        }
        routes
    }

    /// Where peers reach `account` by `flow`: at the host that we are known as, where its registrar sees us, or at our end.
    pub(super) fn contact_address(&self, flow: Flow, account: Option<AccountId>) -> HostPort {
        if let Some(named) = self.advertised_host(flow) {
            return named;
        }
        let registered = account.and_then(|id| self.accounts.registered(id));
        let seen = registered.and_then(|r| r.seen);
        let own = self.advertised(flow);
        let seen = seen.filter(|s| s.is_ipv4() == own.is_ipv4());
        seen.unwrap_or(own).into()
    }

    /// Our Contact on `flow`: the address that the registrar gave the account, else one that leads to us. A `sips` URI
    /// where all of the dialog is such (RFC 5630 section 5.1.1).
    pub(super) fn contact(&self, flow: Flow, account: Option<AccountId>, sips: bool) -> Bytes {
        let registered = account.and_then(|id| self.accounts.registered(id));
        if let Some(gruu) = registered.and_then(|r| r.gruu.clone()) {
            return NameAddr::new(if sips { gruu.secured() } else { gruu }).to_value();
        }
        let aor = account.and_then(|id| self.accounts.get(id)).map(|a| &a.aor);
        let user = aor.and_then(Uri::user);
        let user = user.as_deref().unwrap_or(&self.config.user);
        let place = self.contact_address(flow, account);
        let uri = reached(user, flow, place, sips);
        // What comes back has to take the flow that the edge proxy knows (RFC 5626 section 4.3).
        let flows = account.map_or(&[][..], |id| self.accounts.flows_of(id));
        let by_flow = flows.iter().any(|f| f.outbound && f.flow == Some(flow));
        let uri = match by_flow {
            true => uri.with_param("ob", "").unwrap_or(uri),
            false => uri,
        };
        NameAddr::new(uri).to_value()
    }

    /// Who we are in From.
    pub(super) fn own_address(&self, flow: Flow, account: Option<AccountId>) -> NameAddr {
        if let Some(account) = account.and_then(|id| self.accounts.get(id)) {
            return account.address();
        }
        let named = self.config.advertise_host.clone();
        let place = HostPort {
            host: named.unwrap_or_else(|| Host::Ip(self.advertised(flow).ip())),
            port: None,
        };
        NameAddr::new(Uri::sip(Some(&self.config.user), &place))
    }

    /// A request outside of a dialog as `account` sends it by `flow`: with From under our `tag`, Route and Contact,
    /// without Via.
    ///
    /// # Errors
    /// That of a tag that is no token.
    pub(super) fn request_outside(
        &self,
        account: Option<AccountId>,
        method: Method,
        to: &Uri,
        flow: Flow,
        (call_id, tag): (&str, &str),
    ) -> Result<Request> {
        let uri = to.filtered(|name| !name.eq_ignore_ascii_case("method"));
        let from = self.own_address(flow, account).with_param("tag", tag)?;
        let to = NameAddr::new(uri.clone());
        let mut request = Request::with(method, uri, &from, &to, call_id, 1);
        let routes = account.map(|id| self.routes(id, &request.method));
        for route in routes.unwrap_or_default() {
            request.headers.put(HeaderName::Route, route.to_value());
        }
        let contact = self.contact(flow, account, goes_to_sips(&request));
        request.headers.put(HeaderName::Contact, contact);
        Ok(request)
    }
}
