//! What the two halves agree on for the media of a call: [`MediaParams`].
//!
//! The signalling half translates between these and whatever its protocol writes on the wire. All
//! directions and maps are seen from the local end.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::id::{PayloadType, Ssrc};
use crate::media::{MediaDirection, MediaKind};
use crate::secret::Secret;
use crate::time::ClockRate;

/// The place of a stream pair in a call's list, kept for the whole life of the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MediaSlot(pub u16);

impl fmt::Display for MediaSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The RTP profile of a stream pair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Profile {
    /// Plain RTP (RFC 3551).
    #[default]
    Avp,
    /// Secure RTP (RFC 3711).
    Savp,
    /// Plain RTP with early feedback (RFC 4585).
    Avpf,
    /// Secure RTP with early feedback (RFC 5124).
    Savpf,
    /// Secure RTP keyed by DTLS (RFC 5764).
    UdpTlsSavp,
    /// Secure RTP keyed by DTLS, with early feedback (RFC 5764).
    UdpTlsSavpf,
}

impl Profile {
    /// Whether media under this profile are encrypted.
    pub const fn is_secure(self) -> bool {
        !matches!(self, Self::Avp | Self::Avpf)
    }
}

/// A codec by its registered name (RFC 4855), its RTP clock and its channels.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CodecSpec {
    /// The name as registered, for instance `PCMU`; compared without regard to case.
    pub name: Arc<str>,
    /// The RTP clock rate, which need not be the rate of its samples.
    pub clock: ClockRate,
    /// Channels, 1 for mono.
    pub channels: u8,
}

impl CodecSpec {
    /// The name under which digits and other events travel (RFC 4733).
    pub const TELEPHONE_EVENT: &'static str = "telephone-event";

    /// A codec of one channel.
    pub fn mono(name: &str, clock: ClockRate) -> Self {
        Self {
            name: name.into(),
            clock,
            channels: 1,
        }
    }

    /// Whether `other` is the same encoding.
    pub fn matches(&self, other: &Self) -> bool {
        self.clock == other.clock
            && self.channels == other.channels
            && self.name.eq_ignore_ascii_case(&other.name)
    }

    /// Whether this carries telephone events instead of sound.
    pub fn is_telephone_event(&self) -> bool {
        self.name.eq_ignore_ascii_case(Self::TELEPHONE_EVENT)
    }
}

/// One payload type and what it means.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PayloadMapping {
    /// The number on the wire.
    pub payload_type: PayloadType,
    /// The encoding that it stands for.
    pub codec: CodecSpec,
    /// Parameters of the format as its registration writes them, for instance `0-16`.
    pub parameters: Option<Arc<str>>,
}

/// Where we receive: the address that the socket has, and the one that peers are told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LocalAddress {
    /// What the socket is bound to.
    pub bound: SocketAddr,
    /// What the peer is told; differs behind a NAT with a known outside.
    pub advertised: SocketAddr,
}

/// How reports about the media travel (RFC 3550 section 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RtcpParams {
    /// Reports share the port of the media (RFC 5761).
    pub mux: bool,
    /// Where we receive reports when they do not share.
    pub local: Option<LocalAddress>,
    /// Where the peer receives reports, when it said so (RFC 3605) or by the rule of the next port.
    pub remote: Option<SocketAddr>,
    /// Packets need not be compound (RFC 5506).
    pub reduced_size: bool,
    /// Extended reports are wanted (RFC 3611).
    pub extended_reports: bool,
}

/// A suite and its master key and salt for one direction (RFC 4568 section 6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterKey {
    /// The tag by which offer and answer refer to it.
    pub tag: u32,
    /// The name of the suite, for instance `AES_CM_128_HMAC_SHA1_80`.
    pub suite: Arc<str>,
    /// Master key and salt, concatenated.
    pub key_and_salt: Secret<Vec<u8>>,
    /// The value and the length in bytes of the master key identifier, when one is in use.
    pub mki: Option<(u64, u8)>,
}

/// Keys by direction, in order of preference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyParams {
    /// What we encrypt with.
    pub send: Vec<MasterKey>,
    /// What the peer encrypts with.
    pub receive: Vec<MasterKey>,
}

/// Who opens a DTLS association (RFC 4145 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Setup {
    /// The peer opens.
    Passive,
    /// We open.
    Active,
    /// Either may.
    ActPass,
}

/// A hash of a certificate (RFC 8122 section 5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint {
    /// The name of the hash, for instance `sha-256`.
    pub hash: Arc<str>,
    /// The value.
    pub value: Vec<u8>,
}

/// How a DTLS association is opened and whom we expect there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DtlsParams {
    /// Hashes of the certificate, any of which must match.
    pub fingerprints: Vec<Fingerprint>,
    /// The role.
    pub setup: Setup,
    /// Names the association, so that a new one is told from the old (RFC 8842 section 4).
    pub tls_id: Option<Arc<str>>,
}

/// One way to be reached (RFC 8445 section 5.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Candidate {
    /// Groups candidates of like kind and base.
    pub foundation: Arc<str>,
    /// 1 for media, 2 for reports.
    pub component: u8,
    /// Higher is better.
    pub priority: u32,
    /// The address.
    pub address: SocketAddr,
    /// How it was found.
    pub kind: CandidateKind,
    /// The address that it was derived from.
    pub related: Option<SocketAddr>,
}

/// How a candidate was found (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CandidateKind {
    /// An interface of this machine.
    Host,
    /// The outside of a NAT, seen by a server.
    ServerReflexive,
    /// The outside of a NAT, seen by the peer.
    PeerReflexive,
    /// A relay.
    Relayed,
}

/// Credentials and candidates of one end (RFC 8445, RFC 8839).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceParams {
    /// The user name fragment.
    pub ufrag: Arc<str>,
    /// The password.
    pub password: Secret<String>,
    /// The ways to be reached.
    pub candidates: Vec<Candidate>,
    /// This end only answers checks.
    pub lite: bool,
    /// More candidates may follow.
    pub trickle: bool,
}

/// Whether media may, should or must be encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SecurityPolicy {
    /// Never.
    #[default]
    Off,
    /// If the peer can.
    Optional,
    /// Always; a peer that cannot is refused.
    Required,
}

/// Everything that one stream pair needs to know of its network and its encoding.
///
/// As `Local` from the media half it says what we offer: where we receive, in which encodings. As `Apply`
/// from the signalling half it says what was agreed: maps for each way, the peer's address, what may flow.
#[derive(Clone, PartialEq, Debug)]
pub struct MediaParams {
    /// The place in the call's list.
    pub slot: MediaSlot,
    /// What is carried.
    pub kind: MediaKind,
    /// One end will not have this stream pair.
    pub refused: bool,
    /// The RTP profile.
    pub profile: Profile,
    /// What may flow.
    pub direction: MediaDirection,
    /// What each payload type that we receive means, in our order of preference.
    pub receive: Vec<PayloadMapping>,
    /// What we may send, the preferred first.
    pub send: Vec<PayloadMapping>,
    /// The length of sound in a packet: what we would like to receive in `Local`, what the peer would like in `Apply`.
    pub ptime: Option<Duration>,
    /// The most sound that the receiver takes in a packet.
    pub max_ptime: Option<Duration>,
    /// Where we receive.
    pub local: Option<LocalAddress>,
    /// Where the peer receives.
    pub remote: Option<SocketAddr>,
    /// How reports travel.
    pub rtcp: RtcpParams,
    /// Keys carried in the signalling.
    pub keys: KeyParams,
    /// Keys agreed in the media path: our own end in `Local`, the peer's in `Apply`.
    pub dtls: Option<DtlsParams>,
    /// Connectivity checks: our own end in `Local`, the peer's in `Apply`.
    pub ice: Option<IceParams>,
    /// The most that the peer wants to receive, in bits a second.
    pub bandwidth: Option<u32>,
    /// Whether media may be encrypted.
    pub policy: SecurityPolicy,
    /// The name of the stream pair by which a bundled transport finds it (RFC 8843).
    pub mid: Option<Arc<str>>,
    /// Sources that the peer announced (RFC 5576).
    pub sources: Vec<Ssrc>,
}

impl MediaParams {
    /// A stream pair of `kind` at `slot` of which nothing is known yet: plain, both ways, no address.
    pub fn new(slot: MediaSlot, kind: MediaKind) -> Self {
        Self {
            slot,
            kind,
            refused: false,
            profile: Profile::default(),
            direction: MediaDirection::default(),
            receive: Vec::new(),
            send: Vec::new(),
            ptime: None,
            max_ptime: None,
            local: None,
            remote: None,
            rtcp: RtcpParams::default(),
            keys: KeyParams::default(),
            dtls: None,
            ice: None,
            bandwidth: None,
            policy: SecurityPolicy::default(),
            mid: None,
            sources: Vec::new(),
        }
    }

    /// The address family that the media travel on, once an address is known.
    pub fn remote_ip(&self) -> Option<IpAddr> {
        self.remote.map(|a| a.ip())
    }

    /// The first sound encoding that we may send.
    pub fn send_codec(&self) -> Option<&PayloadMapping> {
        self.send.iter().find(|m| !m.codec.is_telephone_event())
    }

    /// The payload type under which we may send telephone events that fit a codec clock of `clock`: one of
    /// the same rate if there is one, else any (RFC 4733 section 2.1 wants the same rate; peers differ).
    pub fn send_events(&self, clock: ClockRate) -> Option<&PayloadMapping> {
        let events = || self.send.iter().filter(|m| m.codec.is_telephone_event());
        events()
            .find(|m| m.codec.clock == clock)
            .or_else(|| events().next())
    }
}
