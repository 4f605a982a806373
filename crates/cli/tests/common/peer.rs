//! A peer that does what it is told and no more: it takes one call with literal messages and sends the packets that it is
//! to send.

use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Run, program};

pub(crate) struct Peer {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Peer {
    /// Waits for a call; of the packets that are due every 20 ms it sends those for whose number `sends` says so.
    pub(crate) fn start(sends: impl Fn(u16) -> bool + Send + 'static) -> Self {
        Self::say("RTP/AVP", "", sends)
    }

    /// The same with another profile, and with more lines in its description.
    pub(crate) fn say(
        profile: &'static str,
        lines: &'static str,
        sends: impl Fn(u16) -> bool + Send + 'static,
    ) -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = sip.local_addr().unwrap();
        let thread = std::thread::spawn(move || serve(&sip, profile, lines, &sends));
        Self { address, thread }
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:peer@{}", self.address)
    }

    /// Waits until its call is over.
    pub(crate) fn end(self) {
        self.thread.join().unwrap();
    }
}

fn serve(sip: &UdpSocket, profile: &str, lines: &str, sends: &dyn Fn(u16) -> bool) {
    let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = rtp.local_addr().unwrap().port();
    let local = sip.local_addr().unwrap();
    let mut media = None;
    let mut number = 0;
    let mut buffer = [0; 4096];
    loop {
        let received = sip.recv_from(&mut buffer);
        if let Ok((len, from)) = received {
            let text = std::str::from_utf8(&buffer[..len]).unwrap();
            let sdp = format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=audio {port} {profile} 0\r\na=rtpmap:0 PCMU/8000\r\n{lines}"
            );
            match text.split(' ').next() {
                Some("INVITE") => {
                    let line = text.lines().find(|l| l.starts_with("m=audio")).unwrap();
                    let to: u16 = line.split(' ').nth(1).unwrap().parse().unwrap();
                    media = Some(SocketAddr::from(([127, 0, 0, 1], to)));
                    let more = format!(
                        "Contact: <sip:peer@{local}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                        sdp.len()
                    );
                    sip.send_to(answer(text, &more).as_bytes(), from).unwrap();
                    // From now on there is a packet to send every 20 ms.
                    sip.set_read_timeout(Some(Duration::from_millis(20)))
                        .unwrap();
                }
                Some("BYE") => {
                    let more = "Content-Length: 0\r\n\r\n";
                    sip.send_to(answer(text, more).as_bytes(), from).unwrap();
                    return;
                }
                _ => {}
            }
        } else if let Some(media) = media {
            if sends(number) {
                rtp.send_to(&packet(number), media).unwrap();
            }
            number += 1;
        }
    }
}

/// A peer that is busy.
pub(crate) struct Busy {
    pub(crate) address: SocketAddr,
    asked: JoinHandle<String>,
}

impl Busy {
    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let (n, from) = socket.recv_from(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let busy = answer(&text, "Content-Length: 0\r\n\r\n");
            let busy = busy.replace("200 OK", "486 Busy Here");
            socket.send_to(busy.as_bytes(), from).unwrap();
            text
        });
        Self { address, asked }
    }

    /// The INVITE of the program with `args`, which fails.
    pub(crate) fn invite(self, args: &[&str]) -> String {
        let run = Run::of(&mut program(&[args, &["--bind", "127.0.0.1:0"]].concat()));
        assert_eq!(run.code, Some(3), "{run:?}");
        self.asked.join().unwrap()
    }
}

/// The value of a field.
pub(crate) fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .lines()
        .find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": ")))
}

/// 200 with what the request said of itself (RFC 3261 section 8.2.6.2).
fn answer(request: &str, more: &str) -> String {
    let mut out = "SIP/2.0 200 OK\r\n".to_owned();
    for line in request.lines().take_while(|l| !l.is_empty()) {
        let name = line.split(':').next().unwrap();
        match name {
            "To" if !line.contains(";tag=") => out += &format!("{line};tag=peer\r\n"),
            "Via" | "From" | "To" | "Call-ID" | "CSeq" => out += &format!("{line}\r\n"),
            _ => {}
        }
    }
    out + more
}

/// 20 ms of something loud in µ-law (RFC 3550 section 5.1).
fn packet(number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend(0x70ee_70ee_u32.to_be_bytes());
    packet.extend((0..160_u32).map(|n| {
        let place = u32::from(number) * 160 + n;
        // Both signs, from half to full scale.
        (place.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x8f
    }));
    packet
}
