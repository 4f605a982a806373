//! One line of a description: its text, kept as it came, and what it means.

use std::fmt;
use std::net::IpAddr;

use msp_core::media::MediaKind;
use msp_core::params::Profile;
use sdp_rs::lines;

use crate::attribute::Attribute;
use crate::error::ErrorKind;
use crate::limits::Limits;

/// A host as a line names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, which somebody else has to resolve.
    Name(Box<str>),
}

impl Host {
    fn parse(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Name(text.into()), Self::Ip)
    }

    /// The address, unless it is a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// Whether nothing can be sent there: the unspecified address of old holds (RFC 3264 section 8.4), or a
    /// name under `.invalid`, which never resolves (RFC 6761 section 6.4).
    pub fn is_nowhere(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_unspecified(),
            Self::Name(name) => name
                .trim_end_matches('.')
                .rsplit('.')
                .next()
                .is_some_and(|top| top.eq_ignore_ascii_case("invalid")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The o= line: who made the description, and which of his it is (RFC 8866 section 5.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The user's name, or `-`.
    pub username: Box<str>,
    /// The session's number.
    pub session_id: Box<str>,
    /// Grows with each change of the description.
    pub version: Box<str>,
    /// The machine.
    pub address: Host,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let line = one_space(text);
        let (_, tokens) = lines::origin::Tokenizer::tokenize(&line).ok()?;
        if tokens.nettype != "IN" {
            return None;
        }
        // The types of sdp-rs refuse names of hosts here, and an address that more fields follow: its tokens do not.
        Some(Self {
            username: tokens.username.into(),
            session_id: tokens.sess_id.into(),
            version: tokens.sess_version.into(),
            address: Host::parse(tokens.unicast_address.split(' ').next()?),
        })
    }
}

/// The c= line: where media are received (RFC 8866 section 5.7).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Connection {
    /// The address or name.
    pub host: Host,
    /// The rest after `/`: lifetime and number of addresses of a multicast group.
    pub scope: Option<Box<str>>,
}

impl Connection {
    fn parse(text: &str) -> Option<Self> {
        let line = one_space(text);
        let (_, tokens) = lines::connection::Tokenizer::tokenize(&line).ok()?;
        let scope = line
            .trim_end()
            .split_once('/')
            .map(|(_, scope)| scope.into());
        // The types of sdp-rs refuse names of hosts: its tokens do not.
        let host = Host::parse(tokens.connection_address.base);
        let named = match &host {
            Host::Ip(_) => true,
            Host::Name(name) => {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                    && name.bytes().any(|b| b.is_ascii_alphabetic())
            }
        };
        (tokens.nettype == "IN" && named).then_some(Self { host, scope })
    }

    /// The line that names `ip`.
    pub(crate) fn print(ip: IpAddr) -> String {
        lines::Connection {
            nettype: lines::common::Nettype::In,
            addrtype: addrtype(ip),
            connection_address: ip.into(),
        }
        .to_string()
    }
}

pub(crate) const fn addrtype(ip: IpAddr) -> lines::common::Addrtype {
    match ip {
        IpAddr::V4(_) => lines::common::Addrtype::Ip4,
        IpAddr::V6(_) => lines::common::Addrtype::Ip6,
    }
}

/// The m= line: what a medium is and where it is received (RFC 8866 section 5.14).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Media {
    /// `audio`, `video`, `image`, ...
    pub media: Box<str>,
    /// The port, 0 when the medium is off.
    pub port: u16,
    /// How many port pairs, where more than one.
    pub ports: Option<u8>,
    /// The transport, for instance `RTP/AVP`.
    pub protocol: Box<str>,
    /// The formats: payload types under RTP.
    pub formats: Vec<Box<str>>,
}

impl Media {
    fn parse(text: &str) -> Result<Self, ErrorKind> {
        let line = one_space(text);
        let (_, tokens) =
            lines::media::Tokenizer::tokenize(&line).map_err(|_| ErrorKind::BadMedia)?;
        let formats = || tokens.fmt.split_ascii_whitespace();
        if formats().nth(Limits::FORMATS).is_some() {
            return Err(ErrorKind::TooManyFormats);
        }
        let formats: Vec<Box<str>> = formats().map(Into::into).collect();
        if formats.is_empty() {
            return Err(ErrorKind::BadMedia);
        }
        let bad = |_| ErrorKind::BadMedia;
        let ports = tokens.port.num_of_ports.map(str::parse).transpose();
        Ok(Self {
            media: tokens.media.into(),
            port: tokens.port.port.parse().map_err(bad)?,
            ports: ports.map_err(bad)?,
            protocol: tokens.proto.into(),
            formats,
        })
    }

    /// The line as it is written.
    pub(crate) fn print(&self) -> String {
        let media = lines::Media {
            media: (&*self.media).into(),
            port: self.port,
            num_of_ports: self.ports,
            proto: (&*self.protocol).into(),
            fmt: self.formats.join(" "),
        };
        format!("m={media}")
    }

    /// The kind of medium, where we have a word for it.
    pub fn kind(&self) -> Option<MediaKind> {
        Some(match &*self.media {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            "text" => MediaKind::Text,
            _ => return None,
        })
    }

    /// The RTP profile, where the transport is one that we have a word for.
    pub fn profile(&self) -> Option<Profile> {
        PROFILES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&self.protocol))
            .map(|(_, profile)| *profile)
    }

    /// The name of `profile` on an m= line.
    pub(crate) fn protocol(profile: Profile) -> &'static str {
        PROFILES
            .iter()
            .find(|(_, p)| *p == profile)
            .map_or("RTP/AVP", |(name, _)| name)
    }
}

const PROFILES: [(&str, Profile); 6] = [
    ("RTP/AVP", Profile::Avp),
    ("RTP/SAVP", Profile::Savp),
    ("RTP/AVPF", Profile::Avpf),
    ("RTP/SAVPF", Profile::Savpf),
    ("UDP/TLS/RTP/SAVP", Profile::UdpTlsSavp),
    ("UDP/TLS/RTP/SAVPF", Profile::UdpTlsSavpf),
];

/// A b= line (RFC 8866 section 5.8).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bandwidth {
    /// `AS`, `TIAS`, `CT`, ...
    pub modifier: Box<str>,
    /// The figure, in the unit of the modifier.
    pub value: u32,
}

impl Bandwidth {
    fn parse(text: &str) -> Option<Self> {
        let line = one_space(text);
        let (_, tokens) = lines::bandwidth::Tokenizer::tokenize(&line).ok()?;
        let b = lines::Bandwidth::try_from(tokens).ok()?;
        Some(Self {
            modifier: b.bwtype.to_string().into(),
            value: b.bandwidth,
        })
    }

    /// The line as it is written.
    pub(crate) fn print(modifier: &str, value: u32) -> String {
        lines::Bandwidth {
            bwtype: modifier.into(),
            bandwidth: value,
        }
        .to_string()
    }
}

/// What a line means.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value {
    /// The v= line.
    Version,
    /// The o= line.
    Origin(Origin),
    /// A c= line.
    Connection(Connection),
    /// A b= line.
    Bandwidth(Bandwidth),
    /// An m= line.
    Media(Media),
    /// An a= line.
    Attribute(Attribute),
    /// Another line, or one that cannot be read and does not matter.
    Other,
}

/// A line, its text kept byte for byte.
#[derive(Clone, PartialEq)]
pub struct Line {
    text: Box<str>,
    ending: Ending,
    value: Value,
}

/// What ends a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    CrLf,
    Lf,
    Cr,
    /// The text ends without one.
    None,
}

impl Ending {
    const fn text(self) -> &'static str {
        match self {
            Self::CrLf => "\r\n",
            Self::Lf => "\n",
            Self::Cr => "\r",
            Self::None => "",
        }
    }
}

impl Line {
    /// Reads the text of a line that stands without its end.
    pub(crate) fn parse(text: &str, ending: Ending) -> Result<Self, ErrorKind> {
        let value = match (text.get(..2), text.get(2..)) {
            (Some("v="), Some(version)) => {
                // A peer is known that writes `v=00`.
                let version = version.trim();
                if version.is_empty() || version.bytes().any(|b| b != b'0') {
                    return Err(ErrorKind::BadVersion);
                }
                Value::Version
            }
            (Some("o="), _) => Value::Origin(Origin::parse(text).ok_or(ErrorKind::BadOrigin)?),
            (Some("c="), _) => {
                Value::Connection(Connection::parse(text).ok_or(ErrorKind::BadConnection)?)
            }
            (Some("b="), _) => Bandwidth::parse(text).map_or(Value::Other, Value::Bandwidth),
            (Some("m="), _) => Value::Media(Media::parse(text)?),
            (Some("a="), Some(attribute)) => Value::Attribute(Attribute::parse(attribute)),
            _ => Value::Other,
        };
        Ok(Self {
            text: text.into(),
            ending,
            value,
        })
    }

    /// What the line means.
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The text without its end.
    pub const fn text(&self) -> &str {
        &self.text
    }

    /// Whether the text bears a key or a password.
    fn is_secret(&self) -> bool {
        ["a=crypto:", "a=ice-pwd:", "k="]
            .iter()
            .any(|start| self.text.starts_with(start))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(self.ending.text())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret() {
            f.write_str("***")
        } else {
            fmt::Debug::fmt(&self.text, f)
        }
    }
}

/// The line with runs of spaces made one and an end as sdp-rs wants it. Spaces at the end go.
fn one_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.push('\n');
    out
}
