//! States that are told, in all three ways: to us, by us to who asked, and by us to a server.

use msp_core::time::Instant;

use super::UserAgent;

impl UserAgent {
    /// When a subscription or a publication has something to do.
    pub(super) fn states_deadline(&self) -> Option<Instant> {
        let subscriptions = self.services.subscriptions.deadline();
        let watchers = self.services.watching.deadline();
        let publications = self.services.publications.deadline();
        let all = [subscriptions, watchers, publications];
        all.into_iter().flatten().min()
    }

    /// Knows without a search what is due next.
    pub(super) fn tidy_states(&mut self) {
        self.services.subscriptions.tidy();
        self.services.watching.tidy();
        self.services.publications.tidy();
        self.services.accounts.tidy();
    }

    /// Does what is due.
    pub(super) fn states_due(&mut self, now: Instant) {
        self.subscriptions_due(now);
        self.watchers_due(now);
        self.publications_due(now);
    }

    /// The agent closes: nobody is told anything any more.
    pub(super) fn leave_states(&mut self, now: Instant) {
        self.unsubscribe_all(now);
        self.unpublish_all(now);
        self.turn_watchers_away(now);
    }
}
