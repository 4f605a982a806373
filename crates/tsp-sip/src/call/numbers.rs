//! Telephone numbers: how they are dialled, and whose they are (RFC 3966, RFC 3261 section 19.1.6).

use super::services::Services;
use crate::account::AccountId;
use crate::wire::{Scheme, TelNumber, Uri};

/// How a telephone number that is dialled is written for the account's provider.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum NumberForm {
    /// As the user of a `sip` URI at the provider that says `user=phone`, which every provider understands.
    #[default]
    Sip,
    /// As a `tel` URI, which leaves it to the provider where the number leads.
    Tel,
}

/// The number that `uri` is; many peers write a global one without saying `user=phone`.
pub(super) fn number_of(uri: &Uri) -> Option<TelNumber> {
    let plain = || {
        let user = uri.user().filter(|u| u.starts_with('+'))?;
        TelNumber::new(&user, None).ok()
    };
    TelNumber::from_uri(uri).ok().or_else(plain)
}

/// Whether both are the same number, wherever they say that it is reached.
pub(super) fn same_number(a: &Uri, b: &Uri) -> bool {
    let global = |uri| number_of(uri).filter(TelNumber::is_global);
    matches!((global(a), global(b)), (Some(a), Some(b)) if a == b)
}

impl Services {
    /// What is asked for by a request of `account` that shall reach `to`: a number as the policy has it, without what only
    /// makes it easier to read; anything else as it is.
    pub(super) fn called_as(&self, account: Option<AccountId>, to: Uri) -> Uri {
        let Ok(number) = TelNumber::from_uri(&to) else {
            return to;
        };
        if to.is_sip() {
            return bare(&to).unwrap_or(to);
        }
        let provider = account.and_then(|id| self.accounts.get(id)).map(|a| &a.aor);
        let place = provider.and_then(Uri::host_port);
        let written = match (self.policy(account).numbers, place) {
            (NumberForm::Sip, Some(place)) => number.to_sip(&place),
            _ => number.to_uri(),
        };
        let secure = provider.is_some_and(|p| p.scheme() == Scheme::Sips);
        match written {
            Ok(written) if secure => written.secured(),
            Ok(written) => written,
            Err(_) => to,
        }
    }
}

/// A `sip` URI of a number without the visual separators in it.
fn bare(uri: &Uri) -> Option<Uri> {
    let user = uri.raw_user()?;
    let end = user.find(';').unwrap_or(user.len());
    let (number, params) = user.split_at_checked(end)?;
    let number: String = number
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
        .collect();
    let rest = uri.opaque().get(user.len()..)?;
    Uri::new(format!("{}:{number}{params}{rest}", uri.scheme_text())).ok()
}
