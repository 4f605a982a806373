//! Runs the control core: brings it messages and reports, opens and closes ports for it, tells what comes out.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use msp_core::params::LocalAddress;
use msp_core::time::Instant;
use msp_core::trace::TraceBody;
use msp_core::{Error, ErrorKind};

use super::Driver;
use super::shard_link::{ShardEnd, Wake};
use super::shard_runner::{FromShard, ToShard};
use crate::control::{ControlInput, ControlOutput, OpenError, OpenRequest, Opened, RequestId};
use crate::engine::Shared;

/// What drives a control core, for handles that do not know which driver there is.
pub(crate) trait Pump: Send + Sync {
    /// Has the thread of the control core run soon.
    fn wake(&self);

    /// Does everything that is to be done now, on this thread.
    fn run(&self) -> Option<Instant>;
}

/// See the module.
pub(crate) struct ControlRunner<D: Driver> {
    shared: Arc<Shared>,
    wake: Wake,
    work: Mutex<Work<D>>,
}

/// How soon a shard is told again what it had no room for.
const RETRY: Duration = Duration::from_millis(1);

struct Work<D: Driver> {
    driver: D,
    inputs: Receiver<ControlInput>,
    shards: Vec<ShardEnd<D::Socket>>,
    /// Sockets that were opened and have no shard yet.
    opened: AHashMap<RequestId, (D::Socket, Option<D::Socket>)>,
}

impl<D: Driver> ControlRunner<D> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        driver: D,
        inputs: Receiver<ControlInput>,
        shards: Vec<ShardEnd<D::Socket>>,
        wake: Wake,
    ) -> Self {
        Self {
            shared,
            wake,
            work: Mutex::new(Work {
                driver,
                inputs,
                shards,
                opened: AHashMap::new(),
            }),
        }
    }

    /// When something has to be done next without being told.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shared.core.deadline()
    }

    /// Has every shard give back everything and end. They are told nothing any more.
    pub(crate) fn stop_shards(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.shards.iter_mut().for_each(ShardEnd::stop);
    }
}

impl<D: Driver> Pump for ControlRunner<D> {
    fn wake(&self) {
        (self.wake)();
    }

    fn run(&self) -> Option<Instant> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &self.shared;
        loop {
            let mut idle = true;
            let now = shared.clock.now();
            while let Ok(input) = work.inputs.try_recv() {
                shared.core.handle(now, input);
                idle = false;
            }
            for (number, shard) in work.shards.iter_mut().enumerate() {
                while let Some(from) = shard.next_report() {
                    match from {
                        FromShard::Report(report) => {
                            shared
                                .core
                                .handle(now, ControlInput::Report(number, report));
                        }
                        FromShard::Sockets(rtp, rtcp) => drop((rtp, rtcp)),
                    }
                    idle = false;
                }
            }
            while let Some((address, message)) = shared.next_message() {
                shared
                    .core
                    .handle(now, ControlInput::Message(address, message));
                idle = false;
            }
            shared.core.handle(now, ControlInput::Tick);
            while let Some(output) = shared.core.poll() {
                work.perform(shared, now, output);
                idle = false;
            }
            let mut all_told = true;
            for shard in &mut work.shards {
                all_told &= shard.flush();
            }
            if idle {
                let deadline = shared.core.deadline();
                return match all_told {
                    true => deadline,
                    false => Some(deadline.map_or(now + RETRY, |at| at.min(now + RETRY))),
                };
            }
        }
    }
}

impl<D: Driver> Work<D> {
    fn perform(&mut self, shared: &Shared, now: Instant, output: ControlOutput) {
        match output {
            ControlOutput::Open(request) => {
                let result = self.open(shared, request);
                let input = ControlInput::Opened(request.id, result);
                shared.core.handle(now, input);
            }
            ControlOutput::Locate(request) => {
                let result = self.locate(shared, request).map_err(OpenError::Other);
                let input = ControlInput::Opened(request.id, result);
                shared.core.handle(now, input);
            }
            ControlOutput::Attach {
                request,
                shard,
                id,
                transport,
            } => {
                let sockets = self.opened.remove(&request);
                if let (Some(end), Some((rtp, rtcp))) = (self.shards.get_mut(shard), sockets) {
                    end.tell(ToShard::Attach {
                        id,
                        transport,
                        rtp,
                        rtcp,
                    });
                }
            }
            ControlOutput::Discard(request) => drop(self.opened.remove(&request)),
            ControlOutput::Shard(shard, command) => {
                if let Some(end) = self.shards.get_mut(shard) {
                    end.tell(ToShard::Command(command));
                }
            }
            ControlOutput::Reply(address, message) => shared.reply(now, address, message),
            ControlOutput::Event(event) => {
                shared.trace().record(event.at, event.scope.call, || {
                    TraceBody::Event(event.clone())
                });
                if let Some(line) = shared.core.line(event.scope.address) {
                    line.bus.emit(&event);
                }
            }
            ControlOutput::Drop(garbage) => drop(garbage),
        }
    }

    fn open(&mut self, shared: &Shared, request: OpenRequest) -> Result<Opened, OpenError> {
        let bind = |port: u16| {
            let address = SocketAddr::new(request.bind, port);
            self.driver.bind(address).map_err(|e| match e.kind() {
                io::ErrorKind::AddrInUse => OpenError::InUse,
                _ => OpenError::Other(unavailable(address, &e)),
            })
        };
        let rtp = bind(request.port)?;
        let rtcp = if request.rtcp {
            Some(bind(request.port.saturating_add(1))?)
        } else {
            None
        };
        let opened = self.locate(shared, request).map_err(OpenError::Other)?;
        self.opened.insert(request.id, (rtp, rtcp));
        Ok(opened)
    }

    /// Where the ports of a request are reached.
    fn locate(&self, shared: &Shared, request: OpenRequest) -> Result<Opened, Error> {
        let local_ip = self
            .driver
            .local_toward(request.bind, request.toward)
            .map_err(|e| unavailable(SocketAddr::new(request.bind, request.port), &e))?;
        let advertised = shared.core.config().advertised_for(request.bind);
        let local = |port| LocalAddress {
            bound: SocketAddr::new(local_ip, port),
            advertised: SocketAddr::new(advertised.unwrap_or(local_ip), port),
        };
        Ok(Opened {
            rtp: local(request.port),
            rtcp: request.rtcp.then(|| local(request.port.saturating_add(1))),
        })
    }
}

fn unavailable(address: SocketAddr, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::ResourceUnavailable,
        format!("{address}: {error}"),
    )
}
