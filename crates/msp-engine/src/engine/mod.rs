//! The provider: an engine with its threads, and the handles that applications hold.

mod handles;
#[cfg(target_os = "linux")]
mod threads;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use ahash::AHashMap;
use msp_core::event::EventBus;
use msp_core::id::AddressId;
use msp_core::link::{ControlLink, Envelope, MspEnd, ToMsp, ToTsp};
use msp_core::media::MediaKinds;
use msp_core::provider::{Capabilities, OpenAddress, Provider};
use msp_core::time::Instant;
use msp_core::trace::{Trace, TraceBody};
use msp_core::{Error, ErrorKind, Result};

use crate::clock::Clock;
#[cfg(target_os = "linux")]
use crate::clock::SystemClock;
use crate::config::EngineConfig;
use crate::control::{ControlCore, ControlInput, Line, MAX_TERMINALS};
use crate::driver::control_runner::Pump;
use crate::random::Random;
#[cfg(target_os = "linux")]
use crate::random::SystemRandom;
use crate::shard::Load;
use handles::AddressHandle;

/// Streams that a call has at most: one each way of each kind that is carried.
const MAX_STREAMS: usize = 2;

/// What an engine's handles and its drivers share.
pub(crate) struct Shared {
    pub(crate) core: ControlCore,
    pub(crate) clock: Arc<dyn Clock>,
    inputs: Sender<ControlInput>,
    links: Mutex<Links>,
    ready: Arc<Mutex<Vec<AddressId>>>,
    pump: OnceLock<Weak<dyn Pump>>,
    closed: AtomicBool,
    unheard: AtomicU64,
}

#[derive(Default)]
struct Links {
    ends: AHashMap<AddressId, MspEnd>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// What is shared, and where inputs from other threads come out.
    pub(crate) fn new(
        config: EngineConfig,
        clock: Arc<dyn Clock>,
        random: Box<dyn Random>,
        loads: Vec<Arc<Load>>,
    ) -> (Arc<Self>, Receiver<ControlInput>) {
        let (inputs, receiver) = channel();
        let shared = Self {
            core: ControlCore::new(config, clock.wall(), random, loads),
            clock,
            inputs,
            links: Mutex::default(),
            ready: Arc::default(),
            pump: OnceLock::new(),
            closed: AtomicBool::new(false),
            unheard: AtomicU64::new(0),
        };
        (Arc::new(shared), receiver)
    }

    /// From now on handles wake this.
    pub(crate) fn set_pump(&self, pump: &Arc<dyn Pump>) {
        // Called once, when the engine is put together.
        let _first = self.pump.set(Arc::downgrade(pump));
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.core.config().trace
    }

    /// The next message of any signalling half.
    pub(crate) fn next_message(&self) -> Option<(AddressId, Envelope<ToMsp>)> {
        loop {
            let address = *lock(&self.ready).first()?;
            if let Some(message) = self.receive(address) {
                return Some((address, message));
            }
            let mut ready = lock(&self.ready);
            // Somebody may have sent between the look into the link and here: look once more before it is forgotten.
            ready.retain(|a| *a != address);
            drop(ready);
            if let Some(message) = self.receive(address) {
                mark(&self.ready, address);
                return Some((address, message));
            }
        }
    }

    fn receive(&self, address: AddressId) -> Option<Envelope<ToMsp>> {
        let links = lock(&self.links);
        links.ends.get(&address)?.receiver.try_recv().ok().flatten()
    }

    /// Tells the signalling half of an address.
    pub(crate) fn reply(&self, now: Instant, address: AddressId, message: Envelope<ToTsp>) {
        let call = message.call;
        // Sending wakes the other half: not under our lock.
        let sender = lock(&self.links)
            .ends
            .get(&address)
            .map(|e| e.sender.clone());
        if let Some(Err(error)) = sender.map(|s| s.send(message)) {
            // A half that does not read what it is told is its own loss: it is counted, and calls go on.
            self.unheard.fetch_add(1, Ordering::Relaxed);
            // One that is gone misses nothing.
            if error.kind() != ErrorKind::Closed {
                self.trace().record(now, Some(call), || {
                    TraceBody::Note(format!("signalling was not told: {error}").into())
                });
            }
        }
    }

    /// Hands an input to the control core's thread, from any thread.
    pub(crate) fn post(&self, input: ControlInput) {
        if self.inputs.send(input).is_ok() {
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(pump) = self.pump.get().and_then(Weak::upgrade) {
            pump.wake();
        }
    }

    /// Has the control thread see to what the core wants done, if there is anything.
    pub(crate) fn wake_for_outputs(&self) {
        if self.core.has_output() {
            self.wake();
        }
    }

    /// Has everything done that is to be done now, before this returns.
    pub(crate) fn run(&self) {
        if let Some(pump) = self.pump.get().and_then(Weak::upgrade) {
            pump.run();
        }
    }

    fn open(self: &Arc<Self>, name: &str) -> Result<OpenAddress> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "engine"));
        }
        let (tsp, msp) = ControlLink::pair(ControlLink::CAPACITY);
        let id = AddressId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (ready, shared) = (Arc::clone(&self.ready), Arc::downgrade(self));
        msp.receiver.set_wake(move || {
            if mark(&ready, id)
                && let Some(shared) = shared.upgrade()
            {
                shared.wake();
            }
        });
        let watching = Arc::downgrade(self);
        let statics = self.core.config().terminals.statics();
        let line = Arc::new(Line {
            id,
            name: name.to_owned(),
            bus: EventBus::default(),
            _watch: statics.watch(move |change| {
                if let Some(shared) = watching.upgrade() {
                    shared.post(ControlInput::Static(id, change));
                }
            }),
        });
        lock(&self.links).ends.insert(id, msp);
        self.core.add_line(Arc::clone(&line));
        Ok(OpenAddress {
            address: Arc::new(AddressHandle::new(Arc::clone(self), line)),
            link: tsp,
        })
    }

    /// Ends an address: its calls are over, its events all told.
    pub(crate) fn close_line(&self, line: &Line) {
        self.core.close_line_calls(self.clock.now(), line.id);
        // What that brought about is told before the bus closes.
        self.run();
        line.bus.close();
        self.core.remove_line(line.id);
        // What goes with it wakes the other half: not under our lock.
        let end = lock(&self.links).ends.remove(&line.id);
        drop(end);
        lock(&self.ready).retain(|a| *a != line.id);
    }

    /// Ends all addresses; none can be opened any more.
    pub(crate) fn close_all(&self) {
        self.closed.store(true, Ordering::Release);
        for id in self.core.line_ids() {
            if let Some(line) = self.core.line(id) {
                self.close_line(&line);
            }
        }
    }
}

/// Notes that the link of `address` has something; whether that is news.
fn mark(ready: &Mutex<Vec<AddressId>>, address: AddressId) -> bool {
    let mut ready = lock(ready);
    let news = !ready.contains(&address);
    if news {
        ready.push(address);
    }
    news
}

/// The provider over RTP.
///
/// It has one thread for control and one for each shard. Dropping it closes it.
pub struct Engine {
    shared: Arc<Shared>,
    loads: Vec<Arc<Load>>,
    running: Box<dyn Running>,
}

/// The threads of an engine, or what stands for them.
pub(crate) trait Running: Send + Sync {
    /// Ends them, and waits until they are over. Stopping twice is nothing.
    fn stop(&self);
}

impl Engine {
    /// Starts an engine on the sockets and the clock of this machine.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] that names a setting that makes no sense, [`ErrorKind::ResourceUnavailable`] when the
    /// machine has no descriptors or threads left.
    #[cfg(target_os = "linux")]
    pub fn start(config: EngineConfig) -> Result<Self> {
        config.check()?;
        // Less than wished for is no reason not to start: what then cannot be opened is told.
        let _as_it_is = crate::sys::raise_file_limit();
        threads::start(config, Arc::new(SystemClock), Box::new(SystemRandom))
    }

    pub(crate) fn from_parts(
        shared: Arc<Shared>,
        loads: Vec<Arc<Load>>,
        running: Box<dyn Running>,
    ) -> Self {
        Self {
            shared,
            loads,
            running,
        }
    }

    /// The clock that all times of this engine are told on.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    /// How busy each media thread is.
    pub fn loads(&self) -> &[Arc<Load>] {
        &self.loads
    }

    /// Stream pairs that hold ports now.
    pub fn live_pairs(&self) -> usize {
        self.shared.core.live()
    }

    /// Pairs of ports that no call uses.
    pub fn unused_ports(&self) -> usize {
        self.shared.core.unused_ports()
    }

    /// Messages that a signalling half did not hear because its end of the link was full or gone.
    pub fn unheard_messages(&self) -> u64 {
        self.shared.unheard.load(Ordering::Relaxed)
    }

    /// Ends all calls and addresses, releases ports and ends the threads; when it returns, that has been done.
    /// Closing twice is nothing.
    pub fn close(&self) {
        self.shared.close_all();
        self.running.stop();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({} pairs)", self.live_pairs())
    }
}

impl Provider for Engine {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "rtp",
            kinds: MediaKinds::AUDIO,
            max_terminals: MAX_TERMINALS,
            max_streams: MAX_STREAMS,
        }
    }

    fn open(&self, name: &str) -> Result<OpenAddress> {
        self.shared.open(name)
    }
}
