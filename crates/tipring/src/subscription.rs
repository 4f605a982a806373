//! States of others that a phone is told of: messages that wait, busy lamps, presence.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tsp_sip::call::Command;
use tsp_sip::subscription::{Package, SubscriptionId, SubscriptionKind};

use crate::error::Result;
use crate::phone::{Phone, Shared};
use crate::target::target_uri;

/// What a subscription holds for an application that does not listen; the oldest goes.
const QUEUE: usize = 64;

/// A subscription to a state of somebody's. Dropping it ends it.
pub struct Subscription {
    id: SubscriptionId,
    phone: Arc<Shared>,
    told: broadcast::Receiver<SubscriptionKind>,
    missed: u64,
}

impl Phone {
    /// Subscribes to a state of `target`. It is refreshed, and begun anew when it is lost, until it is
    /// [ended](Subscription::end), or the notifier says that there is no sense in it (RFC 6665). With an `expires` of zero the
    /// state is told once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`](crate::ErrorKind::InvalidUri), [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn subscribe(
        &self,
        target: &str,
        package: Package,
        expires: Duration,
    ) -> Result<Subscription> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let to = target_uri(target)?;
        let id = SubscriptionId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (sender, told) = broadcast::channel(QUEUE);
        self.shared.subscriptions.insert(id, sender);
        let asked = self.shared.command(Command::Subscribe {
            id,
            to,
            account: None,
            package,
            expires,
        });
        let subscription = Subscription {
            id,
            phone: self.shared.clone(),
            told,
            missed: 0,
        };
        asked.map(|()| subscription)
    }
}

impl Subscription {
    /// What happens next; `None` once it is over and all was told.
    pub async fn next(&mut self) -> Option<SubscriptionKind> {
        loop {
            match self.told.recv().await {
                Ok(kind) => return Some(kind),
                Err(RecvError::Lagged(missed)) => self.missed += missed,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What happened, if anything waits.
    pub fn try_next(&mut self) -> Option<SubscriptionKind> {
        loop {
            match self.told.try_recv() {
                Ok(kind) => return Some(kind),
                Err(TryRecvError::Lagged(missed)) => self.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// How much was dropped because nobody listened.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Ends it; [`SubscriptionKind::Ended`] follows.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn end(&self) -> Result<()> {
        self.phone.command(Command::Unsubscribe(self.id))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.phone.subscriptions.remove(&self.id).is_some() {
            // A closed phone has left it already.
            let _closed = self.phone.command(Command::Unsubscribe(self.id));
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({})", self.id.0)
    }
}
