//! Who a phone says that it is, and whom it believes about that.

use std::sync::PoisonError;

use tsp_sip::call::{Command, IdentityPolicy};

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
