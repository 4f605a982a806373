//! A phone: one line, the SIP provider and the media provider of its calls paired behind it.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ahash::RandomState;
use dashmap::DashMap;
use msp_core::id::CallKey;
use msp_core::media::MediaKinds;
use msp_core::params::SecurityPolicy;
use msp_core::provider::{Address, OpenAddress, Provider};
use msp_core::registry::TerminalRegistry;
use msp_core::time::Instant;
use msp_core::trace::Trace;
use msp_engine::{Clock, Engine, EngineConfig, PlayoutMode, SystemClock};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{
    CallPolicy, Caller, Command, Domain, EndCause, Ended, OptionalForm, RequestPolicy, Watchers,
};
use tsp_sip::net::{StatsReader, TlsSettings};
use tsp_sip::registrar::Location;
use tsp_sip::registration::RegistrationEvent;
use tsp_sip::subscription::{SubscriptionId, SubscriptionKind};
use tsp_sip::transaction::Timers;
use tsp_sip::transport::FlowPolicy;
use tsp_sip::wire::Host;

use crate::account::{Registration, RegistrationState};
use crate::call::{Call, CallShared, CallState};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventBus, EventKind, Events};
use crate::line::{Line, Started};
use crate::stats::{Counters, PhoneStats};
use crate::target::target_uri;

/// The account of [`PhoneBuilder::account`].
const OWN_ACCOUNT: AccountId = AccountId(0);

/// What a peer answered when it was asked what it can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCapabilities {
    /// The SIP status; 200 is the usual one.
    pub status: u16,
    /// The phrase that came with it.
    pub reason: Box<str>,
    /// The methods that the peer allows, as it wrote them.
    pub allow: Box<str>,
    /// What the peer calls itself.
    pub user_agent: Box<str>,
    /// How long the answer took.
    pub round_trip: Duration,
}

/// Settings of a phone. Get one from [`Phone::builder`].
#[derive(Clone)]
pub struct PhoneBuilder {
    pub(crate) bind: SocketAddr,
    pub(crate) advertise: Option<IpAddr>,
    pub(crate) advertise_host: Option<Host>,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) flows: FlowPolicy,
    pub(crate) user: Box<str>,
    pub(crate) codecs: Vec<Box<str>>,
    ports: Option<RangeInclusive<u16>>,
    media_timeout: Option<Duration>,
    playout: PlayoutMode,
    pub(crate) policy: CallPolicy,
    pub(crate) timers: Timers,
    pub(crate) requests: RequestPolicy,
    provider: Option<Arc<dyn Provider>>,
    pub(crate) trace: Trace,
    account: Option<Account>,
    pub(crate) domain: Option<Domain>,
}

impl Default for PhoneBuilder {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::UNSPECIFIED, 0).into(),
            advertise: None,
            advertise_host: None,
            tls: None,
            flows: FlowPolicy::default(),
            user: "tipring".into(),
            codecs: Vec::new(),
            ports: None,
            media_timeout: None,
            playout: PlayoutMode::default(),
            policy: CallPolicy::default(),
            timers: Timers::default(),
            requests: RequestPolicy::default(),
            provider: None,
            trace: Trace::OFF,
            account: None,
            domain: None,
        }
    }
}

impl PhoneBuilder {
    /// Where SIP is received, by UDP and by TCP; port 0 takes any. Media use the same address. Without this all IPv4 addresses of the
    /// machine are used, on any port.
    #[must_use]
    pub const fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// How TLS is spoken: our certificate, and whom we trust. With a certificate, connections are taken at the port after
    /// that of [`bind`](Self::bind), 5061 beside 5060, or at any if that is any. Without this, `sips:` URIs can be called
    /// at peers that the roots of the system vouch for.
    #[must_use]
    pub fn tls(mut self, settings: TlsSettings) -> Self {
        self.tls = Some(settings);
        self
    }

    /// Which ways messages take where networks differ.
    #[must_use]
    pub const fn flows(mut self, policy: FlowPolicy) -> Self {
        self.flows = policy;
        self
    }

    /// The address that peers are told instead of the bound one: the outside of a NAT.
    #[must_use]
    pub const fn advertise(mut self, address: IpAddr) -> Self {
        self.advertise = Some(address);
        self
    }

    /// The host name that SIP peers are told instead of any address, for trunks that know us by the name in our certificate,
    /// such as Microsoft Teams. They have to find us by it. Media stay at addresses: those of [`advertise`](Self::advertise).
    #[must_use]
    pub fn advertise_host(mut self, host: Host) -> Self {
        self.advertise_host = Some(host);
        self
    }

    /// Whether media may, should or must be encrypted, with keys in the signalling (RFC 4568). Without this they never are.
    /// Keys are written only into messages that nobody on the way can read; where there is no such way, what should be
    /// encrypted is not, and what must be fails. [`msp_core::event::EventKind::Secured`] tells what came of it.
    #[must_use]
    pub const fn security(mut self, policy: SecurityPolicy) -> Self {
        self.policy.security.policy = policy;
        self
    }

    /// Keys are also written into messages that anybody on the way can read. Who reads them can hear the call.
    #[must_use]
    pub const fn keys_in_clear(mut self, insist: bool) -> Self {
        self.policy.security.keys_in_clear = insist;
        self
    }

    /// How keys are offered that a peer need not take.
    #[must_use]
    pub const fn optional_keys(mut self, form: OptionalForm) -> Self {
        self.policy.security.optional = form;
        self
    }

    /// The user part of our own URI.
    #[must_use]
    pub fn user(mut self, user: impl Into<Box<str>>) -> Self {
        self.user = user.into();
        self
    }

    /// The codecs to use, the preferred first; all of them without this. Not for a provider of your own.
    #[must_use]
    pub fn codecs(mut self, names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.codecs = names.into_iter().map(Into::into).collect();
        self
    }

    /// The UDP ports for media. Not for a provider of your own.
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = Some(ports);
        self
    }

    /// After how long without any sound of the peer its stream counts as gone and the phone hangs up, with
    /// [`EndCause::Media`]; never without this. Not for a provider of your own.
    #[must_use]
    pub const fn media_timeout(mut self, timeout: Duration) -> Self {
        self.media_timeout = Some(timeout);
        self
    }

    /// What is done about a network whose delay varies: to adapt, unless this says something else.
    #[must_use]
    pub const fn playout(mut self, mode: PlayoutMode) -> Self {
        self.playout = mode;
        self
    }

    /// How long SIP waits and how often it tries, instead of what RFC 3261 table 4 says for the open Internet: shorter on
    /// a network of one's own, where finished calls are forgotten sooner then.
    #[must_use]
    pub const fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// How calls are made, answered, held, changed and encrypted, whatever was said of that before.
    #[must_use]
    pub fn policy(mut self, policy: CallPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Who may subscribe to the state of our calls (RFC 4235), as busy lamps do; without this those that come by the provider
    /// of an account.
    #[must_use]
    pub fn watchers(mut self, watchers: Watchers) -> Self {
        self.requests.watching.who = watchers;
        self
    }

    /// Who carries the media, instead of an engine of the phone's own.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The account that calls are made for: the name in From, the proxy, and what proves it. It is not registered without
    /// [`Phone::register`].
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// The domain that is served: its users register here, and only they may call.
    #[must_use]
    pub(crate) fn domain(mut self, domain: Domain) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Who gets to know everything that happens.
    #[must_use]
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = trace;
        self
    }

    /// The engine that a phone of these settings has if it is given no provider.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidSetting`] for an unknown codec or an impossible range of ports, [`ErrorKind::Media`] when the
    /// engine cannot start.
    pub fn engine(&self) -> Result<Engine> {
        let terminals = TerminalRegistry::default();
        msp_terminals::register_all(&terminals)?;
        let mut config = EngineConfig::default()
            .bind(vec![self.bind.ip()])
            .terminals(terminals)
            .media_timeout(self.media_timeout)
            .playout(self.playout)
            .trace(self.trace.clone());
        if let Some(advertise) = self.advertise {
            config = config.advertise(vec![advertise]);
        }
        if let Some(ports) = &self.ports {
            config = config.ports(ports.clone());
        }
        let invalid = |e| Error::new(ErrorKind::InvalidSetting, "").caused_by(e);
        if !self.codecs.is_empty() {
            config
                .set("codecs", &self.codecs.join(","))
                .map_err(invalid)?;
        }
        Engine::start(config).map_err(|e| match e.kind() {
            msp_core::ErrorKind::InvalidArgument => invalid(e),
            _ => e.into(),
        })
    }

    /// Opens the phone.
    ///
    /// # Errors
    /// [`ErrorKind::PortInUse`] when a SIP address cannot be bound, [`ErrorKind::InvalidSetting`] with what is wrong with
    /// which file of TLS, else those of [`engine`](Self::engine).
    pub async fn start(self) -> Result<Phone> {
        let (provider, engine) = match &self.provider {
            Some(provider) => (provider.clone(), None),
            None => {
                let engine = Arc::new(self.engine()?);
                (engine.clone() as Arc<dyn Provider>, Some(engine))
            }
        };
        let OpenAddress { address, link } = provider.open(&self.user)?;
        let (commands, commanded) = mpsc::unbounded_channel();
        let own = self.account.as_ref().map(|_| OWN_ACCOUNT);
        let shared = Arc::new(Shared {
            address,
            account: own,
            located: DashMap::with_hasher(RandomState::new()),
            registrations: DashMap::with_hasher(RandomState::new()),
            commands: Mutex::new(Some(commands)),
            calls: DashMap::with_hasher(RandomState::new()),
            subscriptions: DashMap::with_hasher(RandomState::new()),
            asked: DashMap::with_hasher(RandomState::new()),
            bus: EventBus::default(),
            incoming: Incoming::default(),
            counters: Counters::default(),
            over: AtomicBool::new(false),
        });
        if let Some(account) = &self.account {
            let account = Box::new(account.clone());
            shared.command(Command::AddAccount(OWN_ACCOUNT, account))?;
        }
        let (ready, started) = oneshot::channel();
        let line = Line {
            builder: self,
            shared: shared.clone(),
            link,
            commanded,
        };
        let thread = std::thread::Builder::new()
            .name("tipring-sip".into())
            .spawn(move || line.run(ready))
            .map_err(|e| Error::new(ErrorKind::Media, "signalling thread").caused_by(e))?;
        let Started {
            local,
            tls_port,
            stats,
        } = started
            .await
            .map_err(|_| Error::new(ErrorKind::Closed, "signalling thread"))??;
        Ok(Phone {
            shared,
            local,
            tls_port,
            stats,
            engine,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl fmt::Debug for PhoneBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhoneBuilder")
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}

/// How a call comes about.
#[derive(Default)]
pub(crate) struct How {
    /// How many more hops it may take, if it came in.
    pub(crate) hops: u8,
    /// What dials it, if it is ours.
    pub(crate) dial: Option<Command>,
    /// Who calls, if it came in.
    pub(crate) caller: Option<Box<Caller>>,
}

/// What a phone, its calls and its signalling thread share.
pub(crate) struct Shared {
    pub(crate) address: Arc<dyn Address>,
    /// The account that calls are made for.
    pub(crate) account: Option<AccountId>,
    /// Where the users of the domain that we serve are reached.
    located: DashMap<Box<str>, Vec<Location>, RandomState>,
    registrations: DashMap<AccountId, watch::Sender<RegistrationState>, RandomState>,
    /// Gone once the phone is closed.
    commands: Mutex<Option<mpsc::UnboundedSender<Command>>>,
    calls: DashMap<CallKey, Arc<CallShared>, RandomState>,
    pub(crate) subscriptions:
        DashMap<SubscriptionId, broadcast::Sender<SubscriptionKind>, RandomState>,
    asked: DashMap<CallKey, oneshot::Sender<Result<PeerCapabilities>>, RandomState>,
    pub(crate) bus: EventBus,
    incoming: Incoming,
    pub(crate) counters: Counters,
    /// The signalling thread has ended.
    over: AtomicBool,
}

/// Calls that came in and that nobody has taken with [`Phone::next_call`] yet. Who takes them by their events instead
/// leaves them here, so there are only so many: the oldest goes, as a key without effect on its call.
#[derive(Default)]
struct Incoming {
    keys: Mutex<VecDeque<CallKey>>,
    arrived: Notify,
}

impl Incoming {
    const CAPACITY: usize = 256;

    /// Whether the oldest had to go.
    fn push(&self, key: CallKey) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let full = keys.len() >= Self::CAPACITY;
        if full {
            keys.pop_front();
        }
        keys.push_back(key);
        drop(keys);
        self.arrived.notify_one();
        full
    }

    fn pop(&self) -> Option<CallKey> {
        self.keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

impl Shared {
    pub(crate) fn command(&self, command: Command) -> Result<()> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = commands.as_ref().and_then(|c| c.send(command).ok());
        sent.ok_or_else(|| Error::new(ErrorKind::Closed, "phone"))
    }

    pub(crate) fn events(&self, call: Option<CallKey>) -> Events {
        Events(self.bus.subscribe(call, EventBus::CAPACITY))
    }

    pub(crate) fn now() -> Instant {
        SystemClock.now()
    }

    /// Makes the media half of a call and keeps both together.
    pub(crate) fn create_call(
        &self,
        key: CallKey,
        peer: &str,
        called: &str,
        how: How,
    ) -> Result<Arc<CallShared>> {
        let media = self.address.create_call(key, MediaKinds::AUDIO)?;
        let state = watch::Sender::new(CallState::Dialing);
        let call = Arc::new(CallShared {
            key,
            peer: peer.into(),
            referred: Mutex::new(None),
            replaces: Mutex::new(None),
            called: called.into(),
            hops: how.hops,
            caller: how.caller,
            dial: Mutex::new(how.dial),
            state,
            media,
        });
        self.calls.insert(key, call.clone());
        Ok(call)
    }

    pub(crate) fn call(&self, key: CallKey) -> Option<Arc<CallShared>> {
        self.calls.get(&key).map(|c| c.value().clone())
    }

    /// A call that is over: handles keep it alive, the phone does not.
    pub(crate) fn forget_call(&self, key: CallKey) -> Option<Arc<CallShared>> {
        let (_, call) = self.calls.remove(&key)?;
        call.media.close();
        Some(call)
    }

    /// A user of the domain that we serve is reached elsewhere.
    pub(crate) fn locations_changed(&self, user: Box<str>, locations: Vec<Location>) {
        if locations.is_empty() {
            self.located.remove(&user);
        } else {
            self.located.insert(user, locations);
        }
    }

    /// Something happened to a registration.
    pub(crate) fn registration_changed(&self, event: RegistrationEvent) {
        if let Some(state) = self.registrations.get(&event.account) {
            state.send_replace(RegistrationState::of(event.kind));
        }
    }

    pub(crate) fn offer_incoming(&self, key: CallKey) {
        if self.incoming.push(key) {
            self.counters.count_unclaimed();
        }
    }

    /// Ends a call that the signalling half does not know, or knows no more.
    pub(crate) fn end_call(&self, key: CallKey, cause: EndCause, reason: &str) {
        let Some(call) = self.forget_call(key) else {
            return;
        };
        let ended = Ended {
            cause,
            status: None,
            reason: reason.into(),
        };
        call.state.send_replace(CallState::Ended(ended.clone()));
        let kind = EventKind::Ended(ended);
        self.bus.emit(&Event {
            at: Self::now(),
            call: Some(key),
            kind,
        });
    }

    /// The signalling thread has ended: so has everything that waits for it.
    pub(crate) fn line_ended(&self) {
        self.over.store(true, Ordering::Release);
        drop(
            self.commands
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let keys: Vec<CallKey> = self.calls.iter().map(|c| *c.key()).collect();
        for key in keys {
            self.end_call(key, EndCause::Unreachable, "the phone was closed");
        }
        // Dropping who would answer tells those who asked.
        self.asked.clear();
        self.registrations.clear();
        self.subscriptions.clear();
        self.incoming.arrived.notify_waiters();
        self.incoming.arrived.notify_one();
        self.bus.close();
    }

    pub(crate) fn answer_asked(&self, key: CallKey, answer: Result<PeerCapabilities>) {
        if let Some((_, waiting)) = self.asked.remove(&key) {
            // Whoever asked may have gone.
            let _unheard = waiting.send(answer);
        }
    }

    /// A key that no other call of this process has: phones may share a provider.
    pub(crate) fn take_key() -> CallKey {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        CallKey(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A phone that is open. Its signalling has a thread of its own, so it works under any runtime and under none.
pub struct Phone {
    pub(crate) shared: Arc<Shared>,
    local: SocketAddr,
    tls_port: Option<u16>,
    stats: StatsReader,
    engine: Option<Arc<Engine>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Phone {
    /// A phone of the usual settings: any IPv4 address, any port, every codec.
    ///
    /// # Errors
    /// Those of [`PhoneBuilder::start`].
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Settings, to be changed before the phone is opened.
    pub fn builder() -> PhoneBuilder {
        PhoneBuilder::default()
    }

    /// Where SIP is received.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Where connections with TLS are taken, if they are.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_port
            .map(|port| SocketAddr::new(self.local.ip(), port))
    }

    /// The media half's address, for everything that the phone has no shortcut for.
    pub fn address(&self) -> &Arc<dyn Address> {
        &self.shared.address
    }

    /// Calls somebody: `sip:user@host:port`, or `user@host`, or just a host. The call rings in the background; wait with
    /// [`Call::connected`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`], [`ErrorKind::Media`], [`ErrorKind::Closed`].
    pub async fn dial(&self, target: &str) -> Result<Call> {
        let call = self.prepare(target)?;
        call.place()?;
        Ok(call)
    }

    /// Makes a call that is not dialled yet, so that terminals can be selected before: [`Call::place`] dials.
    ///
    /// # Errors
    /// Those of [`dial`](Self::dial).
    pub fn prepare(&self, target: &str) -> Result<Call> {
        let to = target_uri(target)?;
        let key = Shared::take_key();
        let account = self.shared.account;
        let peer = Box::from(to.as_str());
        self.prepared(key, &peer, Command::Dial { key, to, account })
    }

    /// Makes a call to a user of the domain that we serve, as `account`, that may take so many `hops` more.
    pub(crate) fn prepare_location(
        &self,
        location: Location,
        account: Option<AccountId>,
        hops: u8,
    ) -> Result<Call> {
        let key = Shared::take_key();
        let peer = Box::from(location.uri.as_str());
        let dial = Command::DialLocation {
            key,
            location: Box::new(location),
            account,
            hops,
        };
        self.prepared(key, &peer, dial)
    }

    fn prepared(&self, key: CallKey, peer: &str, dial: Command) -> Result<Call> {
        let how = How {
            dial: Some(dial),
            ..How::default()
        };
        let shared = self.shared.create_call(key, peer, peer, how)?;
        Ok(Call {
            shared,
            phone: self.shared.clone(),
        })
    }

    /// Where a user of the domain that we serve is reached, the preferred first.
    pub(crate) fn located(&self, user: &str) -> Vec<Location> {
        let located = self.shared.located.get(user);
        located.map(|l| l.value().clone()).unwrap_or_default()
    }

    /// Refuses all calls from now on, with 503; those that there are go on.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn refuse_calls(&self) -> Result<()> {
        self.shared.command(Command::RefuseCalls)
    }

    /// Has an account that is not registered.
    pub(crate) fn add_account(&self, account: Account) -> Result<AccountId> {
        let id = next_account();
        let add = Command::AddAccount(id, account.into());
        self.shared.command(add)?;
        Ok(id)
    }

    /// Registers an account and keeps it registered until the phone is closed.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn register(&self, account: Account) -> Result<Registration> {
        let id = next_account();
        let (state, watch) = watch::channel(RegistrationState::Registering);
        self.shared.registrations.insert(id, state);
        self.shared
            .command(Command::AddAccount(id, account.into()))?;
        self.shared.command(Command::Register(id))?;
        Ok(Registration {
            account: id,
            phone: self.shared.clone(),
            state: watch,
        })
    }

    /// The next call that came in and still lives; `None` once the phone is closed. Nothing is answered by itself.
    pub async fn next_call(&self) -> Option<Call> {
        loop {
            let arrived = self.shared.incoming.arrived.notified();
            while let Some(key) = self.shared.incoming.pop() {
                if let Some(call) = self.call(key) {
                    return Some(call);
                }
            }
            if self.shared.over.load(Ordering::Acquire) {
                return None;
            }
            arrived.await;
        }
    }

    /// Asks a peer what it can do.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`], [`ErrorKind::Unresolvable`], [`ErrorKind::Unreachable`], [`ErrorKind::NoAnswer`],
    /// [`ErrorKind::Closed`].
    pub async fn options(&self, target: &str) -> Result<PeerCapabilities> {
        let to = target_uri(target)?;
        let key = Shared::take_key();
        let (answer, answered) = oneshot::channel();
        self.shared.asked.insert(key, answer);
        self.shared.command(Command::Options {
            key,
            to,
            account: self.shared.account,
        })?;
        answered
            .await
            .map_err(|_| Error::new(ErrorKind::Closed, "phone"))?
    }

    /// The events of the phone and all its calls from now on.
    pub fn events(&self) -> Events {
        self.shared.events(None)
    }

    /// A call that lives, by its key.
    pub fn call(&self, key: CallKey) -> Option<Call> {
        let shared = self.shared.call(key)?;
        Some(Call {
            shared,
            phone: self.shared.clone(),
        })
    }

    /// How many calls live.
    pub fn calls(&self) -> usize {
        self.shared.calls.len()
    }

    /// What was taken, refused and dropped so far, each with its reason.
    pub fn stats(&self) -> PhoneStats {
        self.shared.counters.with(self.stats.read())
    }

    /// Ends all calls, says goodbye to their peers, and releases everything. After it returns no event arrives any more.
    pub async fn close(self) {
        let thread = self.stop();
        if let Some(thread) = thread {
            let (done, ended) = oneshot::channel();
            // Joining blocks; the signalling thread ends after the last goodbye was answered or timed out.
            let waiter = std::thread::spawn(move || {
                let _panicked = thread.join();
                let _unheard = done.send(());
            });
            let _lost = ended.await;
            let _panicked = waiter.join();
        }
        self.shared.address.close();
        if let Some(engine) = &self.engine {
            engine.close();
        }
    }

    /// Lets go of the command channel: the signalling thread ends its calls and then itself.
    fn stop(&self) -> Option<JoinHandle<()>> {
        drop(
            self.shared
                .commands
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl Drop for Phone {
    /// Ends all calls and says goodbye to their peers in the background; [`close`](Phone::close) waits for it.
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({}, {} calls)", self.local, self.calls())
    }
}

/// A number that no other account of this process has.
fn next_account() -> AccountId {
    static NEXT: AtomicU32 = AtomicU32::new(OWN_ACCOUNT.0 + 1);
    AccountId(NEXT.fetch_add(1, Ordering::Relaxed))
}
