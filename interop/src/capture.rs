//! A capture by tcpdump, read by tshark: what went over the wire, said by others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clock::{Deadline, pause, wait_until};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::process::{Process, output};

/// A running capture.
pub(crate) struct Capture {
    process: Process,
    file: PathBuf,
}

/// RTP from one port to another as tshark counts it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
}

impl Capture {
    /// Captures UDP over the loopback between the two ports, both included.
    pub(crate) fn start(lab: &Lab, first: u16, last: u16) -> Result<Self, Error> {
        let file = lab.path("wire.pcap");
        let mut command = Command::new("tcpdump");
        // As root it would give its rights away to a user who may not write here.
        command
            .args(["-Z", "root", "-i", "lo", "-U", "--immediate-mode", "-w"])
            .arg(&file)
            .arg(format!("udp portrange {first}-{last}"));
        let mut process = Process::start(lab.folder(), "tcpdump", &mut command)?;
        let listens = wait_until(Deadline::after(Duration::from_secs(10)), || {
            if process.has_ended() {
                Some(false)
            } else {
                process.stderr().contains("listening on").then_some(true)
            }
        });
        if listens == Some(true) {
            Ok(Self { process, file })
        } else {
            Err(Error::new(format!(
                "tcpdump did not start: {}",
                process.stderr().trim()
            )))
        }
    }

    /// Ends the capture and hands back its file.
    pub(crate) fn stop(mut self) -> Result<PathBuf, Error> {
        // What the kernel still holds comes out within its read timeout.
        pause(Duration::from_millis(300));
        self.process.interrupt()?;
        self.process.wait_for_code(Duration::from_secs(5), 0)?;
        let said = self.process.stderr();
        ensure(
            said.lines().any(|l| l == "0 packets dropped by kernel"),
            || format!("the capture is not whole: {}", said.trim()),
        )?;
        Ok(self.file)
    }
}

/// The RTP of a capture by `tshark -z rtp,streams`: sources (SSRC) between the same ports added up.
pub(crate) fn streams(file: &Path) -> Result<Vec<Stream>, Error> {
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(file)
        .args(["-q", "-o", "rtp.heuristic_rtp:TRUE", "-z", "rtp,streams"]);
    let text = output(&mut tshark)?;
    let mut streams: Vec<Stream> = Vec::new();
    for source in text.lines().filter_map(stream) {
        match streams
            .iter_mut()
            .find(|stream| (stream.from, stream.to) == (source.from, source.to))
        {
            Some(stream) => {
                stream.packets += source.packets;
                stream.lost += source.lost;
            }
            None => streams.push(source),
        }
    }
    Ok(streams)
}

/// The part of a capture that was there `before` the first BYE.
pub(crate) fn until_bye(lab: &Lab, file: &Path, before: Duration) -> Result<PathBuf, Error> {
    let part = lab.path("until-bye.pcap");
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args([
        "-Y",
        "udp contains \"BYE sip:\"",
        "-T",
        "fields",
        "-e",
        "frame.time_relative",
    ]);
    let times = output(&mut tshark)?;
    let first: f64 = times
        .split_whitespace()
        .next()
        .and_then(|time| time.parse().ok())
        .ok_or_else(|| Error::new("the capture has no BYE"))?;
    let filter = format!("frame.time_relative < {:.6}", first - before.as_secs_f64());
    output(
        Command::new("tshark")
            .arg("-r")
            .arg(file)
            .args(["-Y", &filter, "-w"])
            .arg(&part),
    )?;
    Ok(part)
}

/// One line of the table: start, end, source, port, destination, port, SSRC, payload, packets, lost, ...
fn stream(line: &str) -> Option<Stream> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("0x"))?;
    // The payload's name may be of several words: counts are found from the `(0.0%)` backwards.
    let share = words
        .iter()
        .position(|word| word.starts_with('(') && word.ends_with("%)"))?;
    Some(Stream {
        from: words.get(at.checked_sub(3)?)?.parse().ok()?,
        to: words.get(at.checked_sub(1)?)?.parse().ok()?,
        packets: words.get(share.checked_sub(2)?)?.parse().ok()?,
        lost: words.get(share.checked_sub(1)?)?.parse().ok()?,
    })
}

/// The payloads of the RTP packets that pass `filter`, one after the other, by tshark.
pub(crate) fn payloads(file: &Path, filter: &str) -> Result<Vec<u8>, Error> {
    let text = output(Command::new("tshark").arg("-r").arg(file).args([
        "-d",
        "udp.port==1-65535,rtp",
        "-Y",
        filter,
        "-T",
        "fields",
        "-e",
        "rtp.payload",
    ]))?;
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|text| u8::from_str_radix(text, 16).ok())
            .ok_or_else(|| Error::new("tshark printed a payload that is not hexadecimal"))
    };
    digits.chunks(2).map(byte).collect()
}

/// `4.0.17` of `TShark (Wireshark) 4.0.17 (Git v4.0.17 ...)`
pub(crate) fn tshark_version() -> Option<String> {
    let text = output(Command::new("tshark").arg("--version")).ok()?;
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with(char::is_numeric))?;
    Some(word.trim_end_matches('.').to_owned())
}

/// `14.4.2` of `sox:      SoX v14.4.2`
pub(crate) fn sox_version() -> Option<String> {
    let text = output(Command::new("sox").arg("--version")).ok()?;
    text.split_whitespace()
        .find_map(|word| word.strip_prefix('v'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_tshark_is_read() {
        let line = "     0.000000      2.979866       127.0.0.1  6200       127.0.0.1  6000 0xCA110000            g711A   \
                    150     0 (0.0%)           0.013          19.999          37.884           0.011           1.926";
        let expected = Stream {
            from: 6200,
            to: 6000,
            packets: 150,
            lost: 0,
        };
        assert_eq!(stream(line), Some(expected));
        let two_payloads = line.replace("g711A", "g711A, telephone-event");
        assert_eq!(stream(&two_payloads), Some(expected));
        assert_eq!(
            stream("   Start time      End time     Src IP addr  Port"),
            None
        );
    }
}
