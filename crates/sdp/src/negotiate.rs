//! What two ends have in common for one medium: pure functions over both sides' parameters.

use std::net::{IpAddr, SocketAddr};

use msp_core::media::MediaKind;
use msp_core::params::{
    KeyParams, MasterKey, MediaParams, PayloadMapping, Profile, RtcpParams, SecurityPolicy, Setup,
};

use crate::keys::canonical_suite;
use crate::payload::{is_sound, single_codec};
use crate::policy::{CodecOrder, Policy};
use crate::remote::RemoteMedia;

/// Why a medium is off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The peer switched it off, or left it out of its answer.
    Peer,
    /// We do not want it: the media half refused it or never prepared it.
    Local,
    /// It is no sound.
    Kind,
    /// Its transport is none that we know, or the answer's is not the offer's.
    Protocol,
    /// Keys, suites or certificates do not go together, or one side insists on them.
    Security,
    /// There is no sound encoding in common.
    Codec,
    /// The address is a group's or everybody's.
    Address,
}

/// What came of a medium of an offer that we accept.
pub(crate) struct Accepted {
    /// What our answer says.
    pub(crate) answer: MediaParams,
    /// What was agreed.
    pub(crate) agreed: MediaParams,
}

/// Answers the medium `offer` with what `local` can do (RFC 3264 section 6.1).
pub(crate) fn accept(
    offer: &RemoteMedia,
    local: Option<&MediaParams>,
    policy: Policy,
) -> Result<Accepted, RefusalReason> {
    let offered = acceptable(offer)?;
    let local = local.filter(|l| !l.refused).ok_or(RefusalReason::Local)?;
    let security = answer_security(offered, local)?;

    let common = common_formats(&offered.send, &local.receive, policy.order);
    let chosen = if policy.single_codec {
        single_codec(common.clone())
    } else {
        common.clone()
    };
    if !chosen.iter().any(|m| is_sound(&m.codec)) {
        return Err(RefusalReason::Codec);
    }

    let mut answer = local.clone();
    answer.profile = offered.profile;
    answer.direction = local.direction.and(offered.direction);
    answer.receive = with_parameters(&chosen, &local.receive);
    answer.mid.clone_from(&offered.mid);
    answer.rtcp = common_rtcp(local, offered);
    answer.rtcp.remote = None;
    answer.keys = KeyParams {
        send: security.keys.send.clone(),
        receive: Vec::new(),
    };
    answer.dtls = local.dtls.clone().filter(|_| offered.dtls.is_some());
    if let (Some(dtls), Some(setup)) = (&mut answer.dtls, security.setup) {
        dtls.setup = setup;
    }
    answer.ice = local.ice.clone().filter(|_| offered.ice.is_some());

    let mut agreed = agree(offered, local, security);
    agreed.direction = answer.direction;
    agreed.send = with_parameters(&chosen, &offered.send);
    // There are peers that go on sending an encoding of their offer that the answer left out.
    agreed.receive = with_parameters(&first_then_rest(chosen, common), &local.receive);
    Ok(Accepted { answer, agreed })
}

/// What was agreed for the medium that we offered as `local`, now that it is answered (RFC 3264 section 7).
pub(crate) fn conclude(
    local: &MediaParams,
    answer: Option<&RemoteMedia>,
) -> Result<MediaParams, RefusalReason> {
    let answer = answer.ok_or(RefusalReason::Peer)?;
    let answered = acceptable(answer)?;
    // Offered both ways under the plain profile, the secure one is as good an answer.
    let secured_by_answer = !local.keys.send.is_empty()
        && matches!(keying(answered.profile), Keying::Signalled)
        && matches!(keying(local.profile), Keying::None);
    if answered.profile != local.profile
        && (answered.profile.is_secure() || local.profile.is_secure())
        && !secured_by_answer
    {
        return Err(RefusalReason::Protocol);
    }
    let security = offer_security(answered, local)?;

    // Each end receives under its own numbers, so the answer may bind a codec to another number than the
    // offer did, and a number that it does not explain is the offer's.
    let mut send: Vec<PayloadMapping> = Vec::new();
    let mut receive: Vec<PayloadMapping> = Vec::new();
    for theirs in &answered.send {
        if let Some(ours) = local
            .receive
            .iter()
            .find(|m| m.codec.matches(&theirs.codec))
        {
            send.push(theirs.clone());
            receive.push(ours.clone());
        }
    }
    for format in &answer.media.formats {
        let known = |list: &[PayloadMapping]| list.iter().any(|m| is_number(m, format));
        if !known(&answered.send)
            && let Some(ours) = local.receive.iter().find(|m| is_number(m, format))
        {
            send.push(ours.clone());
            receive.push(ours.clone());
        }
    }
    if !send.iter().any(|m| is_sound(&m.codec)) {
        return Err(RefusalReason::Codec);
    }

    let mut agreed = agree(answered, local, security);
    agreed.direction = local.direction.and(answered.direction);
    agreed.send = send;
    agreed.receive = first_then_rest(receive, local.receive.clone());
    Ok(agreed)
}

fn is_number(mapping: &PayloadMapping, format: &str) -> bool {
    format.parse() == Ok(mapping.payload_type.0)
}

/// The parameters of a medium of the peer's that is on, and that we could have.
pub(crate) fn acceptable(remote: &RemoteMedia) -> Result<&MediaParams, RefusalReason> {
    if remote.media.port == 0 {
        return Err(RefusalReason::Peer);
    }
    if remote.media.kind() != Some(MediaKind::Audio) {
        return Err(RefusalReason::Kind);
    }
    let params = remote.params.as_ref().ok_or(RefusalReason::Protocol)?;
    // Media sent to a group or to everybody would make us a weapon.
    let everybody = |a: SocketAddr| match a.ip() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    };
    if params.remote.is_some_and(everybody) || params.rtcp.remote.is_some_and(everybody) {
        return Err(RefusalReason::Address);
    }
    Ok(params)
}

/// What of `offered` we can do, under the offerer's numbers, each of our encodings once.
fn common_formats(
    offered: &[PayloadMapping],
    local: &[PayloadMapping],
    order: CodecOrder,
) -> Vec<PayloadMapping> {
    let ours = |m: &PayloadMapping| local.iter().position(|l| l.codec.matches(&m.codec));
    let mut found: Vec<(usize, PayloadMapping)> = Vec::new();
    for mapping in offered {
        if let Some(rank) = ours(mapping)
            && !found.iter().any(|(r, _)| *r == rank)
        {
            found.push((rank, mapping.clone()));
        }
    }
    if order == CodecOrder::Own {
        found.sort_by_key(|(rank, _)| *rank);
    }
    found.into_iter().map(|(_, m)| m).collect()
}

/// `mappings` with the parameters that the same encodings have in `source`.
fn with_parameters(mappings: &[PayloadMapping], source: &[PayloadMapping]) -> Vec<PayloadMapping> {
    mappings
        .iter()
        .map(|m| PayloadMapping {
            parameters: source
                .iter()
                .find(|s| s.codec.matches(&m.codec))
                .and_then(|s| s.parameters.clone()),
            ..m.clone()
        })
        .collect()
}

/// `first`, then what `all` has beyond it.
fn first_then_rest(first: Vec<PayloadMapping>, all: Vec<PayloadMapping>) -> Vec<PayloadMapping> {
    let mut list = first;
    for mapping in all {
        if !list.iter().any(|m| m.payload_type == mapping.payload_type) {
            list.push(mapping);
        }
    }
    list
}

/// What both ends want of reports; where each receives them.
fn common_rtcp(local: &MediaParams, remote: &MediaParams) -> RtcpParams {
    let mux = local.rtcp.mux && remote.rtcp.mux;
    RtcpParams {
        mux,
        local: local.rtcp.local,
        remote: if mux {
            remote.remote
        } else {
            remote.rtcp.remote
        },
        reduced_size: local.rtcp.reduced_size && remote.rtcp.reduced_size,
        extended_reports: local.rtcp.extended_reports && remote.rtcp.extended_reports,
    }
}

/// What is taken over from either end whoever made the offer; direction and formats are still to come.
fn agree(remote: &MediaParams, local: &MediaParams, security: Security) -> MediaParams {
    MediaParams {
        profile: remote.profile,
        ptime: remote.ptime,
        max_ptime: remote.max_ptime,
        local: local.local,
        remote: remote.remote,
        rtcp: common_rtcp(local, remote),
        keys: security.keys,
        dtls: remote
            .dtls
            .clone()
            .filter(|_| local.dtls.is_some())
            .map(|mut dtls| {
                dtls.setup = security.setup.unwrap_or(dtls.setup);
                dtls
            }),
        ice: remote.ice.clone().filter(|_| local.ice.is_some()),
        bandwidth: remote.bandwidth,
        policy: local.policy,
        mid: remote.mid.clone().or_else(|| local.mid.clone()),
        sources: remote.sources.clone(),
        ..MediaParams::new(local.slot, local.kind)
    }
}

/// Keys and role that both ends can live with.
#[derive(Default)]
struct Security {
    keys: KeyParams,
    setup: Option<Setup>,
}

impl From<KeyParams> for Security {
    fn from(keys: KeyParams) -> Self {
        Self { keys, setup: None }
    }
}

/// Which way the keys of a profile come about.
enum Keying {
    None,
    Signalled,
    Dtls,
}

const fn keying(profile: Profile) -> Keying {
    match profile {
        Profile::Avp | Profile::Avpf => Keying::None,
        Profile::Savp | Profile::Savpf => Keying::Signalled,
        Profile::UdpTlsSavp | Profile::UdpTlsSavpf => Keying::Dtls,
    }
}

fn answer_security(offered: &MediaParams, local: &MediaParams) -> Result<Security, RefusalReason> {
    match keying(offered.profile) {
        // Keys under a plain profile leave the choice to us.
        Keying::None => match answer_keys(offered, local) {
            Some(keys) if local.policy != SecurityPolicy::Off => Ok(keys.into()),
            _ => plain(local),
        },
        _ if local.policy == SecurityPolicy::Off => Err(RefusalReason::Security),
        Keying::Signalled => answer_keys(offered, local)
            .map(Security::from)
            .ok_or(RefusalReason::Security),
        Keying::Dtls => {
            let (theirs, ours) = both_dtls(offered, local)?;
            // To open is the better choice where there is one (RFC 5763 section 5).
            let setup = match (theirs, ours) {
                (Setup::ActPass, Setup::ActPass) => Setup::Active,
                (Setup::ActPass, ours) => ours,
                (theirs, Setup::ActPass) => theirs,
                (theirs, ours) if theirs == ours => ours,
                _ => return Err(RefusalReason::Security),
            };
            Ok(Security {
                setup: Some(setup),
                ..Security::default()
            })
        }
    }
}

fn offer_security(answered: &MediaParams, local: &MediaParams) -> Result<Security, RefusalReason> {
    match keying(local.profile) {
        // Keys that do not fit ours are no answer in the clear: the peer will encrypt.
        Keying::None if answered.profile.is_secure() || !answered.keys.receive.is_empty() => {
            match conclude_keys(answered, local) {
                Some(keys) => Ok(keys.into()),
                None if local.keys.send.is_empty() && !answered.profile.is_secure() => plain(local),
                None => Err(RefusalReason::Security),
            }
        }
        Keying::None => plain(local),
        Keying::Signalled => conclude_keys(answered, local)
            .map(Security::from)
            .ok_or(RefusalReason::Security),
        Keying::Dtls => {
            let (theirs, ours) = both_dtls(answered, local)?;
            // An answer must choose; one that did not is taken to wait for nothing and open.
            let setup = match (theirs, ours) {
                (Setup::ActPass, Setup::ActPass) => Setup::Passive,
                (Setup::ActPass, ours) => ours,
                (theirs, _) => theirs,
            };
            Ok(Security {
                setup: Some(setup),
                ..Security::default()
            })
        }
    }
}

/// The first of the offer's suites that we have, under its tag and its spelling (RFC 4568 section 5.1.2).
fn answer_keys(offered: &MediaParams, local: &MediaParams) -> Option<KeyParams> {
    offered.keys.receive.iter().find_map(|theirs| {
        let theirs = line_of(theirs, offered);
        let first = theirs.first()?;
        let mut ours = local.keys.send.iter();
        let ours = ours.find(|k| theirs.iter().all(|t| fits(k, t)))?;
        let ours = MasterKey {
            tag: first.tag,
            suite: first.suite.clone(),
            ..ours.clone()
        };
        Some(both(ours, theirs))
    })
}

/// The suite that the answer chose: by the tag, which the name must not belie (RFC 4568 section 5.1.3).
fn conclude_keys(answered: &MediaParams, local: &MediaParams) -> Option<KeyParams> {
    answered.keys.receive.iter().find_map(|theirs| {
        let mut ours = local.keys.send.iter();
        let ours = ours.find(|k| k.tag == theirs.tag)?;
        let theirs = line_of(theirs, answered);
        let fit = theirs.iter().all(|t| fits(ours, t));
        fit.then(|| both(ours.clone(), theirs))
    })
}

/// The keys of the line that `key` is in, which the peer may change between as it likes (RFC 4568 section 6.1).
fn line_of(key: &MasterKey, peer: &MediaParams) -> Vec<MasterKey> {
    let in_line = |k: &&MasterKey| {
        let has_name = k.mki.is_some() && key.mki.is_some();
        *k == key || (has_name && (k.tag, &k.suite) == (key.tag, &key.suite))
    };
    let all = peer.keys.receive.iter();
    all.filter(in_line).cloned().collect()
}

/// Whether the keys are of one suite, and two: under a key that is sent back to us both ways would be one key stream.
fn fits(ours: &MasterKey, theirs: &MasterKey) -> bool {
    canonical_suite(&ours.suite) == canonical_suite(&theirs.suite)
        && ours.key_and_salt != theirs.key_and_salt
}

fn both(ours: MasterKey, theirs: Vec<MasterKey>) -> KeyParams {
    KeyParams {
        send: vec![ours],
        receive: theirs,
    }
}

fn plain(local: &MediaParams) -> Result<Security, RefusalReason> {
    if local.policy == SecurityPolicy::Required {
        Err(RefusalReason::Security)
    } else {
        Ok(Security::default())
    }
}

/// The role that the peer leaves us, and the role that we would like.
fn both_dtls(remote: &MediaParams, local: &MediaParams) -> Result<(Setup, Setup), RefusalReason> {
    let theirs = remote.dtls.as_ref().ok_or(RefusalReason::Security)?;
    let ours = local.dtls.as_ref().ok_or(RefusalReason::Security)?;
    Ok((theirs.setup, ours.setup))
}
