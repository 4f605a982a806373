//! Accounts: who we are to a provider, and the way that leads to it.

use crate::call::CallPolicy;
use crate::digest::Credential;
use crate::registration::Registering;
use crate::wire::{Host, Method, NameAddr, Uri};
use crate::{Error, ErrorKind, Result};

/// Names an account of a user agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountId(pub u32);

/// Who we are to a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The address of record (RFC 3261 section 6): who we are in From, and where others reach us.
    pub aor: Uri,
    /// The name beside it; may be empty.
    pub display: Box<str>,
    /// The proxies that every request outside of a dialog goes through, the next hop first. Each is a loose router
    /// (RFC 3261 section 16.12), whether or not its URI says so.
    pub proxies: Vec<Uri>,
    /// Whether REGISTER goes through the proxies too, as all else does.
    pub register_by_proxies: bool,
    /// What we prove ourselves with when a server or a proxy of the provider asks, the preferred first.
    pub credentials: Vec<Credential>,
    /// Whether challenges within a call are answered too. A peer can have its own BYE challenged through an honest
    /// proxy, and a relayed challenge cannot be told from a true one: only for providers that need it.
    pub answers_within_calls: bool,
    /// How it is registered, if it is told to.
    pub registering: Registering,
    /// How its calls are made, answered and changed, where that differs from the agent's own policy.
    pub policy: Option<Box<CallPolicy>>,
}

impl Account {
    /// An account without a proxy.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if `aor` is no `sip` or `sips` URI with a user part.
    pub fn new(aor: Uri) -> Result<Self> {
        if !aor.is_sip() || aor.raw_user().is_none() {
            return Err(Error::new(ErrorKind::Uri, "address of record"));
        }
        Ok(Self {
            // Parameters and header fields have no place in From (RFC 3261 section 19.1.1, table 1).
            aor: aor.filtered(|name| name.eq_ignore_ascii_case("user")),
            display: "".into(),
            proxies: Vec::new(),
            register_by_proxies: true,
            credentials: Vec::new(),
            answers_within_calls: false,
            registering: Registering::default(),
            policy: None,
        })
    }

    /// This account with a name beside the address.
    #[must_use]
    pub fn display(mut self, name: impl Into<Box<str>>) -> Self {
        self.display = name.into();
        self
    }

    /// This account behind one more proxy, which is the last before the provider.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if `proxy` is no `sip` or `sips` URI.
    pub fn proxy(mut self, proxy: Uri) -> Result<Self> {
        if !proxy.is_sip() {
            return Err(Error::new(ErrorKind::Uri, "proxy"));
        }
        self.proxies.push(proxy);
        Ok(self)
    }

    /// This account with one more thing to prove itself with.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// This account with a policy of its own for its calls.
    #[must_use]
    pub fn policy(mut self, policy: CallPolicy) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// The host of the account's domain.
    pub fn domain(&self) -> Option<Host> {
        self.aor.host()
    }

    /// Whether `host` is one of the provider's that the account names.
    pub(crate) fn is_served_by(&self, host: Option<Host>) -> bool {
        let Some(host) = host else { return false };
        let edges = &self.registering.edges;
        let proxies = self.proxies.iter().chain(edges).filter_map(Uri::host);
        let registrar = self.registering.registrar.as_ref();
        let registrar = registrar.and_then(Uri::host);
        let mut named = proxies.chain(registrar).chain(self.domain());
        named.any(|h| h.same_as(&host))
    }

    /// Who we are in From, without a tag.
    pub fn address(&self) -> NameAddr {
        NameAddr::new(self.aor.clone()).with_display(&self.display)
    }

    /// The proxies that a request of `method` goes through.
    pub fn routes(&self, method: &Method) -> impl Iterator<Item = NameAddr> {
        let passes = self.register_by_proxies || *method != Method::Register;
        self.proxies.iter().filter(move |_| passes).map(loose)
    }
}

/// A proxy as a Route value that does not move into the Request-URI.
pub(crate) fn loose(proxy: &Uri) -> NameAddr {
    let proxy = proxy.filtered(|_| true);
    let loose = match proxy.param("lr") {
        Some(_) => proxy,
        // Two constant tokens fit into any URI.
        None => proxy.with_param("lr", "").unwrap_or(proxy),
    };
    NameAddr::new(loose)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::new(text.to_owned()).unwrap()
    }

    #[test]
    fn an_address_of_record_has_a_user_and_nothing_that_from_may_not_have() {
        assert!(Account::new(uri("sip:example.com")).is_err());
        assert!(Account::new(uri("tel:+12")).is_err());
        let account = Account::new(uri("sip:a@example.com;transport=tcp;user=phone?x=y")).unwrap();
        let account = account.display("A \"B\"");
        assert_eq!(
            account.address().to_string(),
            r#""A \"B\"" <sip:a@example.com;user=phone>"#
        );
    }

    #[test]
    fn proxies_are_loose_and_may_be_passed_by_in_register() {
        let account = Account::new(uri("sip:a@example.com")).unwrap();
        let mut account = account
            .proxy(uri("sip:p1.example.com"))
            .unwrap()
            .proxy(uri("sip:p2.example.com;lr"))
            .unwrap();
        let routes =
            |a: &Account, m| -> Vec<String> { a.routes(&m).map(|r| r.to_string()).collect() };
        let both = ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"];
        assert_eq!(routes(&account, Method::Invite), both);
        assert_eq!(routes(&account, Method::Register), both);
        account.register_by_proxies = false;
        assert_eq!(routes(&account, Method::Invite), both);
        assert!(routes(&account, Method::Register).is_empty());
        assert!(account.proxy(uri("tel:+12")).is_err());
    }
}
