//! The signalling thread of a phone: runs the SIP endpoint and brings the events of both halves together.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use msp_core::event::EventFilter;
use msp_core::id::CallKey;
use msp_core::link::TspEnd;
use msp_core::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tsp_sip::call::{
    AgentConfig, CallEvent, CallEventKind, Command, EndCause, Ended, Side, UserAgent,
};
use tsp_sip::net::{Connections, Endpoint, StatsReader};
use tsp_sip::subscription::{Notice, SubscriptionEvent, SubscriptionKind};

use crate::call::{CallShared, CallState};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::inherit::inherit;
use crate::phone::{How, PeerCapabilities, PhoneBuilder, Shared};

/// Calls that a phone has at most.
const MAX_CALLS: usize = 10_000;

/// Where SIP is received, and where its counters are read.
pub(crate) struct Started {
    pub(crate) local: SocketAddr,
    pub(crate) tls_port: Option<u16>,
    pub(crate) stats: StatsReader,
}

pub(crate) struct Line {
    pub(crate) builder: PhoneBuilder,
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: TspEnd,
    pub(crate) commanded: mpsc::UnboundedReceiver<Command>,
}

impl Line {
    /// Runs until the phone is closed. `ready` hears where SIP is received and its counters are read, or why not.
    pub(crate) fn run(self, ready: oneshot::Sender<Result<Started>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.serve(ready)),
            Err(e) => {
                let error = Error::new(ErrorKind::Media, "signalling thread").caused_by(e);
                // Whoever opened the phone may have given up.
                let _unheard = ready.send(Err(error));
            }
        }
    }

    async fn serve(self, ready: oneshot::Sender<Result<Started>>) {
        let bind = self.builder.bind;
        let opened = Endpoint::bind(&[bind]).and_then(|endpoint| match &self.builder.tls {
            Some(tls) => endpoint.with_tls(tls.clone(), tls_port(bind)),
            None => Ok(endpoint),
        });
        let endpoint = match opened {
            Ok(endpoint) => endpoint,
            Err(e) => {
                let kind = match e.kind() {
                    std::io::ErrorKind::InvalidData => ErrorKind::InvalidSetting,
                    _ => ErrorKind::PortInUse,
                };
                let error = Error::new(kind, bind.to_string()).caused_by(e);
                let _unheard = ready.send(Err(error));
                return;
            }
        };
        let local = endpoint.local_addresses().first().copied().unwrap_or(bind);
        let started = Started {
            local,
            tls_port: endpoint.tls_port(),
            stats: endpoint.stats(),
        };
        if ready.send(Ok(started)).is_err() {
            return;
        }
        let mut requests = self.builder.requests.clone();
        if self.builder.domain.is_some() {
            // Users pass calls on by REFER; an INVITE takes the place of no other's call.
            requests.replaces = false;
        }
        let config = AgentConfig {
            advertise: self.builder.advertise.into_iter().collect(),
            advertise_host: self.builder.advertise_host.clone(),
            user: self.builder.user.clone(),
            user_agent: concat!("tipring/", env!("CARGO_PKG_VERSION")).into(),
            timers: self.builder.timers,
            requests,
            max_calls: MAX_CALLS,
            policy: self.builder.policy.clone(),
            domain: self.builder.domain.clone(),
            flows: self.builder.flows,
            shows_messages: self.builder.trace.is_on(),
            line: next_line(),
        };
        let media = self.shared.address.subscribe(EventFilter::default());
        let shared = self.shared.clone();
        let media_events = async {
            while let Some(event) = poll_fn(|cx| media.poll_recv(cx)).await {
                let (at, call) = (event.at, event.scope.call);
                shared.bus.emit(&Event {
                    at,
                    call,
                    kind: EventKind::Media(event),
                });
            }
            // The media half was closed: the goodbyes still have to be said.
            pending::<()>().await;
        };
        let mut random = SystemRandom::new();
        let agent = UserAgent::new(config, move |bytes| random.fill(bytes));
        let events = Signals {
            shared: self.shared.clone(),
        };
        let registrations = self.shared.clone();
        let locations = self.shared.clone();
        let states = Signals {
            shared: self.shared.clone(),
        };
        let connections = Connections {
            commands: self.commanded,
            media: self.link,
            events: Box::new(move |at, event| events.take(at, event)),
            registrations: Box::new(move |_, event| registrations.registration_changed(event)),
            locations: Box::new(move |user, found| locations.locations_changed(user, found)),
            subscriptions: Box::new(move |at, event| states.take_state(at, event)),
            trace: self.builder.trace.clone(),
            clock: Box::new(Shared::now),
        };
        tokio::select! {
            () = endpoint.run(agent, connections) => {}
            () = media_events => {}
        }
        self.shared.line_ended();
    }
}

/// The port for TLS beside the one for everything else: the next, as 5061 is beside 5060.
const fn tls_port(bind: SocketAddr) -> u16 {
    match bind.port() {
        0 => 0,
        port => port.wrapping_add(1),
    }
}

/// The system's secure source, asked for many bytes at a time: a call draws a few for each of its tags and branches.
struct SystemRandom {
    drawn: [u8; 256],
    /// How many of them were given out.
    given: usize,
}

impl SystemRandom {
    const fn new() -> Self {
        let drawn = [0; 256];
        Self {
            given: drawn.len(),
            drawn,
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(self.drawn.len()) {
            if self.drawn.len() - self.given < piece.len() {
                draw(&mut self.drawn);
                self.given = 0;
            }
            let end = self.given + piece.len();
            if let Some(fresh) = self.drawn.get_mut(self.given..end) {
                piece.copy_from_slice(fresh);
                // Nobody finds here later what a tag was made of.
                fresh.fill(0);
            }
            self.given = end;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver of the signalling draws its random numbers"
)]
fn draw(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        // Tags and branches that can be guessed are worse than no phone.
        std::process::abort();
    }
}

/// A number that no other phone of this process has.
fn next_line() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // The highest bit of a key tells incoming calls apart.
    NEXT.fetch_add(1, Ordering::Relaxed) & (u32::MAX >> 1)
}

/// Brings the signalling half's events to the application.
struct Signals {
    shared: Arc<Shared>,
}

impl Signals {
    fn take(&self, at: Instant, event: CallEvent) {
        let key = event.key;
        match event.kind {
            CallEventKind::Incoming {
                from,
                caller,
                to,
                hops,
                ..
            } => {
                let how = How {
                    hops,
                    dial: None,
                    caller: Some(caller.clone()),
                };
                match self.shared.create_call(key, &from, &to, how) {
                    Ok(call) => {
                        self.shared.bus.emit(&Event {
                            at,
                            call: Some(key),
                            kind: EventKind::Incoming { from, caller, to },
                        });
                        self.shared.offer_incoming(call.key);
                    }
                    // Without a media half there is no call: the caller is told so.
                    Err(_) => {
                        self.shared.counters.count_without_media();
                        let status = tsp_sip::wire::StatusCode::SERVICE_UNAVAILABLE;
                        let _closing = self.shared.command(Command::Reject(key, status));
                    }
                }
            }
            CallEventKind::Ringing => {
                self.reach(at, key, self.shared.call(key), CallState::Ringing);
            }
            CallEventKind::EarlyMedia => {
                self.reach(at, key, self.shared.call(key), CallState::EarlyMedia);
            }
            CallEventKind::Connected => {
                if let Some(call) = self.shared.call(key) {
                    inherit(&self.shared, &call);
                }
                self.reach(at, key, self.shared.call(key), CallState::Connected);
            }
            CallEventKind::Held(side) => self.held(at, key, side, true),
            CallEventKind::Resumed(side) => self.held(at, key, side, false),
            CallEventKind::HoldRefused(status) => {
                let status = status.map(tsp_sip::wire::StatusCode::code);
                self.emit(at, key, EventKind::HoldRefused(status));
            }
            CallEventKind::UnsentDigit(digit) => self.emit(at, key, EventKind::UnsentDigit(digit)),
            CallEventKind::MessageReceived {
                from,
                content_type,
                body,
                ..
            } => {
                let body = body[..].into();
                let kind = EventKind::Message {
                    from,
                    content_type,
                    body,
                };
                self.emit(at, key, kind);
            }
            CallEventKind::MessageAnswered { status, .. } => {
                self.emit(at, key, EventKind::MessageAnswered(status.code()));
            }
            CallEventKind::Bindings {
                status, contacts, ..
            } => {
                let told = status.is_success().then_some(contacts);
                self.emit(
                    at,
                    key,
                    EventKind::Bindings(told.ok_or_else(|| status.code())),
                );
            }
            CallEventKind::TransferProgress(status) => {
                self.emit(at, key, EventKind::TransferProgress(status.code()));
            }
            CallEventKind::Transferred => self.emit(at, key, EventKind::Transferred),
            CallEventKind::TransferFailed(status) => {
                self.emit(at, key, EventKind::TransferFailed(status.code()));
            }
            CallEventKind::TransferRequested {
                to,
                consulted,
                with_us,
            } => {
                if let Some(call) = self.shared.call(key) {
                    let mut referred = call.referred.lock().unwrap_or_else(PoisonError::into_inner);
                    *referred = Some(to.clone());
                }
                let kind = EventKind::TransferRequested {
                    to,
                    consulted,
                    with_us,
                };
                self.emit(at, key, kind);
            }
            CallEventKind::Replaces(old) => {
                if let Some(heir) = self.shared.call(key) {
                    let mut replaces = heir.replaces.lock().unwrap_or_else(PoisonError::into_inner);
                    *replaces = self.shared.call(old);
                }
                self.emit(at, key, EventKind::Replaces(old));
                // It stands for a call that was taken already (RFC 3891 section 3).
                let _closing = self.shared.command(Command::Answer(key));
            }
            CallEventKind::PeerIdentified(who) => {
                self.emit(at, key, EventKind::PeerIdentified(who));
            }
            CallEventKind::Ended(ref ended) => {
                self.shared.answer_asked(key, Err(not_asked(ended)));
                let call = self.shared.forget_call(key);
                self.reach(at, key, call, CallState::Ended(ended.clone()));
            }
            CallEventKind::Capabilities {
                status,
                reason,
                allow,
                user_agent,
                round_trip,
            } => {
                let status = status.code();
                let answer = PeerCapabilities {
                    status,
                    reason,
                    allow,
                    user_agent,
                    round_trip,
                };
                self.shared.answer_asked(key, Ok(answer));
            }
            _ => {}
        }
    }

    /// One end holds the call, or does so no longer.
    fn held(&self, at: Instant, key: CallKey, side: Side, held: bool) {
        let Some(call) = self.shared.call(key) else {
            return;
        };
        let (mut local, mut remote) = match *call.state.borrow() {
            CallState::Held { local, remote } => (local, remote),
            _ => (false, false),
        };
        match side {
            Side::Local => local = held,
            Side::Remote => remote = held,
        }
        call.state.send_replace(match (local, remote) {
            (false, false) => CallState::Connected,
            (local, remote) => CallState::Held { local, remote },
        });
        let kind = match held {
            true => EventKind::Held(side),
            false => EventKind::Resumed(side),
        };
        self.emit(at, key, kind);
    }

    fn take_state(&self, at: Instant, event: SubscriptionEvent) {
        let all = &self.shared.subscriptions;
        match event {
            SubscriptionEvent::Subscription { id, kind } => {
                let over = matches!(kind, SubscriptionKind::Ended { .. });
                if let Some(sender) = all.get(&id) {
                    // Whoever subscribed may be about to leave.
                    let _unheard = sender.send(kind);
                }
                if over {
                    all.remove(&id);
                }
            }
            SubscriptionEvent::Unsolicited {
                notice: Notice::Messages(summary),
                ..
            } => {
                let (call, kind) = (None, EventKind::MessagesWaiting(summary));
                self.shared.bus.emit(&Event { at, call, kind });
            }
            _ => {}
        }
    }

    fn emit(&self, at: Instant, key: CallKey, kind: EventKind) {
        let call = Some(key);
        self.shared.bus.emit(&Event { at, call, kind });
    }

    fn reach(&self, at: Instant, key: CallKey, call: Option<Arc<CallShared>>, state: CallState) {
        let Some(call) = call else { return };
        let kind = EventKind::of_state(&state);
        call.state.send_replace(state);
        if let Some(kind) = kind {
            self.shared.bus.emit(&Event {
                at,
                call: Some(key),
                kind,
            });
        }
    }
}

/// Why a peer did not say what it can do.
fn not_asked(ended: &Ended) -> Error {
    let kind = match ended.cause {
        EndCause::Unresolvable => ErrorKind::Unresolvable,
        EndCause::NoAnswer => ErrorKind::NoAnswer,
        _ => ErrorKind::Unreachable,
    };
    Error::new(kind, &*ended.reason)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_random_bytes_are_given_out_twice() {
        let mut random = SystemRandom::new();
        let mut seen = HashSet::new();
        for _ in 0..200 {
            let mut tag = [0; 12];
            random.fill(&mut tag);
            assert!(seen.insert(tag.to_vec()));
        }
        let mut long = vec![0; 1_000];
        random.fill(&mut long);
        for piece in long.chunks_exact(8) {
            assert!(seen.insert(piece.to_vec()));
        }
    }
}
