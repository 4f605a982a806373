//! The accounts of a user agent: which a request is sent for, and which a call came in for.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use msp_core::id::CallKey;

use super::services::Services;
use crate::Result;
use crate::account::{Account, AccountId};
use crate::transport::{Flow, Transport};
use crate::wire::{HeaderName, Host, HostPort, Method, NameAddr, Request, Uri};

/// All accounts, and which calls are whose.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    by_id: BTreeMap<AccountId, Account>,
    /// Calls that belong to an account.
    calls: HashMap<CallKey, AccountId>,
}

impl Accounts {
    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(&id)
    }

    pub(super) fn add(&mut self, id: AccountId, account: Account) {
        self.by_id.insert(id, account);
    }

    pub(super) fn remove(&mut self, id: AccountId) {
        self.by_id.remove(&id);
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
    /// To is, else the one that the user part of the Request-URI, which is that of our Contact, belongs to.
    pub(super) fn called(&self, request: &Request) -> Option<AccountId> {
        let to = request.headers.to().ok();
        let find = |fits: &dyn Fn(&Account) -> bool| {
            let mut all = self.by_id.iter();
            all.find(|(_, a)| fits(a)).map(|(id, _)| *id)
        };
        find(&|a| same_person(&a.aor, &request.uri))
            .or_else(|| find(&|a| to.as_ref().is_some_and(|to| same_person(&a.aor, to.uri()))))
            .or_else(|| {
                find(&|a| request.uri.user().is_some() && a.aor.user() == request.uri.user())
            })
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
    /// Where a request of `method` to `to` goes first: to the first proxy of the account, or straight.
    pub(super) fn first_hop(&self, account: Option<AccountId>, method: &Method, to: &Uri) -> Uri {
        let route = account
            .and_then(|id| self.accounts.get(id))
            .and_then(|a| a.routes(method).next());
        route.map_or_else(|| to.clone(), |r| r.uri().clone())
    }

    /// Our Contact on `flow`.
    pub(super) fn contact(&self, flow: Flow, account: Option<AccountId>) -> Bytes {
        let aor = account.and_then(|id| self.accounts.get(id)).map(|a| &a.aor);
        let user = aor.and_then(Uri::user);
        let user = user.as_deref().unwrap_or(&self.config.user);
        let uri = Uri::sip(Some(user), &self.advertised(flow).into());
        let uri = match flow.transport {
            Transport::Udp => uri,
            // A word is a value of a parameter.
            other => uri.with_param("transport", other.param()).unwrap_or(uri),
        };
        NameAddr::new(uri).to_value()
    }

    /// Who we are in From.
    pub(super) fn own_address(&self, flow: Flow, account: Option<AccountId>) -> NameAddr {
        if let Some(account) = account.and_then(|id| self.accounts.get(id)) {
            return account.address();
        }
        let place = HostPort {
            host: Host::Ip(self.advertised(flow).ip()),
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
        if let Some(account) = account.and_then(|id| self.accounts.get(id)) {
            for route in account.routes(&request.method) {
                request.headers.put(HeaderName::Route, route.to_value());
            }
        }
        let contact = self.contact(flow, account);
        request.headers.put(HeaderName::Contact, contact);
        Ok(request)
    }
}
