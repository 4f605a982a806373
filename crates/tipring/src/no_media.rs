//! A media provider that carries nothing, for signalling alone.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventBus, EventFilter, EventKind, EventReceiver, MspEvent, Scope};
use msp_core::gather::GatherSpec;
use msp_core::id::{AddressId, CallKey, PayloadType};
use msp_core::link::{ControlLink, Envelope, MspEnd, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{Direction, MediaKind, MediaKinds};
use msp_core::params::{CodecSpec, LocalAddress, MediaParams, PayloadMapping};
use msp_core::provider::{
    Address, Call, Capabilities, MediaCallState, OpenAddress, Provider, Stream,
};
use msp_core::registry::{TerminalClassInfo, TerminalSpec};
use msp_core::terminal::{Terminal, TerminalClass};
use msp_core::time::ClockRate;

/// The discard port (RFC 863), where nobody hears.
const DISCARD: u16 = 9;

/// A provider whose calls have no streams and no ports. It agrees to every offer that has G.711, names the discard port,
/// and is silent: for load on the signalling half alone, and for machines without sound.
#[derive(Clone, Debug)]
pub struct NoMedia {
    address: IpAddr,
}

impl NoMedia {
    /// A provider that tells peers to send to port 9 of `address`.
    pub const fn new(address: IpAddr) -> Self {
        Self { address }
    }
}

impl Provider for NoMedia {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "none",
            kinds: MediaKinds::AUDIO,
            max_terminals: 0,
            max_streams: 0,
        }
    }

    fn open(&self, name: &str) -> Result<OpenAddress> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let (tsp, msp) = ControlLink::pair(ControlLink::CAPACITY);
        let line = Arc::new(Line {
            id: AddressId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: name.into(),
            address: SocketAddr::new(self.address, DISCARD),
            bus: EventBus::default(),
            state: Mutex::new(State {
                link: Some(msp),
                calls: HashSet::new(),
            }),
        });
        let answering = Arc::downgrade(&line);
        if let Some(link) = &line.lock().link {
            // Nothing takes time here: each message is answered on the thread that sends it.
            link.receiver.set_wake(move || {
                if let Some(line) = answering.upgrade() {
                    line.answer();
                }
            });
        }
        Ok(OpenAddress {
            address: Arc::new(Handle(line)),
            link: tsp,
        })
    }
}

struct Line {
    id: AddressId,
    name: Box<str>,
    address: SocketAddr,
    bus: EventBus,
    state: Mutex<State>,
}

struct State {
    /// Gone once the address is closed.
    link: Option<MspEnd>,
    calls: HashSet<CallKey>,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self) {
        let state = self.lock();
        let Some(link) = &state.link else { return };
        while let Ok(Some(message)) = link.receiver.try_recv() {
            let Envelope {
                call,
                leg,
                generation,
                body,
            } = message;
            let body = match state.calls.contains(&call) {
                true => self.obey(call, &body),
                false => Some(ToTsp::Refused(Error::new(
                    ErrorKind::InvalidCall,
                    format!("call {call}"),
                ))),
            };
            if let Some(body) = body {
                // A half that is gone, or does not read, is its own loss.
                let _unheard = link.sender.send(Envelope {
                    call,
                    leg,
                    generation,
                    body,
                });
            }
        }
    }

    fn obey(&self, call: CallKey, message: &ToMsp) -> Option<ToTsp> {
        match message {
            ToMsp::Digit { digit, .. } => {
                self.bus.emit(&MspEvent {
                    at: crate::phone::Shared::now(),
                    scope: Scope::call(self.id, call),
                    kind: EventKind::Digit(*digit),
                    cause: Cause::RemoteRequest,
                    error: None,
                });
                None
            }
            ToMsp::Prepare { slots, .. } => {
                Some(ToTsp::Local(slots.iter().map(|s| self.local(s)).collect()))
            }
            ToMsp::Apply { .. } => Some(ToTsp::Applied),
            _ => None,
        }
    }

    fn local(&self, slot: &PrepareSlot) -> MediaParams {
        let mapping = |number, name| PayloadMapping {
            payload_type: PayloadType(number),
            codec: CodecSpec::mono(name, ClockRate::HZ_8000),
            parameters: None,
        };
        MediaParams {
            direction: slot.direction,
            profile: slot.profile,
            receive: vec![
                mapping(0, "PCMU"),
                mapping(8, "PCMA"),
                mapping(101, "telephone-event"),
            ],
            local: Some(LocalAddress {
                bound: self.address,
                advertised: self.address,
            }),
            ..MediaParams::new(slot.slot, slot.kind)
        }
    }
}

struct Handle(Arc<Line>);

impl Address for Handle {
    fn id(&self) -> AddressId {
        self.0.id
    }

    fn name(&self) -> &str {
        &self.0.name
    }

    fn kinds(&self) -> MediaKinds {
        MediaKinds::AUDIO
    }

    fn static_terminals(&self) -> Vec<Arc<dyn Terminal>> {
        Vec::new()
    }

    fn default_terminal(&self, _: MediaKind, _: Direction) -> Option<Arc<dyn Terminal>> {
        None
    }

    fn terminal_classes(&self) -> Vec<TerminalClassInfo> {
        Vec::new()
    }

    fn create_terminal(
        &self,
        class: &TerminalClass,
        _: &TerminalSpec,
    ) -> Result<Arc<dyn Terminal>> {
        Err(Error::new(ErrorKind::InvalidTerminalClass, class.as_str()))
    }

    fn create_call(&self, key: CallKey, kinds: MediaKinds) -> Result<Arc<dyn Call>> {
        if kinds != MediaKinds::AUDIO {
            return Err(Error::new(
                ErrorKind::InvalidMediaType,
                format!("{kinds:?}"),
            ));
        }
        let mut state = self.0.lock();
        if state.link.is_none() {
            return Err(Error::new(ErrorKind::Closed, &*self.0.name));
        }
        if !state.calls.insert(key) {
            return Err(Error::new(ErrorKind::CallExists, format!("call {key}")));
        }
        Ok(Arc::new(Silent {
            line: self.0.clone(),
            key,
        }))
    }

    fn subscribe(&self, filter: EventFilter) -> EventReceiver {
        self.0.bus.subscribe(filter, EventBus::CAPACITY)
    }

    fn close(&self) {
        let mut state = self.0.lock();
        // The signalling half is woken by its end: outside of the lock, for it may answer at once.
        let link = state.link.take();
        state.calls.clear();
        drop(state);
        drop(link);
        self.0.bus.close();
    }
}

/// A call without streams.
struct Silent {
    line: Arc<Line>,
    key: CallKey,
}

impl Call for Silent {
    fn key(&self) -> CallKey {
        self.key
    }

    fn state(&self) -> MediaCallState {
        match self.line.lock().calls.contains(&self.key) {
            true => MediaCallState::Idle,
            false => MediaCallState::Disconnected,
        }
    }

    fn streams(&self) -> Vec<Arc<dyn Stream>> {
        Vec::new()
    }

    fn gather(&self, _: GatherSpec) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "gathering digits"))
    }

    fn cancel_gathering(&self) {}

    fn close(&self) {
        self.line.lock().calls.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use crate::{NoMedia, Phone};

    // Shows: calls without media: a provider that carries nothing agrees and stays silent
    #[tokio::test]
    async fn two_phones_without_media_call_each_other() {
        let open = || {
            let builder = Phone::builder().bind((Ipv4Addr::LOCALHOST, 0).into());
            builder
                .provider(std::sync::Arc::new(NoMedia::new(
                    Ipv4Addr::LOCALHOST.into(),
                )))
                .start()
        };
        let (alice, bob) = (open().await.unwrap(), open().await.unwrap());
        let call = alice
            .dial(&format!("sip:bob@{}", bob.local_addr()))
            .await
            .unwrap();
        let taken = tokio::time::timeout(Duration::from_secs(10), bob.next_call())
            .await
            .unwrap()
            .unwrap();
        taken.answer().await.unwrap();
        call.connected().await.unwrap();
        assert!(call.media().streams().is_empty() && call.codec().is_none());
        call.hang_up().await.unwrap();
        taken.ended().await.unwrap();
        alice.close().await;
        bob.close().await;
    }
}
