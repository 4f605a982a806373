//! Ends of a call for tests.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use msp_core::id::PayloadType;
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{CodecSpec, LocalAddress, MediaParams, MediaSlot, PayloadMapping};
use msp_core::time::ClockRate;
use tsp_sdp::{Identity, OfferAnswer, Policy, RemoteSession, SessionDescription};

/// Answers name all that is common, as the examples of the RFCs do.
pub(crate) const ALL_CODECS: Policy = Policy {
    order: tsp_sdp::CodecOrder::Offerer,
    single_codec: false,
    later_answers: tsp_sdp::LaterAnswers::Replace,
};

/// `number name/clock`.
pub(crate) fn format(number: u8, name: &str, clock: u32) -> PayloadMapping {
    PayloadMapping {
        payload_type: PayloadType(number),
        codec: CodecSpec::mono(name, ClockRate::new(clock).expect("a clock")),
        parameters: None,
    }
}

pub(crate) fn at(port: u16) -> LocalAddress {
    let address = SocketAddr::from(([192, 0, 2, 1], port));
    LocalAddress {
        bound: address,
        advertised: address,
    }
}

/// What a media half says of one slot.
pub(crate) fn audio(slot: u16, port: u16, receive: &[PayloadMapping]) -> MediaParams {
    let mut params = MediaParams::new(MediaSlot(slot), MediaKind::Audio);
    params.local = Some(at(port));
    params.receive = receive.to_vec();
    params
}

pub(crate) fn leg(policy: Policy) -> OfferAnswer {
    leg_of("alice", 1, policy)
}

pub(crate) fn leg_of(username: &str, version: u64, policy: Policy) -> OfferAnswer {
    let identity = Identity {
        username: username.into(),
        session_id: 2_890_844_526,
        version,
        address: IpAddr::from([192, 0, 2, 1]),
    };
    OfferAnswer::new(identity, policy)
}

/// The media half that would have written `text`: sound as it says, all else refused.
pub(crate) fn local_of(text: &str) -> Vec<MediaParams> {
    let description = SessionDescription::parse(text.as_bytes()).expect("a description");
    let session = RemoteSession::read(&description).expect("media");
    session
        .media
        .iter()
        .enumerate()
        .filter_map(|(slot, remote)| {
            let params = remote.params.as_ref()?;
            let slot = u16::try_from(slot).expect("few media");
            let mut local = audio(slot, remote.media.port.max(1), &params.send);
            local.kind = params.kind;
            local.refused = params.refused || params.kind != MediaKind::Audio;
            local.direction = params.direction.reversed();
            Some(local)
        })
        .collect()
}

/// What matters of an m-line: kind, whether it is on, its numbers, its direction.
pub(crate) type Gist = (String, bool, Vec<String>, MediaDirection);

/// The gist of each m-line, the direction as the writer means it.
pub(crate) fn gist(text: &str) -> Vec<Gist> {
    let description = SessionDescription::parse(text.as_bytes()).expect("a description");
    let session = RemoteSession::read(&description).expect("media");
    session
        .media
        .iter()
        .map(|m| {
            let direction = match &m.params {
                Some(p) if !p.refused => p.direction.reversed(),
                _ => MediaDirection::SendRecv,
            };
            (
                m.media.media.to_string(),
                m.media.port != 0,
                m.media.formats.iter().map(ToString::to_string).collect(),
                direction,
            )
        })
        .collect()
}

pub(crate) fn version(text: &str) -> u64 {
    let description = SessionDescription::parse(text.as_bytes()).expect("a description");
    let origin = description.origin().expect("an origin");
    origin.version.parse().expect("a number")
}

/// The numbers of `mappings`.
pub(crate) fn numbers(mappings: &[PayloadMapping]) -> Vec<u8> {
    mappings.iter().map(|m| m.payload_type.0).collect()
}

/// A corpus that lies beside the checkout where it is developed; none, and a word, where it does not.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora")
        .join(name);
    if path.is_dir() {
        Some(path)
    } else {
        println!("skipped: {} is not there", path.display());
        None
    }
}

/// All files below `directory` whose path ends in one of `ends`.
pub(crate) fn files(directory: &Path, ends: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
