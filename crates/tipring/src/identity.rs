//! Who a phone says that it is, and whom it believes about that.

use std::sync::PoisonError;

use tsp_sip::call::{Command, IdentityField, IdentityPolicy, NumberForm, Trust};
use tsp_sip::wire::NameAddr;

use crate::call::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::phone::PhoneBuilder;

impl PhoneBuilder {
    /// Who calls of this phone say that calls, and who is believed about calls that come in.
    #[must_use]
    pub fn identity(mut self, policy: IdentityPolicy) -> Self {
        self.policy.identity = policy;
        self
    }

    /// Who is believed about who calls, and may be told who we are.
    #[must_use]
    pub fn trust(mut self, whom: Trust) -> Self {
        self.policy.identity.trusted = whom;
        self
    }

    /// Which field besides From says who calls.
    #[must_use]
    pub const fn identity_field(mut self, field: IdentityField) -> Self {
        self.policy.identity.carried_by = field;
        self
    }

    /// The name beside our address, which may be empty, and what From says instead of that address, if anything.
    #[must_use]
    pub fn shown(mut self, name: impl Into<Box<str>>, address: Option<NameAddr>) -> Self {
        self.policy.identity.name = name.into();
        self.policy.identity.shown = address;
        self
    }

    /// Whether the called end shall not know who calls.
    #[must_use]
    pub const fn hidden(mut self, hide: bool) -> Self {
        self.policy.identity.hidden = hide;
        self
    }

    /// How telephone numbers that are dialled are written for an account's provider.
    #[must_use]
    pub const fn numbers(mut self, form: NumberForm) -> Self {
        self.policy.numbers = form;
        self
    }
}

impl Call {
    /// Who this call says that calls, in the place of what the account's or the phone's policy says: to hide it for one
    /// call, for instance. For a call that was [prepared](crate::Phone::prepare) and is not dialled yet.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it was dialled or came in, or goes to a user of the domain that we serve.
    pub fn identify(&self, policy: IdentityPolicy) -> Result<()> {
        let mut dial = self
            .shared
            .dial
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (key, to, account) = match dial.take() {
            Some(
                Command::Dial { key, to, account }
                | Command::DialAs {
                    key, to, account, ..
                },
            ) => (key, to, account),
            other => {
                *dial = other;
                return Err(Error::new(ErrorKind::WrongState, self.peer()));
            }
        };
        *dial = Some(Command::DialAs {
            key,
            to,
            account,
            identity: policy.into(),
        });
        Ok(())
    }
}
