//! What our program says of a call, said again by tshark and sox from a capture of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use crate::capture::{self, Capture, Stream};
use crate::case::{Case, Peer};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::relay::Relay;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

/// Levels agree if they differ by no more than this, in dB.
const NEAR: f64 = 0.5;

/// How long before the BYE we may look at our sockets for the last time: a frame, and the time to hang up.
const LAST_LOOK: Duration = Duration::from_millis(30);

pub(super) const TSHARK_AGREES: Case = Case {
    name: "tshark-and-sox-agree",
    shows: "packets, loss and the sound of both sides as we report and record them are those of a tcpdump of the call",
    with: &[Peer::Sipp, Peer::Tshark, Peer::Sox],
    raw: true,
    run: |lab| agree(lab, None),
};

pub(super) const TSHARK_AGREES_ON_LOSS: Case = Case {
    name: "tshark-agrees-on-loss",
    shows: "the same when one of every twenty packets is lost on the way to us",
    with: &[Peer::Sipp, Peer::Tshark, Peer::Sox],
    raw: true,
    run: |lab| agree(lab, Some(20)),
};

fn agree(lab: &Lab, lose: Option<u64>) -> Result<(), Error> {
    let theirs = ports::block()?;
    let own = ports::block()?;
    let capture = Capture::start(lab, theirs.min(own), theirs.max(own) + 9)?;
    let mut callee = Sipp {
        echo: true,
        ..Sipp::callee(Scenario::Ours("uas-echo"), theirs)
    };
    let mut relay = None;
    if let Some(lose) = lose {
        callee.told = theirs + 6;
        relay = Some(Relay::start(callee.told, callee.media, lose)?);
    }
    let mut sipp = callee.start(lab)?;
    let uri = format!("sip:echo@127.0.0.1:{theirs}");
    let media = format!("{own}-{}", own + 9);
    let mut ours = Ours::call(
        lab,
        &uri,
        Codec::Pcmu,
        &["--ports", &media, "--duration", "5s"],
    )?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    sipp::wait(&mut sipp, lab, SOON)?;
    drop(relay);
    let file = capture.stop()?;

    let streams = capture::streams(&file)?;
    let sent = one(&streams, "sent", |stream| {
        (own..own + 10).contains(&stream.from)
    })?;
    let received = one(&streams, "received", |stream| {
        (own..own + 10).contains(&stream.to)
    })?;
    ensure((received.lost > 0) == lose.is_some(), || {
        format!("tshark sees another loss than we made: {streams:?}")
    })?;

    let report = ours.report()?;
    let (said, heard) = (report.sent()?, report.heard()?);
    within(
        "packets sent",
        said.count("sent")?,
        [sent.packets, sent.packets],
    )?;
    // What comes after our last look at the socket is on the wire and not received.
    let talking = capture::until_bye(lab, &file, LAST_LOOK)?;
    let talking = one(&capture::streams(&talking)?, "received", |stream| {
        stream.to == received.to
    })?;
    within(
        "packets received",
        heard.count("received")?,
        [talking.packets, received.packets],
    )?;
    within(
        "packets lost",
        heard.count("lost")?,
        [talking.lost, received.lost],
    )?;

    let on_the_wire = sound_of(lab, &file, sent)?;
    near(
        "level sent",
        said.number("sent_dbov")?,
        sound::level(&on_the_wire)?,
    )?;
    let on_the_wire = Wav::read_mono(&on_the_wire)?;
    Match::find(&Wav::read_mono(&ours.voice)?, &on_the_wire).in_one_piece(4 * 8_000)?;
    Match::find(&on_the_wire, &ours.said()?)
        .in_order(on_the_wire.len())
        .map_err(|error| Error::new(format!("recorded as sent: {error}")))?;
    let came = sound_of(lab, &file, received)?;
    near(
        "level heard",
        heard.number("heard_dbov")?,
        sound::level(&came)?,
    )?;
    match lose {
        None => ours.must_have_heard(&came, 4),
        // More than a call may lose.
        Some(_) => ours.must_have_heard_with(&came, 3, &["too_much_lost"]),
    }
}

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

fn within(what: &str, ours: u64, theirs: [u64; 2]) -> Result<(), Error> {
    let [low, high] = theirs;
    ensure((low..=high).contains(&ours), || {
        format!("{what}: {ours} in our report, {low} to {high} by tshark")
    })
}

fn near(what: &str, ours: f64, theirs: f64) -> Result<(), Error> {
    ensure((ours - theirs).abs() <= NEAR, || {
        format!("{what}: {ours:.2} dB in our report, {theirs:.2} dB by sox")
    })
}

/// One stream of a capture, its µ-law decoded by sox.
fn sound_of(lab: &Lab, file: &Path, stream: Stream) -> Result<PathBuf, Error> {
    let coded = lab.path(&format!("from-{}.ul", stream.from));
    let decoded = lab.path(&format!("from-{}.wav", stream.from));
    let filter = format!(
        "udp.srcport == {} && udp.dstport == {} && rtp.p_type == 0",
        stream.from, stream.to
    );
    let payloads = capture::payloads(file, &filter)?;
    fs::write(&coded, payloads).map_err(|error| Error::io(coded.display(), &error))?;
    sound::decode(&coded, &decoded, Codec::Pcmu)?;
    Ok(decoded)
}
