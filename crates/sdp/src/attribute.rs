//! The a= lines that matter for media, read and written.
//!
//! sdp-rs reads and writes the attributes that it has types for. What it gets wrong or does not know is
//! ours: channels of an rtpmap, `inactive`, RTCP, keys, DTLS, ICE.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use msp_core::id::{PayloadType, Ssrc};
use msp_core::media::MediaDirection;
use msp_core::params::{Candidate, CodecSpec, Fingerprint, MasterKey, PayloadMapping, Setup};
use msp_core::secret::Secret;
use msp_core::time::ClockRate;
use sdp_rs::lines::attribute as known;

use crate::{ice, keys};

/// An attribute. Words that name an end of the call are as the text has them: seen from the one who wrote it.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Attribute {
    /// `a=rtpmap`: what a payload type means (RFC 8866 section 6.6).
    Rtpmap(PayloadType, CodecSpec),
    /// `a=fmtp`: a format and its parameters (RFC 8866 section 6.15).
    Fmtp(Box<str>, Arc<str>),
    /// `a=sendrecv` and its like (RFC 8866 section 6.7).
    Direction(MediaDirection),
    /// `a=ptime` (RFC 8866 section 6.4).
    Ptime(Duration),
    /// `a=maxptime` (RFC 8866 section 6.5).
    MaxPtime(Duration),
    /// `a=rtcp`: the port of reports, and the address if it is another (RFC 3605).
    Rtcp(u16, Option<IpAddr>),
    /// `a=rtcp-mux` (RFC 5761 section 5.1.1).
    RtcpMux,
    /// `a=rtcp-rsize` (RFC 5506 section 5).
    RtcpReducedSize,
    /// `a=rtcp-xr` (RFC 3611 section 5).
    RtcpExtendedReports,
    /// `a=mid` (RFC 5888 section 4).
    Mid(Arc<str>),
    /// `a=ssrc`: a source, whatever is said of it (RFC 5576 section 4.1).
    Source(Ssrc),
    /// `a=crypto`: a key with its suite, or several of one suite with identifiers (RFC 4568 section 9.1).
    Crypto(Vec<MasterKey>),
    /// `a=fingerprint` (RFC 8122 section 5).
    Fingerprint(Fingerprint),
    /// `a=setup`: the role of the one who wrote it (RFC 4145 section 4).
    Setup(Setup),
    /// `a=tls-id` (RFC 8842 section 4).
    TlsId(Arc<str>),
    /// `a=ice-ufrag` (RFC 8839 section 5.4).
    IceUfrag(Arc<str>),
    /// `a=ice-pwd` (RFC 8839 section 5.4).
    IcePassword(Secret<String>),
    /// `a=ice-lite` (RFC 8839 section 5.3).
    IceLite,
    /// `a=ice-options` with `trickle` among them (RFC 8839 section 5.6, RFC 8840).
    IceTrickle,
    /// `a=candidate` (RFC 8839 section 5.1).
    Candidate(Candidate),
    /// An attribute of this list whose value cannot be read.
    Malformed,
    /// Another attribute.
    Other,
}

/// The longest packet that a ptime may ask for: nobody means more, and nothing is sized by it unseen.
const MAX_PTIME: Duration = Duration::from_secs(1);

impl Attribute {
    /// Reads what follows `a=`.
    pub(crate) fn parse(text: &str) -> Self {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.trim())),
            None => (text.trim_end(), None),
        };
        let read = match (name, value) {
            ("rtpmap" | "ptime" | "maxptime" | "sendrecv" | "sendonly" | "recvonly", _) => {
                parse_known(name, value)
            }
            // sdp-rs misspells this one and so does not know it.
            ("inactive", None) => Some(Self::Direction(MediaDirection::Inactive)),
            ("fmtp", Some(value)) => value
                .split_once(' ')
                .map(|(format, parameters)| Self::Fmtp(format.into(), parameters.trim().into())),
            ("rtcp", Some(value)) => parse_rtcp(value),
            ("rtcp-mux", None) => Some(Self::RtcpMux),
            ("rtcp-rsize", None) => Some(Self::RtcpReducedSize),
            ("rtcp-xr", _) => Some(Self::RtcpExtendedReports),
            ("mid", Some(value)) => token(value).map(|v| Self::Mid(v.into())),
            ("ssrc", Some(value)) => value
                .split(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .map(|n| Self::Source(Ssrc(n))),
            ("crypto", Some(value)) => keys::parse_crypto(value).map(Self::Crypto),
            ("fingerprint", Some(value)) => keys::parse_fingerprint(value).map(Self::Fingerprint),
            ("setup", Some(value)) => keys::parse_setup(value).map(Self::Setup),
            ("tls-id", Some(value)) => token(value).map(|v| Self::TlsId(v.into())),
            ("ice-ufrag", Some(value)) => ice::credential(value).map(|v| Self::IceUfrag(v.into())),
            ("ice-pwd", Some(value)) => {
                ice::credential(value).map(|v| Self::IcePassword(Secret::new(v.into())))
            }
            ("ice-lite", None) => Some(Self::IceLite),
            ("ice-options", Some(value)) => Some(if value.split(' ').any(|o| o == "trickle") {
                Self::IceTrickle
            } else {
                Self::Other
            }),
            ("candidate", Some(value)) => ice::parse_candidate(value),
            _ => Some(Self::Other),
        };
        read.unwrap_or(Self::Malformed)
    }
}

/// The attributes that sdp-rs reads rightly.
fn parse_known(name: &str, value: Option<&str>) -> Option<Attribute> {
    // sdp-rs takes exactly one space in an rtpmap.
    let spaced = value.map(|v| v.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    let tokens = known::Tokenizer::from((name, spaced.as_deref()));
    Some(match known::Attribute::try_from(tokens).ok()? {
        known::Attribute::Rtpmap(map) => {
            let payload_type = u8::try_from(map.payload_type).ok().filter(|n| *n < 128)?;
            let codec = CodecSpec {
                name: map.encoding_name.trim().into(),
                clock: ClockRate::new(u32::try_from(map.clock_rate).ok()?)?,
                channels: match map.encoding_params {
                    Some(channels) => u8::try_from(channels).ok().filter(|n| *n > 0)?,
                    None => 1,
                },
            };
            token(&codec.name)?;
            Attribute::Rtpmap(PayloadType(payload_type), codec)
        }
        known::Attribute::Ptime(ms) => Attribute::Ptime(packet_time(ms)?),
        known::Attribute::Maxptime(ms) => Attribute::MaxPtime(packet_time(ms)?),
        known::Attribute::Sendrecv => Attribute::Direction(MediaDirection::SendRecv),
        known::Attribute::Sendonly => Attribute::Direction(MediaDirection::SendOnly),
        known::Attribute::Recvonly => Attribute::Direction(MediaDirection::RecvOnly),
        _ => return None,
    })
}

/// Milliseconds as a duration, to the microsecond; none if no packet can be so long.
fn packet_time(ms: f32) -> Option<Duration> {
    if !ms.is_finite() || ms <= 0.0 {
        return None;
    }
    let micros = (f64::from(ms) * 1000.0).round();
    if micros < 1.0 || micros > MAX_PTIME.as_micros() as f64 {
        return None;
    }
    // The range was checked, and there are no fractions.
    Some(Duration::from_micros(micros as u64))
}

fn parse_rtcp(value: &str) -> Option<Attribute> {
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok()?;
    let Some(nettype) = words.next() else {
        return Some(Attribute::Rtcp(port, None));
    };
    let (addrtype, address) = (words.next()?, words.next()?);
    let address: IpAddr = address.parse().ok()?;
    let fits = addrtype
        == match address {
            IpAddr::V4(_) => "IP4",
            IpAddr::V6(_) => "IP6",
        };
    (nettype == "IN" && fits).then_some(Attribute::Rtcp(port, Some(address)))
}

/// The text, if it is one word of printable characters.
pub(crate) fn token(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then_some(text)
}

/// The rtpmap line of a mapping. sdp-rs would part the channels by a space, where peers want a slash.
pub(crate) fn print_rtpmap(mapping: &PayloadMapping) -> String {
    let codec = &mapping.codec;
    let mut value = format!(
        "{} {}/{}",
        mapping.payload_type,
        codec.name,
        codec.clock.hz()
    );
    if codec.channels > 1 {
        value.push_str(&format!("/{}", codec.channels));
    }
    known::Attribute::Other("rtpmap".into(), Some(value)).to_string()
}

/// The fmtp line of a mapping, if it has parameters.
pub(crate) fn print_fmtp(mapping: &PayloadMapping) -> Option<String> {
    let fmtp = known::Fmtp {
        fmt: mapping.payload_type.to_string(),
        params: mapping.parameters.as_deref()?.into(),
    };
    Some(known::Attribute::Other("fmtp".into(), Some(fmtp.to_string())).to_string())
}

/// The line of a packet time: `name` is `ptime` or `maxptime`.
pub(crate) fn print_packet_time(maximum: bool, time: Duration) -> String {
    let ms = time.as_micros() as f32 / 1000.0;
    if maximum {
        known::Attribute::Maxptime(ms).to_string()
    } else {
        known::Attribute::Ptime(ms).to_string()
    }
}

/// The line of a direction.
pub(crate) fn print_direction(direction: MediaDirection) -> String {
    match direction {
        MediaDirection::SendRecv => known::Attribute::Sendrecv,
        MediaDirection::SendOnly => known::Attribute::Sendonly,
        MediaDirection::RecvOnly => known::Attribute::Recvonly,
        MediaDirection::Inactive => known::Attribute::Inactive,
    }
    .to_string()
}
