//! Requests that are too long for a datagram: by TCP, and by UDP after all where that fails (RFC 3261 section 18.1.1).

use std::time::Duration;

use bytes::BytesMut;
use msp_core::time::Instant;

use super::UserAgent;
use super::services::Services;
use crate::Result;
use crate::transaction::ClientId;
use crate::transport::{Flow, Transport};
use crate::wire::{HeaderName, Request};

/// Bytes of a request that pass as a datagram on any path.
const LONGEST: usize = 1300;

/// For how long a peer to which no connection came about gets datagrams at once.
const SHUNNED: Duration = Duration::from_secs(10 * 60);

/// A request that went by TCP for its length.
#[derive(Debug)]
pub(super) struct Detour {
    /// As it was before Via was put in.
    request: Request,
    /// The way that it would have gone.
    flow: Flow,
}

impl Services {
    /// Puts our hop into `request` for the way that it really takes, and gives that.
    ///
    /// # Errors
    /// Those of [`Services::dress`].
    pub(super) fn take_way(
        &mut self,
        request: &mut Request,
        flow: Flow,
    ) -> Result<(Flow, Option<Box<Detour>>)> {
        let may = flow.transport == Transport::Udp
            && self.config.flows.long_by_tcp
            && self.shunned.get(&flow.remote).is_none();
        let plain = may.then(|| request.clone());
        self.dress(request, flow)?;
        let Some(plain) = plain.filter(|_| is_long(request)) else {
            return Ok((flow, None));
        };
        let way = Flow::to(Transport::Tcp, flow.local, flow.remote);
        let way = self.connect(way, &flow.remote.ip().to_string());
        *request = plain.clone();
        self.dress(request, way)?;
        self.stats.detours += 1;
        let request = plain;
        Ok((way, Some(Box::new(Detour { request, flow }))))
    }
}

impl UserAgent {
    /// The connection of a request is lost: if the request took it for its length only, it goes by UDP. Whether it does.
    pub(super) fn fall_back(&mut self, now: Instant, id: ClientId) -> bool {
        let Some(detour) = self.services.detours.remove(&id) else {
            return false;
        };
        let Detour { mut request, flow } = *detour;
        self.services.shunned.put(now + SHUNNED, &flow.remote, ());
        let Some(sent) = self.services.sent.get(&id).copied() else {
            return false;
        };
        if !self.is_wanted(sent.purpose) {
            return false;
        }
        // The peer may have had it, and lost the connection after that.
        self.renumber(&mut request, sent.purpose);
        let cseq = request.headers.get(&HeaderName::CSeq).cloned();
        let Ok(again) = self.services.begin(now, flow, request, sent.purpose) else {
            self.services.stats.unsent += 1;
            return false;
        };
        self.services.sent.remove(&id);
        self.services.transactions.transport_failed(id);
        self.services.stats.ways_back += 1;
        self.sent_again(sent.purpose, id, again, cseq);
        true
    }
}

fn is_long(request: &Request) -> bool {
    let mut bytes = BytesMut::new();
    request.write_to(&mut bytes);
    bytes.len() > LONGEST
}
