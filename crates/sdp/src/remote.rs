//! What a peer's description says, as media parameters seen from here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use msp_core::id::PayloadType;
use msp_core::media::MediaDirection;
use msp_core::params::{
    Candidate, DtlsParams, Fingerprint, IceParams, MediaParams, MediaSlot, PayloadMapping, Setup,
};
use msp_core::secret::Secret;

use crate::attribute::Attribute;
use crate::description::{MediaSection, Section, SessionDescription};
use crate::error::{Error, ErrorKind, Result};
use crate::keys;
use crate::limits::Limits;
use crate::line::{Connection, Host, Media};
use crate::payload::static_codec;

/// Why a part of a description was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The value of an attribute cannot be read.
    Malformed,
    /// A format that is no payload type, 0 to 127.
    NoPayloadType,
    /// A payload type that is listed or explained a second time.
    Duplicate,
    /// A dynamic payload type that no rtpmap explains.
    Unexplained,
    /// More keys, candidates, fingerprints or sources than [`Limits`] takes.
    TooMany,
    /// An m= line of an answer that answers nothing.
    NotOffered,
}

/// A part of a description that was passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ignored {
    /// The line of the text, counted from 1.
    pub line: usize,
    /// Why.
    pub reason: IgnoreReason,
}

/// A name where an address is needed. Nobody in here asks DNS: who resolves it calls [`Unresolved::resolve`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unresolved {
    /// The medium.
    pub slot: MediaSlot,
    /// The name.
    pub host: Box<str>,
    /// The port of the media.
    pub port: u16,
    /// The port of reports.
    pub rtcp_port: u16,
}

impl Unresolved {
    /// Fills in the addresses of the medium in `params`, now that the name is known to mean `ip`.
    pub fn resolve(&self, ip: IpAddr, params: &mut [MediaParams]) {
        for p in params
            .iter_mut()
            .filter(|p| p.slot == self.slot && !p.refused)
        {
            p.remote = Some(SocketAddr::new(ip, self.port));
            if p.rtcp.remote.is_none() {
                let port = if p.rtcp.mux {
                    self.port
                } else {
                    self.rtcp_port
                };
                p.rtcp.remote = Some(SocketAddr::new(ip, port));
            }
        }
    }
}

/// A medium of a peer's description.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteMedia {
    /// The m= line.
    pub media: Media,
    /// What is said about it, seen from here; none where we have no word for the kind or the profile.
    ///
    /// `send` is what the peer receives; `receive` stays empty. `direction` is what is left for us to do.
    /// `rtcp.remote` is where reports go as long as sharing the port is not agreed. `refused` says that the port is 0. `keys.receive` are the peer's keys, `dtls.setup` our role.
    pub params: Option<MediaParams>,
    /// The name that stands where the address should.
    pub unresolved: Option<Unresolved>,
}

/// What a peer's description says.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteSession {
    /// The media in their order.
    pub media: Vec<RemoteMedia>,
    /// What was passed over.
    pub ignored: Vec<Ignored>,
}

impl RemoteSession {
    /// Reads what `description` says.
    ///
    /// # Errors
    /// [`ErrorKind::NoConnection`] for a medium of RTP that is on and has no c= line.
    pub fn read(description: &SessionDescription) -> Result<Self> {
        let mut ignored = Vec::new();
        let mut defaults = SecurityLines::default();
        for (line, attribute) in description.session().numbered_attributes() {
            if *attribute == Attribute::Malformed {
                ignored.push(Ignored {
                    line,
                    reason: IgnoreReason::Malformed,
                });
            }
            defaults.take(attribute);
        }
        let mut media = Vec::with_capacity(description.media().len());
        for (i, section) in description.media().iter().enumerate() {
            // There are at most 16.
            let slot = MediaSlot(i as u16);
            media.push(read_media(
                slot,
                section,
                description.session(),
                &defaults,
                &mut ignored,
            )?);
        }
        Ok(Self { media, ignored })
    }
}

fn read_media(
    slot: MediaSlot,
    section: &MediaSection,
    session: &Section,
    defaults: &SecurityLines,
    ignored: &mut Vec<Ignored>,
) -> Result<RemoteMedia> {
    let media = section.media.clone();
    let (Some(kind), Some(profile)) = (media.kind(), media.profile()) else {
        return Ok(RemoteMedia {
            media,
            params: None,
            unresolved: None,
        });
    };
    let section = &section.section;
    let mut params = MediaParams::new(slot, kind);
    params.profile = profile;
    params.refused = media.port == 0;
    params.direction = direction(section)
        .or_else(|| direction(session))
        .unwrap_or_default()
        .reversed();
    params.bandwidth = bandwidth(section).or_else(|| bandwidth(session));
    // A medium that is off lists formats only for the grammar's sake: nobody explains them.
    params.send = if params.refused {
        read_formats(&media, section, &mut Vec::new())
    } else {
        read_formats(&media, section, ignored)
    };

    let mut rtcp = None;
    let mut security = SecurityLines::default();
    for (line, attribute) in section.numbered_attributes() {
        let mut note = |reason| ignored.push(Ignored { line, reason });
        match attribute {
            Attribute::Malformed => note(IgnoreReason::Malformed),
            Attribute::Ptime(time) => {
                params.ptime.get_or_insert(*time);
            }
            Attribute::MaxPtime(time) => {
                params.max_ptime.get_or_insert(*time);
            }
            Attribute::Rtcp(port, ip) => rtcp = rtcp.or(Some((*port, *ip))),
            Attribute::RtcpMux => params.rtcp.mux = true,
            Attribute::RtcpReducedSize => params.rtcp.reduced_size = true,
            Attribute::RtcpExtendedReports => params.rtcp.extended_reports = true,
            Attribute::Mid(mid) => params.mid = Some(mid.clone()),
            Attribute::Source(ssrc) if !params.sources.contains(ssrc) => {
                if params.sources.len() < Limits::KEYS {
                    params.sources.push(*ssrc);
                } else {
                    note(IgnoreReason::TooMany);
                }
            }
            Attribute::Crypto(keys) => {
                if params.keys.receive.len() + keys.len() <= Limits::KEYS {
                    params.keys.receive.extend_from_slice(keys);
                } else {
                    note(IgnoreReason::TooMany);
                }
            }
            attribute => {
                if !security.take(attribute) {
                    note(IgnoreReason::TooMany);
                }
            }
        }
    }
    params.dtls = security.dtls(defaults);
    params.ice = security.ice(defaults);

    let mut unresolved = None;
    if !params.refused {
        let connection = section
            .connection()
            .or_else(|| session.connection())
            .ok_or_else(|| Error::at_line(ErrorKind::NoConnection, section.first_line()))?;
        unresolved = address(slot, &mut params, connection, media.port, rtcp);
    }
    Ok(RemoteMedia {
        media,
        params: Some(params),
        unresolved,
    })
}

/// Fills in where the peer receives. A hold of the old kind takes the sending out of the direction instead.
fn address(
    slot: MediaSlot,
    params: &mut MediaParams,
    connection: &Connection,
    port: u16,
    rtcp: Option<(u16, Option<IpAddr>)>,
) -> Option<Unresolved> {
    // With candidates, the address is only a placeholder: offers may leave before any is known (RFC 8840).
    if connection.host.is_nowhere() {
        if params.ice.is_none() {
            params.direction = params.direction.and(MediaDirection::RecvOnly);
        }
        return None;
    }
    let rtcp_port = match rtcp {
        Some((rtcp_port, _)) => rtcp_port,
        // Port 65,535 has no next one: then reports have no place to go.
        None => port.checked_add(1).unwrap_or(0),
    };
    let rtcp_ip = rtcp.and_then(|(_, ip)| ip).or_else(|| connection.host.ip());
    params.rtcp.remote = rtcp_ip
        .filter(|ip| rtcp_port != 0 && !ip.is_unspecified())
        .map(|ip| SocketAddr::new(ip, rtcp_port));
    match &connection.host {
        Host::Ip(ip) => {
            params.remote = Some(SocketAddr::new(*ip, port));
            None
        }
        Host::Name(host) => Some(Unresolved {
            slot,
            host: host.clone(),
            port,
            rtcp_port,
        }),
    }
}

/// What each format of the m= line means, in its order.
fn read_formats(
    media: &Media,
    section: &Section,
    ignored: &mut Vec<Ignored>,
) -> Vec<PayloadMapping> {
    let mut explained: Vec<PayloadMapping> = Vec::new();
    for (line, attribute) in section.numbered_attributes() {
        if let Attribute::Rtpmap(payload_type, codec) = attribute {
            if explained.iter().any(|m| m.payload_type == *payload_type) {
                ignored.push(Ignored {
                    line,
                    reason: IgnoreReason::Duplicate,
                });
            } else {
                explained.push(PayloadMapping {
                    payload_type: *payload_type,
                    codec: codec.clone(),
                    parameters: None,
                });
            }
        }
    }
    let mut listed: Vec<PayloadMapping> = Vec::with_capacity(media.formats.len());
    for format in &media.formats {
        let mut ignore = |reason| {
            ignored.push(Ignored {
                line: section.first_line(),
                reason,
            });
        };
        let Some(payload_type) = format.parse().ok().filter(|n| *n < 128).map(PayloadType) else {
            ignore(IgnoreReason::NoPayloadType);
            continue;
        };
        if listed.iter().any(|m| m.payload_type == payload_type) {
            ignore(IgnoreReason::Duplicate);
            continue;
        }
        let codec = explained
            .iter()
            .find(|m| m.payload_type == payload_type)
            .map(|m| m.codec.clone())
            .or_else(|| static_codec(payload_type));
        let Some(codec) = codec else {
            ignore(IgnoreReason::Unexplained);
            continue;
        };
        let parameters = section.attributes().find_map(|a| match a {
            Attribute::Fmtp(f, parameters) if f == format => Some(parameters.clone()),
            _ => None,
        });
        listed.push(PayloadMapping {
            payload_type,
            codec,
            parameters,
        });
    }
    listed
}

fn direction(section: &Section) -> Option<MediaDirection> {
    section.attributes().find_map(|a| match a {
        Attribute::Direction(direction) => Some(*direction),
        _ => None,
    })
}

/// Bits a second: TIAS where it stands (RFC 3890), else AS, which counts kilobits (RFC 8866 section 5.8).
fn bandwidth(section: &Section) -> Option<u32> {
    let find = |modifier| {
        section
            .bandwidths()
            .find(|b| b.modifier.eq_ignore_ascii_case(modifier))
            .map(|b| b.value)
    };
    find("TIAS").or_else(|| find("AS").map(|kbit| kbit.saturating_mul(1000)))
}

/// The lines that may stand for the whole session or for one medium, as a set.
#[derive(Default)]
struct SecurityLines {
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    tls_id: Option<Arc<str>>,
    ufrag: Option<Arc<str>>,
    password: Option<Secret<String>>,
    candidates: Vec<Candidate>,
    lite: bool,
    trickle: bool,
}

impl SecurityLines {
    /// Takes what is ours; `false` when there is too much of it.
    fn take(&mut self, attribute: &Attribute) -> bool {
        match attribute {
            Attribute::Fingerprint(f) => {
                if self.fingerprints.len() == Limits::KEYS {
                    return false;
                }
                self.fingerprints.push(f.clone());
            }
            Attribute::Candidate(c) => {
                if self.candidates.len() == Limits::CANDIDATES {
                    return false;
                }
                self.candidates.push(c.clone());
            }
            Attribute::Setup(setup) => self.setup = Some(*setup),
            Attribute::TlsId(id) => self.tls_id = Some(id.clone()),
            Attribute::IceUfrag(ufrag) => self.ufrag = Some(ufrag.clone()),
            Attribute::IcePassword(password) => self.password = Some(password.clone()),
            Attribute::IceLite => self.lite = true,
            Attribute::IceTrickle => self.trickle = true,
            _ => {}
        }
        true
    }

    fn dtls(&self, defaults: &Self) -> Option<DtlsParams> {
        let fingerprints = if self.fingerprints.is_empty() {
            &defaults.fingerprints
        } else {
            &self.fingerprints
        };
        if fingerprints.is_empty() {
            return None;
        }
        // Without a role, the one of RFC 4145 section 4.1 holds: he who offers opens. But DTLS wants the
        // line (RFC 8842 section 5.2), and those who leave it out mean that either may.
        let setup = self.setup.or(defaults.setup).unwrap_or(Setup::ActPass);
        Some(DtlsParams {
            fingerprints: fingerprints.clone(),
            setup: keys::reversed(setup),
            tls_id: self.tls_id.clone().or_else(|| defaults.tls_id.clone()),
        })
    }

    fn ice(&self, defaults: &Self) -> Option<IceParams> {
        Some(IceParams {
            ufrag: self.ufrag.clone().or_else(|| defaults.ufrag.clone())?,
            password: self
                .password
                .clone()
                .or_else(|| defaults.password.clone())?,
            candidates: self.candidates.clone(),
            lite: self.lite || defaults.lite,
            trickle: self.trickle || defaults.trickle,
        })
    }
}
