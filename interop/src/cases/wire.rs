//! What our program says of a call, said again by tshark and sox from a capture of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::ours::{LIMIT, Ours, SOON};
use crate::capture::{self, Capture, Stream};
use crate::case::{Case, Peer};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

pub(super) const TSHARK_AGREES: Case = Case {
    name: "tshark-and-sox-agree",
    shows: "packets, loss and the sound of both sides as we report and record them are those of a tcpdump of the call",
    with: &[Peer::Sipp, Peer::Tshark, Peer::Sox],
    raw: true,
    run: |lab| {
        let theirs = ports::block()?;
        let own = ports::block()?;
        let first = theirs.min(own);
        let last = theirs.max(own) + 9;
        let capture = Capture::start(lab, first, last)?;
        let callee = Sipp {
            echo: true,
            ..Sipp::callee(Scenario::Own("uas"), theirs)
        };
        let mut sipp = callee.start(lab)?;
        let media = format!("{own}-{}", own + 9);
        let mut ours = Ours::call(
            lab,
            &format!("sip:echo@127.0.0.1:{theirs}"),
            Codec::Pcmu,
            &["--ports", &media, "--duration", "5s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        let file = capture.stop()?;

        let streams = capture::streams(&file)?;
        let sent = one(&streams, "sent", |stream| {
            (own..own + 10).contains(&stream.from)
        })?;
        let received = one(&streams, "received", |stream| {
            (own..own + 10).contains(&stream.to)
        })?;
        ensure(sent.lost == 0 && received.lost == 0, || {
            format!("tshark sees loss: {streams:?}")
        })?;

        let on_the_wire = Wav::read_mono(&sound_of(lab, &file, sent)?)?;
        Match::find(&Wav::read_mono(&ours.voice)?, &on_the_wire).in_one_piece(4 * 8_000)?;
        ours.must_have_heard(&sound_of(lab, &file, received)?, 4)
    },
};

fn one(streams: &[Stream], name: &str, is_it: impl Fn(&Stream) -> bool) -> Result<Stream, Error> {
    let found: Vec<&Stream> = streams.iter().filter(|stream| is_it(stream)).collect();
    match found[..] {
        [stream] => Ok(*stream),
        _ => Err(Error::new(format!(
            "tshark sees {} {name} streams: {streams:?}",
            found.len()
        ))),
    }
}

/// One stream of a capture, its µ-law decoded by sox.
fn sound_of(lab: &Lab, file: &Path, stream: Stream) -> Result<PathBuf, Error> {
    let coded = lab.path(&format!("from-{}.ul", stream.from));
    let decoded = lab.path(&format!("from-{}.wav", stream.from));
    let filter = format!(
        "rtp.ssrc == {:#x} && udp.srcport == {} && rtp.p_type == 0",
        stream.ssrc, stream.from
    );
    let payloads = capture::payloads(file, &filter)?;
    fs::write(&coded, payloads).map_err(|error| Error::io(coded.display(), &error))?;
    sound::decode(&coded, &decoded, Codec::Pcmu)?;
    Ok(decoded)
}
