//! An agent takes leave: what is still said, and how long others may take to hear it.

use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::services::Purpose;

/// How long servers may take to answer our goodbyes, in times T1: 4 s, in which each is sent four times.
const PATIENCE: u32 = 8;

impl UserAgent {
    /// The application closes: all calls end, and servers that know us are told.
    pub(super) fn take_leave(&mut self, now: Instant) {
        self.closing = true;
        self.farewell = Some(now + self.services.config.timers.t1 * PATIENCE);
        self.leave_states(now);
        self.unregister_all(now);
        let mut keys: Vec<_> = self.calls.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            self.hang_up(now, key);
        }
    }

    /// Waits no longer for servers that do not answer; what they know of us ends by itself. Ends of calls are said for as long
    /// as ever, for a peer that hears of none is left with one.
    pub(super) fn farewell_due(&mut self, now: Instant) {
        if self.farewell.is_none_or(|at| at > now) {
            return;
        }
        self.farewell = None;
        let services = &mut self.services;
        services.errands.retain(|_, (errand, _)| {
            !matches!(
                errand,
                Errand::Register(_) | Errand::Subscribe(_) | Errand::Notify(_) | Errand::Publish(_)
            )
        });
        let of_servers = |purpose| {
            matches!(
                purpose,
                Purpose::Register(_)
                    | Purpose::Subscribe(_)
                    | Purpose::Notify(_)
                    | Purpose::Publish(_)
            )
        };
        let sent = services.sent.iter();
        let silent: Vec<_> = sent
            .filter(|(_, s)| of_servers(s.purpose))
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            services.sent.remove(&id);
            services.retries.remove(&id);
            services.ways.remove(&id);
            services.detours.remove(&id);
            services.stats.unheard_farewells += 1;
        }
    }
}
