//! Our own description, written from media parameters.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::MediaParams;
use sdp_rs::lines;

use crate::attribute::{print_direction, print_fmtp, print_packet_time, print_rtpmap};
use crate::error::{Error, ErrorKind, Result};
use crate::line::{Bandwidth, Connection, Media, addrtype};
use crate::{ice, keys};

/// What stands in the o= line of our descriptions (RFC 8866 section 5.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user's name, without spaces; `-` for none.
    pub username: Box<str>,
    /// The number of the session; drawn at random, so that no two are the same.
    pub session_id: u64,
    /// The version of the first description; those that follow count up.
    pub version: u64,
    /// Our address as the peer sees it.
    pub address: IpAddr,
}

impl Identity {
    fn print(&self, version: u64) -> String {
        let username: String = self
            .username
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .collect();
        lines::Origin {
            username: if username.is_empty() {
                "-".into()
            } else {
                username
            },
            sess_id: self.session_id.to_string(),
            sess_version: version.to_string(),
            nettype: lines::common::Nettype::In,
            addrtype: addrtype(self.address),
            unicast_address: self.address,
        }
        .to_string()
    }
}

/// A description of ours as it is sent. Its text bears keys, which [`fmt::Debug`] keeps to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalDescription(Box<str>);

impl LocalDescription {
    /// The text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LocalDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalDescription({} bytes)", self.0.len())
    }
}

/// One m= line that we write.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum LocalMedia {
    /// A medium that is on: encodings in `receive`, address in `local`, keys in `keys.send`.
    On(Box<MediaParams>),
    /// A medium that is off and keeps its place (RFC 3264 sections 6 and 8.2): the line as it was last
    /// written by either end.
    Off(Media),
}

/// Writes a description of `media` in their order.
///
/// # Errors
/// [`ErrorKind::BadLocal`] for a medium that is on without an address or an encoding.
pub(crate) fn write(
    identity: &Identity,
    version: u64,
    media: &[LocalMedia],
) -> Result<LocalDescription> {
    let on = || {
        media.iter().filter_map(|m| match m {
            LocalMedia::On(params) => Some(params),
            LocalMedia::Off(_) => None,
        })
    };
    let address = on()
        .find_map(|p| p.local)
        .map_or(identity.address, |local| local.advertised.ip());
    let mut out = vec![
        lines::Version::V0.to_string(),
        identity.print(version),
        lines::SessionName::new("-".into()).to_string(),
        Connection::print(address),
        "t=0 0".into(),
    ];
    if on().any(|p| p.ice.as_ref().is_some_and(|ice| ice.lite)) {
        out.push("a=ice-lite".into());
    }
    for medium in media {
        match medium {
            LocalMedia::On(params) => write_media(&mut out, params, address)?,
            LocalMedia::Off(media) => out.push(
                Media {
                    port: 0,
                    ports: None,
                    ..media.clone()
                }
                .print(),
            ),
        }
    }
    // What came from outside (parameters, names) must not smuggle lines in.
    if out.iter().any(|line| line.contains(['\r', '\n'])) {
        return Err(ErrorKind::BadLocal.into());
    }
    out.push(String::new());
    Ok(LocalDescription(out.join("\r\n").into()))
}

/// The m= line of `params` with the port `port`.
pub(crate) fn media_line(params: &MediaParams, port: u16) -> Media {
    let media = match params.kind {
        MediaKind::Video => "video",
        MediaKind::Text => "text",
        _ => "audio",
    };
    let mut formats: Vec<Box<str>> = params
        .receive
        .iter()
        .map(|m| m.payload_type.to_string().into())
        .collect();
    // The grammar wants a format even where none is meant.
    if formats.is_empty() {
        formats.push("0".into());
    }
    Media {
        media: media.into(),
        port,
        ports: None,
        protocol: Media::protocol(params.profile).into(),
        formats,
    }
}

fn write_media(out: &mut Vec<String>, params: &MediaParams, session_address: IpAddr) -> Result<()> {
    let bad = Error::at_slot(ErrorKind::BadLocal, params.slot);
    let local = params.local.ok_or(bad)?.advertised;
    // Nowhere is an address only for a hold of the old kind.
    let nowhere = local.ip().is_unspecified() && params.direction != MediaDirection::Inactive;
    if local.port() == 0 || nowhere || params.receive.is_empty() {
        return Err(bad);
    }
    out.push(media_line(params, local.port()).print());
    if local.ip() != session_address {
        out.push(Connection::print(local.ip()));
    }
    if let Some(bits) = params.bandwidth {
        out.push(Bandwidth::print("AS", bits.div_ceil(1000)));
        out.push(Bandwidth::print("TIAS", bits));
    }
    for mapping in &params.receive {
        // Static payload types could do without, but there are peers that want the line.
        out.push(print_rtpmap(mapping));
        out.extend(print_fmtp(mapping));
    }
    if let Some(time) = params.ptime {
        out.push(print_packet_time(false, time));
    }
    if let Some(time) = params.max_ptime {
        out.push(print_packet_time(true, time));
    }
    out.push(print_direction(params.direction));
    write_rtcp(out, params, local);
    if let Some(mid) = &params.mid {
        out.push(format!("a=mid:{mid}"));
    }
    write_security(out, params);
    Ok(())
}

fn write_rtcp(out: &mut Vec<String>, params: &MediaParams, local: SocketAddr) {
    if let Some(rtcp) = params.rtcp.local.map(|a| a.advertised) {
        if rtcp.ip() != local.ip() {
            out.push(format!(
                "a=rtcp:{} IN {} {}",
                rtcp.port(),
                addrtype(rtcp.ip()),
                rtcp.ip()
            ));
        } else if Some(rtcp.port()) != local.port().checked_add(1) {
            out.push(format!("a=rtcp:{}", rtcp.port()));
        }
    }
    if params.rtcp.mux {
        out.push("a=rtcp-mux".into());
    }
    if params.rtcp.reduced_size {
        out.push("a=rtcp-rsize".into());
    }
    if params.rtcp.extended_reports {
        // Loss, delay and jitter of a call; replies to the peer's time stamps (RFC 3611 section 5.1).
        out.push("a=rtcp-xr:rcvr-rtt=all stat-summary=loss,dup,jitt voip-metrics".into());
    }
}

fn write_security(out: &mut Vec<String>, params: &MediaParams) {
    out.extend(params.keys.send.iter().map(keys::crypto_line));
    if let Some(dtls) = &params.dtls {
        out.extend(dtls.fingerprints.iter().map(keys::print_fingerprint));
        out.push(keys::print_setup(dtls.setup));
        if let Some(id) = &dtls.tls_id {
            out.push(format!("a=tls-id:{id}"));
        }
    }
    if let Some(ice) = &params.ice {
        out.push(format!("a=ice-ufrag:{}", ice.ufrag));
        out.push(format!("a=ice-pwd:{}", ice.password.expose()));
        if ice.trickle {
            out.push("a=ice-options:trickle".into());
        }
        out.extend(ice.candidates.iter().map(ice::print_candidate));
    }
}
