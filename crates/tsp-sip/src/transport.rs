//! Where a message came from or goes to, and how a request's source is noted (RFC 3261 section 18).
//!
//! Sockets are elsewhere: this is what the machines above know of them, and by what rules connections are taken, used
//! again and given up.

mod admission;
mod flows;
mod glance;
mod inbox;
mod keeper;
pub(crate) mod locate;
mod patience;
mod policy;
pub(crate) mod stun;
mod turned_away;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Result;
use crate::wire::{HeaderName, Request, Via};

pub use admission::DatagramLimits;
pub(crate) use admission::{Admission, Datagrams, Refusal, source};
pub(crate) use flows::{Action, Flows};
pub(crate) use glance::{Glance, may_begin};
pub(crate) use inbox::{Inbox, Turn};
pub(crate) use keeper::{Beat, Keeper, Sign};
pub(crate) use patience::{Patience, Slow};
pub use policy::{FlowPolicy, ReachedBy, UdpKeepAlive};
pub(crate) use turned_away::turned_away;

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams; may be lost, doubled and reordered.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that nobody else can read (RFC 3261 section 26.2.1).
    Tls,
}

impl Transport {
    /// How it is written in a Via.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// How it is written in the `transport` parameter of a URI.
    pub const fn param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Whether what is sent arrives, or the sender is told: then nothing is retransmitted.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// Whether nobody on the way can read it: then keys may be in it.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// The port that is meant where none is written (RFC 3261 section 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two ends that a message travels between.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection, if it is a stream; none where any connection to that end will do.
    pub connection: Option<ConnectionId>,
}

/// Names a connection, also after it is gone: no other ever gets its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId {
    // 62 bits of a number in halves, so that a flow, of which many are kept, is as small as it can be.
    high: u32,
    /// The lowest bit tells who opened it, the highest is set.
    low: NonZeroU32,
}

impl ConnectionId {
    /// The `n`th connection that a peer opened.
    pub const fn accepted(n: u64) -> Self {
        Self::new(n, 1)
    }

    /// The `n`th connection that we opened.
    pub const fn dialled(n: u64) -> Self {
        Self::new(n, 0)
    }

    /// Whether we opened it.
    pub const fn is_dialled(self) -> bool {
        self.low.get() & 1 == 0
    }

    #[expect(clippy::as_conversions, reason = "the halves of a number")]
    const fn new(n: u64, who: u32) -> Self {
        let low = (n as u32 & (u32::MAX >> 2)) << 1 | who;
        Self {
            high: (n >> 30) as u32,
            low: NonZeroU32::MIN.saturating_add((1 << 31 | low) - 1),
        }
    }
}

impl Flow {
    /// The way of datagrams between two ends.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self::to(Transport::Udp, local, remote)
    }

    /// A way between two ends; of a stream, by any connection.
    pub const fn to(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport,
            local,
            remote,
            connection: None,
        }
    }
}

/// Notes in the top Via of `request` where it really came from, and gives the flow on which its responses
/// go back: to the source if `rport` was asked for (RFC 3581 section 4), else to the source's address and the port of
/// `sent-by` (RFC 3261 section 18.2.2); over a stream always the way it came.
///
/// # Errors
/// Those of reading the Via.
pub fn stamp(request: &mut Request, flow: Flow) -> Result<Flow> {
    let via = request.headers.via()?;
    Ok(stamp_top(request, &via, flow))
}

/// As [`stamp`], where the top Via was read already.
pub(crate) fn stamp_top(request: &mut Request, via: &Via, flow: Flow) -> Flow {
    let stamped = via.stamped(flow.remote);
    if stamped != *via {
        let top = request.headers.list(&HeaderName::Via).next();
        let top = top.unwrap_or_default();
        let line = request
            .headers
            .get(&HeaderName::Via)
            .cloned()
            .unwrap_or_default();
        request.headers.set(
            HeaderName::Via,
            replace_first(&line, &top, &stamped.to_string()),
        );
    }
    way_of_responses(&stamped, flow)
}

/// The way of the responses to a request that came by `flow`, by its top Via as [`Via::stamped`] noted it.
pub(crate) fn way_of_responses(stamped: &Via, flow: Flow) -> Flow {
    if flow.transport.is_reliable() || stamped.rport().is_some() {
        return flow;
    }
    let port = stamped
        .sent_by()
        .port
        .unwrap_or_else(|| flow.transport.default_port());
    Flow {
        remote: SocketAddr::new(flow.remote.ip(), port),
        ..flow
    }
}

/// Where a response goes whose connection is gone: to the source of its request and the port of `sent-by`, by another
/// connection (RFC 3261 section 18.2.2). With the host that the peer calls itself.
pub(crate) fn way_back(via: &Via, flow: Flow) -> (Flow, String) {
    let sent_by = via.sent_by();
    let port = sent_by
        .port
        .unwrap_or_else(|| flow.transport.default_port());
    let ip = via.received().unwrap_or_else(|| flow.remote.ip());
    let remote = SocketAddr::new(ip, port);
    let way = Flow::to(flow.transport, flow.local, remote);
    (way, sent_by.host.to_string())
}

/// The first value of a header line that may hold several, replaced.
fn replace_first(line: &Bytes, first: &Bytes, by: &str) -> Bytes {
    let rest = line
        .windows(first.len().max(1))
        .position(|w| w == &first[..])
        .and_then(|at| line.get(at + first.len()..))
        .unwrap_or_default();
    let mut out = BytesMut::with_capacity(by.len() + rest.len());
    out.put_slice(by.as_bytes());
    out.put_slice(rest);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Message;

    fn flow() -> Flow {
        Flow::udp(
            "192.0.2.9:5060".parse().unwrap(),
            "192.0.2.1:9988".parse().unwrap(),
        )
    }

    fn stamped(via: &str) -> (String, SocketAddr) {
        let text = format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
        );
        let Ok(Message::Request(mut request)) = Message::parse(&Bytes::from(text)) else {
            panic!()
        };
        let back = stamp(&mut request, flow()).unwrap();
        let line = request.headers.get(&HeaderName::Via).unwrap();
        (String::from_utf8_lossy(line).into_owned(), back.remote)
    }

    // Shows: responses go back to where the request came from | RFC 3261 18.2.2, RFC 3581
    #[test]
    fn rfc3581_responses_go_to_the_source_when_asked() {
        let (via, back) = stamped("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff");
        assert_eq!(
            via,
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1"
        );
        assert_eq!(back, flow().remote);
    }

    // Shows: responses go back to where the request came from
    #[test]
    fn rfc3261_18_2_2_else_to_the_port_of_sent_by() {
        let (via, back) =
            stamped("SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bK1, SIP/2.0/UDP h;branch=z9hG4bK2");
        assert_eq!(
            via,
            "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bK1;received=192.0.2.1, SIP/2.0/UDP h;branch=z9hG4bK2"
        );
        assert_eq!(back, "192.0.2.1:4540".parse().unwrap());
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1").1.port(),
            5060
        );
    }
}
