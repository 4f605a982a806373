//! SRTP with ffmpeg: a scripted peer answers our call, and its media are ffmpeg's, under the keys of both descriptions.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use super::secured::must_be_secured;
use crate::case::{Case, Peer};
use crate::clock::{Deadline, pause};
use crate::error::{Error, ensure};
use crate::ffmpeg::{self, SUITE};
use crate::lab::Lab;
use crate::ports;
use crate::sound::{self, Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

pub(super) const SENDS: Case = Case {
    name: "ffmpeg-sends-srtp",
    shows: "ffmpeg encrypts a voice, and we hear it",
    with: &[Peer::Ffmpeg, Peer::Sox],
    raw: false,
    run: sends,
};

pub(super) const RECEIVES: Case = Case {
    name: "ffmpeg-hears-srtp",
    shows: "we encrypt our voice, and ffmpeg hears it",
    with: &[Peer::Ffmpeg, Peer::Sox],
    raw: false,
    run: receives,
};

/// The peer's key, which every reader of these lines knows.
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
/// How long we talk. A busy machine takes a while to start what listens.
const TALK: &str = "8s";
/// How much of that must have arrived.
const HEARD: usize = 4;

fn sends(lab: &Lab) -> Result<(), Error> {
    let (peer, port) = (Callee::bind()?, ports::block()?);
    let mut ours = peer.is_called(lab)?;
    let invite = peer.next("INVITE")?;
    let offered = Offered::read(&invite.text)?;
    peer.answer(&invite, &description(port, offered.tag, "sendonly"))?;
    peer.next("ACK")?;
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let _ffmpeg = ffmpeg::send(lab, &voice, port + 2, offered.port, KEY)?;
    peer.answer(&peer.next("BYE")?, "")?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    must_be_secured(&ours)?;
    // ffmpeg takes its time to start.
    let report = ours.report()?;
    let mut wrong = report.wrong();
    wrong.retain(|code| *code == "slow_start");
    ours.must_have_heard_with(&voice, HEARD, &wrong)
}

fn receives(lab: &Lab) -> Result<(), Error> {
    let (peer, port) = (Callee::bind()?, ports::block()?);
    let mut ours = peer.is_called(lab)?;
    let invite = peer.next("INVITE")?;
    let offered = Offered::read(&invite.text)?;
    let coded = lab.path("heard.ul");
    let mut ffmpeg = ffmpeg::receive(lab, port, &offered.key, &coded)?;
    // It does not say when it listens.
    pause(Duration::from_secs(1));
    peer.answer(&invite, &description(port, offered.tag, "recvonly"))?;
    peer.answer(&peer.next("BYE")?, "")?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    ffmpeg.interrupt()?;
    ffmpeg.wait(SOON)?;
    must_be_secured(&ours)?;
    let heard = lab.path("heard.wav");
    sound::decode(&coded, &heard, Codec::Pcmu)?;
    let said = Wav::read_mono(&ours.voice)?;
    Match::find(&said, &Wav::read_mono(&heard)?).in_one_piece(HEARD * 8_000)
}

fn description(port: u16, tag: &str, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={direction}\r\n\
         a=crypto:{tag} {SUITE} inline:{KEY}\r\n"
    )
}

/// What our INVITE offers, as far as the peer needs it.
struct Offered<'a> {
    port: u16,
    tag: &'a str,
    key: String,
}

impl<'a> Offered<'a> {
    fn read(invite: &'a str) -> Result<Self, Error> {
        let missing = || Error::new("our INVITE offers no such key");
        let port = invite.lines().find_map(|l| l.strip_prefix("m=audio "));
        let port = port.and_then(|l| l.split(' ').next()?.parse().ok());
        let mut keys = invite.lines().filter_map(|l| l.strip_prefix("a=crypto:"));
        let (tag, key) = keys
            .find_map(|l| {
                let (tag, rest) = l.split_once(' ')?;
                Some((tag, rest.strip_prefix(SUITE)?.strip_prefix(" inline:")?))
            })
            .ok_or_else(missing)?;
        Ok(Self {
            port: port.ok_or_else(missing)?,
            tag,
            key: key.trim_end().to_owned(),
        })
    }
}

/// A peer that takes one call with literal messages.
struct Callee(UdpSocket);

struct Request {
    text: String,
    from: std::net::SocketAddr,
}

impl Callee {
    fn bind() -> Result<Self, Error> {
        let failed = |error| Error::io("the scripted peer", &error);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, ports::block()?)).map_err(failed)?;
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .map_err(failed)?;
        Ok(Self(socket))
    }

    /// Has us call it, with media that must be encrypted.
    fn is_called(&self, lab: &Lab) -> Result<Ours, Error> {
        let here = self.0.local_addr();
        let here = here.map_err(|error| Error::io("the scripted peer", &error))?;
        let options = ["--srtp", "required", "--srtp-keys-in-clear"];
        let options = [&options[..], &["--duration", TALK]].concat();
        Ours::call(lab, &format!("sip:peer@{here}"), Codec::Pcmu, &options)
    }

    /// Waits for a request of this method.
    fn next(&self, method: &str) -> Result<Request, Error> {
        let deadline = Deadline::after(LIMIT);
        let mut buffer = [0; 8192];
        while !deadline.is_over() {
            let Ok((len, from)) = self.0.recv_from(&mut buffer) else {
                continue;
            };
            let text = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default());
            if text.starts_with(&format!("{method} ")) {
                let text = text.into_owned();
                return Ok(Request { text, from });
            }
        }
        Err(Error::new(format!("we sent no {method}")))
    }

    /// 200 with what the request said of itself (RFC 3261 section 8.2.6.2).
    fn answer(&self, request: &Request, description: &str) -> Result<(), Error> {
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for line in request.text.lines().take_while(|l| !l.is_empty()) {
            match line.split(':').next().unwrap_or_default() {
                "To" if !line.contains(";tag=") => text += &format!("{line};tag=peer\r\n"),
                "Via" | "From" | "To" | "Call-ID" | "CSeq" => text += &format!("{line}\r\n"),
                _ => {}
            }
        }
        let here = self.0.local_addr();
        let here = here.map_err(|error| Error::io("the scripted peer", &error))?;
        text += &format!("Contact: <sip:peer@{here}>\r\n");
        if !description.is_empty() {
            text += "Content-Type: application/sdp\r\n";
        }
        text += &format!("Content-Length: {}\r\n\r\n{description}", description.len());
        let sent = self.0.send_to(text.as_bytes(), request.from);
        let sent = sent.map_err(|error| Error::io("the scripted peer", &error))?;
        ensure(sent == text.len(), || "the answer was cut".into())
    }
}
