//! Who calls: of all that an INVITE says about it, what is believed (RFC 3325 section 8).

use std::fmt;

use super::identity::is_anonymous;
use super::numbers::number_of;
use crate::wire::{Diversion, Headers, HistoryEntry, NameAddr, Party, RemoteParty, TelNumber};

/// Who sent a call on, at most; what a peer says beyond that is not kept.
const MOST: usize = 20;

/// Who calls, as far as the peer is believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Name and URI: those that the network asserts, if whom the call came from is trusted and asserts any, else those of
    /// From, which a caller writes as it likes.
    pub address: NameAddr,
    /// The network asserts it: by P-Asserted-Identity (RFC 3325), or by a Remote-Party-ID that says it was checked.
    pub asserted: bool,
    /// Nobody shall be shown who it is (RFC 3323 section 4.2).
    pub private: bool,
    /// The caller's number, if it has one.
    pub number: Option<TelNumber>,
    /// Who sent the call on, the last one first; none from whom we do not trust (RFC 5806).
    pub diversions: Vec<Diversion>,
    /// Whom the call was for, the first one first; nobody from whom we do not trust (RFC 7044).
    pub history: Vec<HistoryEntry>,
}

impl Caller {
    /// Who `headers` say that calls, which came from a peer that is trusted or not; `from` is what From says.
    pub(super) fn of(headers: &Headers, from: &NameAddr, trusted: bool) -> Self {
        let from = from.without_params();
        let hidden = is_anonymous(from.uri());
        let plain = |address: &NameAddr| address.without_params().detached();
        let mut all: Vec<NameAddr> = Vec::new();
        let mut private = hidden || asks_to_be_hidden(headers);
        let (mut diversions, mut history) = (Vec::new(), Vec::new());
        if trusted {
            // One of each scheme at most (RFC 3325 section 9.1).
            let asserted = headers.asserted_identities().filter_map(Result::ok);
            all.extend(asserted.take(2).map(|a| plain(&a)));
            let parties = headers.remote_parties().filter_map(Result::ok);
            let calling = |p: &RemoteParty| p.party() != Some(Party::Called);
            let parties: Vec<_> = parties.filter(calling).take(MOST).collect();
            private |= parties.iter().any(RemoteParty::is_private);
            if all.is_empty() {
                let checked = parties.iter().find(|p| p.is_screened());
                all.extend(checked.map(|p| plain(p.address())));
            }
            let sent_on = headers.diversions().filter_map(Result::ok).take(MOST);
            diversions.extend(sent_on.map(|d| d.detached()));
            let entries = headers.history().filter_map(Result::ok).take(MOST);
            history.extend(entries.map(|h| h.detached()));
        }
        let asserted = !all.is_empty();
        if !asserted {
            all.push(from.detached());
        }
        let number = all.iter().find_map(|a| number_of(a.uri()));
        let address = all.swap_remove(0);
        Self {
            address,
            asserted,
            private,
            number,
            diversions,
            history,
        }
    }
}

/// Whether Privacy asks to hide the caller. What cannot be read may ask for it.
fn asks_to_be_hidden(headers: &Headers) -> bool {
    headers
        .privacy()
        .map_or(true, |p| p.is_some_and(|p| p.hides_caller()))
}

impl fmt::Display for Caller {
    /// The caller as a user may see it: `anonymous` if nobody shall know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.private {
            true => f.write_str("anonymous"),
            false => self.address.fmt(f),
        }
    }
}
