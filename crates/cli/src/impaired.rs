//! A provider whose media cross a bad network: it stands between a signalling half and the real provider and
//! puts a proxy in the path of each stream pair.
//!
//! Both halves see plain addresses and know nothing of it: the address that is advertised becomes the proxy's, and so
//! does the peer's address when it is applied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::CallKey;
use msp_core::link::{ControlLink, Envelope, MspEnd, ToMsp, ToTsp, TspEnd};
use msp_core::params::{MediaParams, MediaSlot};
use msp_core::provider::{Capabilities, OpenAddress, Provider};
use netsim::proxy::{ProxyConfig, UdpProxy};
use netsim::{Impairment, PathStats};

/// The provider with a bad network in front of it.
pub(crate) struct ImpairedProvider {
    inner: Arc<dyn Provider>,
    network: Arc<Network>,
    relays: Mutex<Vec<Arc<Relay>>>,
}

/// The proxies of all calls, and what they did.
pub(crate) struct Network {
    impairment: Impairment,
    seed: u64,
    proxies: Mutex<HashMap<(CallKey, MediaSlot, Flow), UdpProxy>>,
}

/// What crosses a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Flow {
    Rtp,
    Rtcp,
}

/// What the network did to the RTP of all calls, seen from the provider.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NetworkReport {
    /// To the peer.
    pub(crate) sent: PathStats,
    /// From the peer.
    pub(crate) received: PathStats,
}

impl ImpairedProvider {
    pub(crate) fn new(inner: Arc<dyn Provider>, impairment: Impairment, seed: u64) -> Self {
        let network = Network {
            impairment,
            seed,
            proxies: Mutex::default(),
        };
        Self {
            inner,
            network: Arc::new(network),
            relays: Mutex::default(),
        }
    }

    pub(crate) fn network(&self) -> Arc<Network> {
        self.network.clone()
    }
}

impl Provider for ImpairedProvider {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn open(&self, name: &str) -> Result<OpenAddress> {
        let OpenAddress { address, link } = self.inner.open(name)?;
        let (outer, facing_tsp) = ControlLink::pair(ControlLink::CAPACITY);
        let relay = Relay::start(link, facing_tsp, self.network.clone());
        self.relays
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(relay);
        Ok(OpenAddress {
            address,
            link: outer,
        })
    }
}

/// Moves messages both ways and rewrites addresses on the way; woken by each message, it has no thread.
struct Relay {
    ends: Mutex<Ends>,
    network: Arc<Network>,
}

struct Ends {
    facing_msp: TspEnd,
    facing_tsp: MspEnd,
}

impl Relay {
    fn start(facing_msp: TspEnd, facing_tsp: MspEnd, network: Arc<Network>) -> Arc<Self> {
        let relay = Arc::new(Self {
            ends: Mutex::new(Ends {
                facing_msp,
                facing_tsp,
            }),
            network,
        });
        // Weak, for the ends that the relay owns keep these alive.
        let pump = |relay: Weak<Self>| {
            move || {
                if let Some(relay) = relay.upgrade() {
                    relay.pump();
                }
            }
        };
        {
            let ends = relay.ends.lock().unwrap_or_else(PoisonError::into_inner);
            ends.facing_msp
                .receiver
                .set_wake(pump(Arc::downgrade(&relay)));
            ends.facing_tsp
                .receiver
                .set_wake(pump(Arc::downgrade(&relay)));
        }
        relay.pump();
        relay
    }

    fn pump(&self) {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(Some(message)) = ends.facing_tsp.receiver.try_recv() {
            self.down(&ends, message);
        }
        while let Ok(Some(message)) = ends.facing_msp.receiver.try_recv() {
            self.up(&ends, message);
        }
    }

    fn down(&self, ends: &Ends, mut message: Envelope<ToMsp>) {
        let (call, leg, generation) = (message.call, message.leg, message.generation);
        if let ToMsp::Apply { params, .. } = &mut message.body {
            for p in params.iter_mut().filter(|p| !p.refused) {
                self.network.aim(call, p);
            }
        }
        if let Err(error) = ends.facing_msp.sender.send(message) {
            let body = ToTsp::Refused(error);
            // Both directions of the link failing means that nobody is left to hear of it.
            let _unheard = ends.facing_tsp.sender.send(Envelope {
                call,
                leg,
                generation,
                body,
            });
        }
    }

    fn up(&self, ends: &Ends, mut message: Envelope<ToTsp>) {
        if let ToTsp::Local(params) = &mut message.body {
            let placed = params
                .iter_mut()
                .try_for_each(|p| self.network.place(message.call, p));
            if let Err(error) = placed {
                message.body = ToTsp::Refused(error);
            }
        }
        // A signalling half that is gone hears nothing; its calls end with its address.
        let _unheard = ends.facing_tsp.sender.send(message);
    }
}

impl Network {
    /// Puts proxies where `params` receive and advertises those.
    fn place(&self, call: CallKey, params: &mut MediaParams) -> Result<()> {
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        let locals = [
            (Flow::Rtp, params.local.as_mut()),
            (Flow::Rtcp, params.rtcp.local.as_mut()),
        ];
        for (flow, local) in locals {
            let Some(local) = local else { continue };
            let key = (call, params.slot, flow);
            if let Entry::Vacant(entry) = proxies.entry(key) {
                entry.insert(self.proxy(flow, local.bound)?);
            }
            if let Some(proxy) = proxies.get(&key) {
                local.advertised = proxy.listen_b();
            }
        }
        Ok(())
    }

    fn proxy(&self, flow: Flow, receiver: SocketAddr) -> Result<UdpProxy> {
        let impairment = match flow {
            Flow::Rtp => self.impairment,
            // Reports are how both ends learn of the loss: they cross unharmed.
            Flow::Rtcp => Impairment::PERFECT,
        };
        let config = ProxyConfig {
            target_a: Some(receiver),
            a_to_b: impairment,
            b_to_a: impairment,
            seed: self.seed,
            ..ProxyConfig::on(receiver.ip())
        };
        UdpProxy::start(config).map_err(|e| {
            Error::new(
                ErrorKind::ResourceUnavailable,
                format!("network proxy: {e}"),
            )
        })
    }

    /// Aims the proxies of a pair at the peer, and the pair at the proxies.
    fn aim(&self, call: CallKey, params: &mut MediaParams) {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = params.slot;
        for (flow, remote) in [
            (Flow::Rtp, params.remote.as_mut()),
            (Flow::Rtcp, params.rtcp.remote.as_mut()),
        ] {
            let Some(remote) = remote else { continue };
            if let Some(proxy) = proxies.get(&(call, slot, flow))
                && proxy.set_target_b(*remote).is_ok()
            {
                *remote = proxy.listen_a();
            }
        }
    }

    /// What the RTP of all calls met so far.
    pub(crate) fn report(&self) -> NetworkReport {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = NetworkReport::default();
        for (_, proxy) in proxies
            .iter()
            .filter(|((_, _, flow), _)| *flow == Flow::Rtp)
        {
            let crossed = proxy.report();
            report.sent += crossed.a_to_b;
            report.received += crossed.b_to_a;
        }
        report
    }
}
