//! ffmpeg, which speaks RTP and SRTP by a library of its own and knows no SIP.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::lab::Lab;
use crate::process::{Process, output};

/// The suite that it uses here, as SDP names it.
pub(crate) const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// Sends the µ-law voice in `file` from `port` to `to`, in packets of 20 ms under `key`, until it is over or killed.
pub(crate) fn send(
    lab: &Lab,
    file: &Path,
    port: u16,
    to: u16,
    key: &str,
) -> Result<Process, Error> {
    let mut ffmpeg = ffmpeg();
    ffmpeg.arg("-i").arg(file);
    ffmpeg.args(["-af", "asetnsamples=n=160,arealtime", "-c:a", "pcm_mulaw"]);
    ffmpeg.args(["-f", "rtp", "-srtp_out_suite", SUITE]);
    ffmpeg.args(["-srtp_out_params", key]);
    // It keeps 14 bytes of a packet for itself.
    ffmpeg.arg(format!(
        "srtp://127.0.0.1:{to}?localport={port}&pkt_size=186"
    ));
    Process::start(lab.folder(), "ffmpeg-sends", &mut ffmpeg)
}

/// Writes the payload of what comes to `port` under `key` to `file`, until it is interrupted.
pub(crate) fn receive(lab: &Lab, port: u16, key: &str, file: &Path) -> Result<Process, Error> {
    let description = lab.path("ffmpeg.sdp");
    let text = format!(
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio {port} RTP/SAVP 0\na=rtpmap:0 PCMU/8000\na=crypto:1 {SUITE} inline:{key}\n"
    );
    fs::write(&description, text).map_err(|error| Error::io(description.display(), &error))?;
    let mut ffmpeg = ffmpeg();
    ffmpeg.args(["-protocol_whitelist", "file,rtp,udp"]);
    ffmpeg.arg("-i").arg(&description);
    ffmpeg.args(["-c:a", "copy", "-f", "mulaw", "-flush_packets", "1"]);
    ffmpeg.arg(file);
    Process::start(lab.folder(), "ffmpeg-receives", &mut ffmpeg)
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-y"]);
    command
}

/// `5.1.9-0+deb12u1` of `ffmpeg version 5.1.9-0+deb12u1 Copyright ...`
pub(crate) fn version() -> Option<String> {
    let text = output(Command::new("ffmpeg").arg("-version")).ok()?;
    text.split_whitespace().nth(2).map(str::to_owned)
}
