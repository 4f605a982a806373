//! The control core: owns addresses, calls, legs and rounds of offer and answer. It does no I/O: what is to be done
//! comes out of [`ControlCore::poll`].
//!
//! A call has a lock of its own; while something is done to it, what all calls share is locked too, in this order
//! and for as short as that takes. No guard of a table is held over a lock.

mod call;
mod early;
mod legs;
pub(crate) mod offer;
mod pair;
mod resources;
pub(crate) mod security;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::RandomState;
use dashmap::DashMap;
use msp_core::event::{Cause, EventBus, EventKind, MspEvent};
use msp_core::id::{AddressId, CallKey, StreamId, TerminalId};
use msp_core::link::{Envelope, ToMsp, ToTsp};
use msp_core::media::MediaKinds;
use msp_core::params::LocalAddress;
use msp_core::statics::{StaticChange, StaticWatch};
use msp_core::time::Instant;
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::rtcp::WallClock;

use crate::config::EngineConfig;
use crate::random::Random;
use crate::shard::{Garbage, Load, Report};

pub(crate) use call::{CallCore, Context, MAX_TERMINALS};
use early::Early;
use resources::Resources;
pub(crate) use resources::{ControlOutput, OpenRequest, RequestId};

/// What a driver of the control core hands in.
#[derive(Debug)]
pub(crate) enum ControlInput {
    /// A message of the signalling half.
    Message(AddressId, Envelope<ToMsp>),
    /// A request for ports was worked off.
    Opened(RequestId, Result<Opened, OpenError>),
    /// A shard tells something.
    Report(usize, Report),
    /// A terminal tells something.
    Terminal {
        call: CallKey,
        stream: StreamId,
        terminal: TerminalId,
        kind: EventKind,
        cause: Cause,
        error: Option<Error>,
    },
    /// A static terminal came or went, as an address sees it.
    Static(AddressId, StaticChange),
    /// Time went by.
    Tick,
}

/// Ports that were opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    /// For media.
    pub(crate) rtp: LocalAddress,
    /// For reports, if that was asked for.
    pub(crate) rtcp: Option<LocalAddress>,
}

/// Why ports were not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Somebody else has the port.
    InUse,
    /// Anything else.
    Other(Error),
}

/// One address.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: AddressId,
    pub(crate) name: String,
    pub(crate) bus: EventBus,
    /// Over the static terminals, as long as somebody holds the address.
    pub(crate) _watch: StaticWatch,
}

/// One call.
#[derive(Debug)]
pub(crate) struct CallEntry {
    pub(crate) key: CallKey,
    pub(crate) address: AddressId,
    core: Mutex<CallCore>,
}

/// See the module.
pub(crate) struct ControlCore {
    config: EngineConfig,
    wall: WallClock,
    lines: DashMap<AddressId, Arc<Line>, RandomState>,
    calls: DashMap<CallKey, Arc<CallEntry>, RandomState>,
    early: Mutex<Early>,
    resources: Mutex<Resources>,
}

impl ControlCore {
    pub(crate) fn new(
        config: EngineConfig,
        wall: WallClock,
        random: Box<dyn Random>,
        loads: Vec<Arc<Load>>,
    ) -> Self {
        let resources = Resources::new(&config, random, loads);
        Self {
            config,
            wall,
            lines: DashMap::with_hasher(RandomState::new()),
            calls: DashMap::with_hasher(RandomState::new()),
            early: Mutex::default(),
            resources: Mutex::new(resources),
        }
    }

    pub(crate) fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// An address was opened.
    pub(crate) fn add_line(&self, line: Arc<Line>) {
        self.lines.insert(line.id, line);
    }

    /// The address of that name.
    pub(crate) fn line(&self, id: AddressId) -> Option<Arc<Line>> {
        self.lines.get(&id).map(|l| Arc::clone(&l))
    }

    /// An address is about to be closed: its calls are over and forgotten.
    pub(crate) fn close_line_calls(&self, now: Instant, id: AddressId) {
        for call in self.calls_of(id) {
            self.close_call(now, &call);
        }
    }

    /// An address is closed.
    pub(crate) fn remove_line(&self, id: AddressId) {
        self.lines.remove(&id);
    }

    /// All addresses that are open.
    pub(crate) fn line_ids(&self) -> Vec<AddressId> {
        self.lines.iter().map(|l| *l.key()).collect()
    }

    /// A call was made on `address`; messages that came before it are taken up.
    pub(crate) fn create_call(
        &self,
        now: Instant,
        address: AddressId,
        key: CallKey,
        kinds: MediaKinds,
    ) -> Result<Arc<CallEntry>> {
        let line = self
            .line(address)
            .ok_or_else(|| Error::new(ErrorKind::Closed, format!("address {address}")))?;
        let entry = Arc::new(CallEntry {
            key,
            address,
            core: Mutex::new(CallCore::new(&self.config, line.id, key, kinds)?),
        });
        // Whoever finds the call from now on waits until it has heard what came before.
        let mut call = lock(&entry.core);
        match self.calls.entry(key) {
            dashmap::Entry::Occupied(_) => {
                return Err(Error::new(ErrorKind::CallExists, format!("call {key}")));
            }
            dashmap::Entry::Vacant(vacant) => {
                vacant.insert(Arc::clone(&entry));
            }
        }
        let early = lock(&self.early).claim(key);
        for message in early {
            self.with_core(now, &mut call, |call, cx| call.message(cx, message));
        }
        drop(call);
        Ok(entry)
    }

    /// A call is over and forgotten.
    pub(crate) fn close_call(&self, now: Instant, entry: &CallEntry) {
        self.with(now, entry, |call, cx| {
            call.disconnect(cx, Cause::LocalRequest);
        });
        self.calls
            .remove_if(&entry.key, |_, c| std::ptr::eq(&**c, entry));
    }

    /// Does something to a call.
    pub(crate) fn with<T>(
        &self,
        now: Instant,
        entry: &CallEntry,
        f: impl FnOnce(&mut CallCore, &mut Context<'_>) -> T,
    ) -> T {
        self.with_core(now, &mut lock(&entry.core), f)
    }

    fn with_core<T>(
        &self,
        now: Instant,
        call: &mut CallCore,
        f: impl FnOnce(&mut CallCore, &mut Context<'_>) -> T,
    ) -> T {
        let mut resources = lock(&self.resources);
        let mut cx = Context {
            now,
            config: &self.config,
            wall: self.wall,
            resources: &mut resources,
        };
        f(call, &mut cx)
    }

    /// Looks at a call.
    pub(crate) fn look<T>(entry: &CallEntry, f: impl FnOnce(&CallCore) -> T) -> T {
        f(&lock(&entry.core))
    }

    /// Takes what a driver hands in.
    pub(crate) fn handle(&self, now: Instant, input: ControlInput) {
        match input {
            ControlInput::Message(address, message) => self.message(now, address, message),
            ControlInput::Opened(id, result) => self.opened(now, id, result),
            ControlInput::Report(shard, report) => self.report(now, shard, report),
            ControlInput::Terminal {
                call,
                stream,
                terminal,
                kind,
                cause,
                error,
            } => {
                if let Some(entry) = self.call(call) {
                    self.with(now, &entry, |call, cx| {
                        call.terminal_event(cx, stream, terminal, kind, cause, error);
                    });
                }
            }
            ControlInput::Static(address, change) => self.static_changed(now, address, change),
            ControlInput::Tick => self.tick(now),
        }
    }

    fn tick(&self, now: Instant) {
        loop {
            let expired = lock(&self.early).expired(now);
            let Some((address, message)) = expired else {
                break;
            };
            self.refuse(address, message);
        }
        loop {
            let due = lock(&self.resources).due(now);
            let Some(key) = due else { break };
            if let Some(entry) = self.call(key) {
                self.with(now, &entry, |call, cx| call.timeout(cx));
            }
        }
    }

    /// What is to be done next.
    pub(crate) fn poll(&self) -> Option<ControlOutput> {
        lock(&self.resources).outputs.pop_front()
    }

    /// Whether there is anything for [`poll`](Self::poll).
    pub(crate) fn has_output(&self) -> bool {
        !lock(&self.resources).outputs.is_empty()
    }

    /// When a [`ControlInput::Tick`] is wanted.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let early = lock(&self.early).deadline();
        let of_calls = lock(&self.resources).deadline();
        early.into_iter().chain(of_calls).min()
    }

    /// Stream pairs that live on shards.
    pub(crate) fn live(&self) -> usize {
        lock(&self.resources).live()
    }

    /// Ports that no call uses.
    pub(crate) fn unused_ports(&self) -> usize {
        lock(&self.resources).unused_ports()
    }

    fn static_changed(&self, now: Instant, address: AddressId, change: StaticChange) {
        let event = MspEvent::of_static(now, address, change);
        lock(&self.resources)
            .outputs
            .push_back(ControlOutput::Event(event));
        if let StaticChange::Unavailable(terminal) = change {
            for entry in self.calls_of(address) {
                self.with(now, &entry, |call, cx| call.unplugged(cx, terminal));
            }
        }
    }

    fn calls_of(&self, address: AddressId) -> Vec<Arc<CallEntry>> {
        let calls = self.calls.iter().filter(|c| c.address == address);
        calls.map(|c| Arc::clone(&c)).collect()
    }

    fn call(&self, key: CallKey) -> Option<Arc<CallEntry>> {
        self.calls.get(&key).map(|c| Arc::clone(&c))
    }

    fn message(&self, now: Instant, address: AddressId, message: Envelope<ToMsp>) {
        let entry = match self.call(message.call) {
            Some(entry) => entry,
            None => {
                let mut early = lock(&self.early);
                // It may have been made meanwhile; then nobody claims what is held now.
                match self.call(message.call) {
                    Some(entry) => entry,
                    None => {
                        let refused = early.hold(now, address, message);
                        drop(early);
                        if let Some((address, message)) = refused {
                            self.refuse(address, message);
                        }
                        return;
                    }
                }
            }
        };
        if entry.address == address {
            self.with(now, &entry, |call, cx| call.message(cx, message));
        } else {
            // A call of another address is none of this one.
            self.refuse(address, message);
        }
    }

    fn refuse(&self, address: AddressId, message: Envelope<ToMsp>) {
        // A call that the application closed is over already: nobody waits for an answer.
        if matches!(message.body, ToMsp::Disconnected { .. }) {
            return;
        }
        let call = message.call;
        let error = Error::new(ErrorKind::InvalidCall, format!("call {call}"));
        let reply = Envelope {
            call,
            leg: message.leg,
            generation: message.generation,
            body: ToTsp::Refused(error),
        };
        let output = ControlOutput::Reply(address, reply);
        lock(&self.resources).outputs.push_back(output);
    }

    fn opened(&self, now: Instant, id: RequestId, result: Result<Opened, OpenError>) {
        let Some(opening) = lock(&self.resources).opened(id) else {
            return;
        };
        let result = match result {
            Ok(opened) => Ok((opened.rtp, opened.rtcp)),
            Err(OpenError::Other(error)) => Err(error),
            Err(OpenError::InUse) => {
                let again = lock(&self.resources).open_another(now, opening);
                match again {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
        };
        match self.call(opening.call) {
            Some(entry) => {
                self.with(now, &entry, |call, cx| call.opened(cx, &opening, result));
            }
            None => {
                let mut resources = lock(&self.resources);
                if opening.located {
                    return;
                }
                if result.is_ok() {
                    resources.outputs.push_back(ControlOutput::Discard(id));
                }
                resources.give_back(now, opening.request.port);
            }
        }
    }

    fn report(&self, now: Instant, shard: usize, report: Report) {
        match report {
            Report::Drop(garbage) => {
                let output = ControlOutput::Drop(garbage);
                lock(&self.resources).outputs.push_back(output);
            }
            Report::Removed(id, mut transport) => {
                // Its shard could not wait for whoever was reading.
                transport.publish_last();
                let mut resources = lock(&self.resources);
                resources.cleared(now, shard, id);
                let output = ControlOutput::Drop(Garbage::of(transport));
                resources.outputs.push_back(output);
            }
            Report::Media(id, media) => {
                let owner = lock(&self.resources).owner(shard, id);
                let entry = owner.and_then(|o| Some((self.call(o.call)?, o.slot)));
                if let Some((entry, slot)) = entry {
                    self.with(now, &entry, |call, cx| call.media(cx, slot, media));
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
