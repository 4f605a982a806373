//! Who we say that we are in a call of ours, and how much of it is shown (RFC 3323, RFC 3325, RFC 5876).

use std::net::IpAddr;

use bytes::Bytes;

use super::accounts::reached;
use super::services::{Services, goes_to_sips};
use crate::Result;
use crate::account::AccountId;
use crate::transport::Flow;
use crate::wire::{HeaderName, NameAddr, Party, Privacy, RemoteParty, Request, Uri};

/// The host of who does not want to be known (RFC 3323 section 4.1.1.3).
const NOWHERE: &str = "anonymous.invalid";

/// How a caller is told, ours to the peer and the peer to us.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct IdentityPolicy {
    /// The name beside our address, instead of the account's; may be empty.
    pub name: Box<str>,
    /// What From says in calls of ours instead of the account's address: the number of a department, for instance.
    pub shown: Option<NameAddr>,
    /// The called end shall not know who calls: From says `anonymous`, Contact names nobody, and the network is asked to
    /// keep to itself what it knows (`Privacy: id`).
    pub hidden: bool,
    /// Which field besides From says who calls, by the account's address. It goes to a next hop that is trusted, and to
    /// no other.
    pub carried_by: IdentityField,
    /// Who is believed when it says who calls and who sent a call on, and may be told who we are although that is hidden.
    pub trusted: Trust,
    /// What is told of who was called first where a call of ours is sent on.
    pub diverted: DiversionField,
}

/// Which header field says who calls, besides From.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum IdentityField {
    /// None.
    #[default]
    From,
    /// P-Preferred-Identity: a user's wish to its provider (RFC 3325 section 9.2).
    Preferred,
    /// P-Asserted-Identity: the word of one who belongs to the network, as a gateway or a PBX on a trunk does (RFC 3325
    /// section 9.1, RFC 5876 section 4).
    Asserted,
    /// Remote-Party-ID, which older peers read instead (draft-ietf-sip-privacy-04).
    RemoteParty,
}

/// Whom we trust, by the address at the other end of the way. Over UDP anybody can write any address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Trust {
    /// Nobody: a caller is who From says.
    Nobody,
    /// The servers of the account's provider.
    #[default]
    Provider,
    /// The same, and these.
    Peers(Vec<IpAddr>),
    /// Everybody.
    Anybody,
}

/// Which header fields say that a call was sent on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum DiversionField {
    /// None.
    #[default]
    None,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    History,
    /// Both.
    Both,
}

impl DiversionField {
    pub(super) const fn has_diversion(self) -> bool {
        matches!(self, Self::Diversion | Self::Both)
    }

    pub(super) const fn has_history(self) -> bool {
        matches!(self, Self::History | Self::Both)
    }
}

/// Who does not want to be known, in From.
pub(super) fn anonymous() -> Option<NameAddr> {
    let uri = Uri::new(format!("sip:anonymous@{NOWHERE}")).ok()?;
    Some(NameAddr::new(uri).with_display("Anonymous"))
}

/// Whether `uri` is that of somebody who does not want to be known.
pub(super) fn is_anonymous(uri: &Uri) -> bool {
    let host = uri.raw_host().unwrap_or_default();
    host.eq_ignore_ascii_case(NOWHERE)
}

impl Services {
    /// Whether the other end of `flow` is trusted; for a request of ours also where it goes first counts.
    pub(super) fn is_trusted(
        &self,
        trust: &Trust,
        account: Option<AccountId>,
        flow: Flow,
        request: Option<&Request>,
    ) -> bool {
        let ip = flow.remote.ip();
        let provider = || self.accounts.provides(account, ip, request);
        match trust {
            Trust::Nobody => false,
            Trust::Provider => provider(),
            Trust::Peers(peers) => peers.contains(&ip) || provider(),
            Trust::Anybody => true,
        }
    }

    /// Says in an INVITE of ours, which goes by `flow`, who calls.
    ///
    /// # Errors
    /// That of a tag that is no token.
    pub(super) fn say_who_calls(
        &self,
        identity: &IdentityPolicy,
        account: Option<AccountId>,
        flow: Flow,
        tag: &str,
        request: &mut Request,
    ) -> Result<()> {
        let mut own = self.own_address(flow, account);
        let named = !identity.name.is_empty();
        if named {
            own = own.with_display(&identity.name);
        }
        let shown = match identity.hidden {
            true => anonymous(),
            false => identity
                .shown
                .clone()
                .or_else(|| named.then(|| own.clone())),
        };
        if let Some(shown) = shown {
            let from = shown.without_params().with_param("tag", tag)?;
            request.headers.set(HeaderName::From, from.to_value());
        }
        if identity.hidden {
            let sips = goes_to_sips(request);
            let contact = self.contact_of_nobody(flow, account, sips);
            request.headers.set(HeaderName::Contact, contact);
            let privacy = Privacy::new(&[Privacy::ID])?;
            request.headers.put(HeaderName::Privacy, privacy.to_value());
        }
        let field = match identity.carried_by {
            IdentityField::From => return Ok(()),
            IdentityField::Preferred => HeaderName::PPreferredIdentity,
            IdentityField::Asserted => HeaderName::PAssertedIdentity,
            IdentityField::RemoteParty => HeaderName::RemotePartyId,
        };
        if !self.is_trusted(&identity.trusted, account, flow, Some(request)) {
            return Ok(());
        }
        let value = match identity.carried_by {
            IdentityField::RemoteParty => {
                RemoteParty::new(&own, Party::Calling, identity.hidden)?.to_value()
            }
            _ => own.to_value(),
        };
        request.headers.put(field, value);
        Ok(())
    }

    /// Where we are reached, without saying who that is (RFC 3323 section 4.1): at the address that the registrar gave for
    /// that (RFC 5627 section 4.4), if it did.
    pub(super) fn contact_of_nobody(
        &self,
        flow: Flow,
        account: Option<AccountId>,
        sips: bool,
    ) -> Bytes {
        let registered = account.and_then(|id| self.accounts.registered(id));
        if let Some(gruu) = registered.and_then(|r| r.temporary_gruu.clone()) {
            return NameAddr::new(if sips { gruu.secured() } else { gruu }).to_value();
        }
        let place = self.contact_address(flow, account);
        NameAddr::new(reached("anonymous", flow, place, sips)).to_value()
    }
}
