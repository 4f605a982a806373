//! The keys of encrypted calls, for who has to read them in a capture.

use std::io::Write;
use std::net::SocketAddr;

use msp_core::params::{MasterKey, MediaParams};
use msp_core::trace::{TraceBody, TraceEntry};
use tsp_sdp::crypto_line;

use crate::{Error, WallClock};

/// Writes the master keys that traces agreed on, one a line, each once: when, from where, to where, and the key as SDP
/// writes it (RFC 4568 section 9.1).
///
/// ```text
/// 2026-08-01T10:00:00.000Z 192.0.2.1:40000 > 192.0.2.2:50000 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...
/// ```
///
/// What follows `inline:` up to a `|` is key and salt in base64, which is what libsrtp's `rtp_decoder -s SUITE -b KEY` and
/// ffmpeg's `-srtp_in_suite SUITE -srtp_in_params KEY` take; the addresses are those of the packets in a [`Pcap`](crate::Pcap).
/// Who has such a file can hear the calls: it is for who asks for it, and the only place where keys are written.
#[derive(Debug)]
pub struct KeyLog<W> {
    out: W,
    clock: WallClock,
    written: Vec<(SocketAddr, SocketAddr, MasterKey)>,
}

impl<W: Write> KeyLog<W> {
    /// Begins a file. `clock` dates the entries.
    pub const fn new(out: W, clock: WallClock) -> Self {
        Self {
            out,
            clock,
            written: Vec::new(),
        }
    }

    /// Writes the keys of `entry` if it is an agreement; anything else is passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::ErrorKind::Write) when the writer fails.
    pub fn write(&mut self, entry: &TraceEntry) -> Result<(), Error> {
        let TraceBody::Agreed { params, .. } = &entry.body else {
            return Ok(());
        };
        for (from, to, key) in params.iter().flat_map(ways) {
            let is_it =
                |w: &(SocketAddr, SocketAddr, MasterKey)| (w.0, w.1, &w.2) == (from, to, key);
            if self.written.iter().any(is_it) {
                continue;
            }
            let (at, line) = (self.clock.rfc3339(entry.at), crypto_line(key));
            writeln!(self.out, "{at} {from} > {to} {line}")?;
            self.written.push((from, to, key.clone()));
        }
        Ok(())
    }

    /// Ends the file and gives the writer back.
    ///
    /// # Errors
    /// [`ErrorKind::Write`](crate::ErrorKind::Write) when what the writer still holds cannot be written.
    pub fn finish(mut self) -> Result<W, Error> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The keys of a stream pair, each with the way that it secures.
fn ways(params: &MediaParams) -> impl Iterator<Item = (SocketAddr, SocketAddr, &MasterKey)> {
    let ends = params.local.map(|l| l.bound).zip(params.remote);
    let ends = ends.filter(|_| !params.refused);
    ends.into_iter().flat_map(move |(local, remote)| {
        let sent = params.keys.send.iter().map(move |k| (local, remote, k));
        let received = params.keys.receive.iter();
        sent.chain(received.map(move |k| (remote, local, k)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use msp_core::id::{Generation, LegId};
    use msp_core::media::MediaKind;
    use msp_core::params::{LocalAddress, MediaSlot};
    use msp_core::secret::Secret;
    use msp_core::time::Instant;

    fn key(tag: u32, fill: u8, mki: Option<(u64, u8)>) -> MasterKey {
        MasterKey {
            tag,
            suite: "AES_CM_128_HMAC_SHA1_80".into(),
            key_and_salt: Secret::new(vec![fill; 30]),
            mki,
        }
    }

    // Shows: keys are written where the user asks for them, each way once | RFC 4568
    #[test]
    fn each_key_is_written_once_with_its_way() {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
        params.local = Some(LocalAddress {
            bound: at(4000),
            advertised: at(9),
        });
        params.remote = Some(at(6000));
        params.keys.send = vec![key(1, 0, None)];
        params.keys.receive = vec![key(1, 255, Some((7, 2)))];
        let agreed = |params: MediaParams| TraceEntry {
            at: Instant::from_millis(1500),
            call: None,
            body: TraceBody::Agreed {
                leg: LegId::FIRST,
                generation: Generation(0),
                params: vec![params],
            },
        };
        let mut log = KeyLog::new(Vec::new(), WallClock::default());
        log.write(&agreed(params.clone())).unwrap();
        log.write(&agreed(params.clone())).unwrap();
        params.keys.send[0] = key(2, 0, None);
        params.refused = true;
        log.write(&agreed(params)).unwrap();
        let text = String::from_utf8(log.finish().unwrap()).unwrap();
        let (zeros, ones) = ("A".repeat(40), "/".repeat(40));
        let expected = format!(
            "1970-01-01T00:00:01.500Z 192.0.2.1:4000 > 192.0.2.1:6000 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{zeros}\n\
             1970-01-01T00:00:01.500Z 192.0.2.1:6000 > 192.0.2.1:4000 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{ones}|7:2\n"
        );
        assert_eq!(text, expected);
    }
}
