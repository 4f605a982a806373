//! Keys of encrypted calls: in the file that was asked for, and nowhere else.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::fs;

use common::base64::decoded;
use common::peer::Peer;
use common::{Beside, Folder, Run, SPEECH, Turn, program};

const HERE: &str = "127.0.0.1:0";
const SECURED: [&str; 3] = ["--srtp", "required", "--srtp-keys-in-clear"];

/// A key in each form in which somebody could print it.
struct Key {
    base64: String,
    bytes: Vec<u8>,
}

impl Key {
    fn read(base64: &str) -> Self {
        Self {
            base64: base64.to_owned(),
            bytes: decoded(base64),
        }
    }

    /// Twelve bytes of it are as good as the whole: that is no chance.
    fn is_in(&self, text: &[u8]) -> bool {
        let part = &self.bytes[..12];
        let hex = |f: fn(&u8) -> String| part.iter().map(f).collect::<String>();
        let list = format!("{part:?}");
        let forms: [Vec<u8>; 5] = [
            self.base64.as_bytes()[..16].to_vec(),
            part.to_vec(),
            hex(|b| format!("{b:02x}")).into_bytes(),
            hex(|b| format!("{b:02X}")).into_bytes(),
            list.trim_matches(['[', ']']).as_bytes().to_vec(),
        ];
        let found = |form: &Vec<u8>| text.windows(form.len()).any(|w| w == *form);
        forms.iter().any(found)
    }
}

/// The keys of a file, with the way of each.
fn keys(path: &str) -> Vec<(String, Key)> {
    let text = fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (way, key) = line.split_once(" a=crypto:").unwrap();
        let (_, way) = way.split_once(' ').unwrap();
        let (_, key) = key.split_once(" inline:").unwrap();
        (way.to_owned(), Key::read(key))
    };
    text.lines().map(line).collect()
}

#[track_caller]
fn nowhere(keys: &[(String, Key)], run: &Run, files: &[&str]) {
    let mut texts = vec![run.out.clone().into_bytes(), run.err.clone().into_bytes()];
    texts.extend(files.iter().map(|f| fs::read(f).unwrap()));
    for (n, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() || n < 2, "{n}");
        for (_, key) in keys {
            assert!(!key.is_in(text), "a key is in output {n}");
        }
    }
}

// Shows: keys are in no capture, report or output, only where --keylog puts them | RFC 4568
#[test]
fn keys_are_in_the_file_that_was_asked_for_and_nowhere_else() {
    let _turn = Turn::take();
    let folder = Folder::new("keys");
    let names = ["a.pcap", "a.html", "a.json", "b.pcap", "b.html", "b.json"];
    let files = names.map(|n| folder.file(n));
    let [a_pcap, a_html, _, b_pcap, b_html, _] = &files;
    let log = folder.with("keys.txt", b"what was there");
    let theirs = [
        "--play", SPEECH, "--pcap", b_pcap, "--report", b_html, "--assert",
    ];
    let mut answer = Beside::answer("1", &[&SECURED[..], &theirs].concat());
    let uri = answer.uri();
    let mut command = program(&["call", &uri, "--bind", HERE, "--json", "--duration", "2s"]);
    command.args(SECURED).args(["--play", SPEECH, "--assert"]);
    command.args(["--pcap", a_pcap, "--report", a_html, "--keylog", &log]);
    let run = Run::of(&mut command);
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{run:?}");
    assert_eq!(run.event("security")["secured"], true);
    assert_eq!(answer.wait_for("security")["secured"], true);
    let answered = answer.end();
    assert_eq!(answered.code, Some(0), "{answered:?}");

    let keys = keys(&log);
    let ways: Vec<Vec<&str>> = keys.iter().map(|(w, _)| w.split(" > ").collect()).collect();
    assert_eq!(ways.len(), 2, "{ways:?}");
    assert_eq!(
        ways[0].iter().rev().collect::<Vec<_>>(),
        ways[1].iter().collect::<Vec<_>>()
    );
    assert!(!keys[0].1.is_in(keys[1].1.base64.as_bytes()));
    assert!(keys.iter().all(|(_, k)| k.is_in(&fs::read(&log).unwrap())));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&log).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let [a, b] = [&files[..3], &files[3..]].map(|f| f.iter().map(|f| &**f).collect::<Vec<_>>());
    nowhere(&keys, &run, &a);
    nowhere(&keys, &answered, &b);
    for pcap in [a_pcap, b_pcap] {
        let pcap = fs::read(pcap).unwrap();
        let line = b" inline:xxxxxxxxxxxx";
        assert!(pcap.windows(line.len()).any(|w| w == line), "it was there");
    }
}

// Shows: what a peer says of its key in a wrong way is not repeated in any complaint | RFC 4568
#[test]
fn keys_that_cannot_be_used_are_not_shown_either() {
    let _turn = Turn::take();
    let folder = Folder::new("bad-keys");
    let key = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5";
    let canary = [(String::new(), Key::read(key))];
    for (n, lines) in [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5\r\n",
        "a=crypto:1 AEAD_AES_256_GCM inline:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5|2^x\r\n",
        "a=crypto:x inline:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5;Inline:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5\r\n",
        "k=base64:Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5\r\na=key-mgmt:mikey Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let files = ["pcap", "html", "json"].map(|e| folder.file(&format!("{n}.{e}")));
        let peer = Peer::say("RTP/SAVP", lines, |_| true);
        let mut command = program(&["call", &peer.uri(), "--bind", HERE, "--json"]);
        command.args(["--duration", "1s"]).args(SECURED);
        let log = folder.file("keys.txt");
        command.args(["--pcap", &files[0], "--report", &files[1], "--keylog", &log]);
        let run = Run::of(&mut command);
        assert_ne!(run.code, Some(0), "{run:?}");
        nowhere(&canary, &run, &files.each_ref().map(|f| &**f));
        assert!(keys(&log).is_empty(), "nothing was agreed on");
        peer.end();
    }
}

// Shows: two phones in one process with encrypted media | RFC 3711
#[test]
fn a_loop_is_encrypted_and_proven() {
    let _turn = Turn::take();
    let folder = Folder::new("secured-loop");
    let files = ["loop.pcap", "loop.html", "loop.json"].map(|n| folder.file(n));
    let log = folder.file("keys.txt");
    let mut command = program(&["loop", "--srtp", "--duration", "2s", "--json"]);
    command.args(["--loss", "3%", "--pcap", &files[0], "--report", &files[1]]);
    let run = Run::of(command.args(["--keylog", &log]));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.event("verdict")["holds"], true);
    let keys = keys(&log);
    assert!(keys.len() >= 2);
    nowhere(&keys, &run, &files.each_ref().map(|f| &**f));
    // Without the option nothing is encrypted, and nothing is written of keys.
    let log = folder.file("no-keys.txt");
    let args = ["loop", "--duration", "1s", "--json", "--keylog", &log];
    assert_eq!(Run::of(&mut program(&args)).code, Some(0));
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
}

// Shows: media that are not encrypted though they could be are told | RFC 4568
#[test]
fn a_peer_without_encryption_is_told_of() {
    let _turn = Turn::take();
    let peer = Peer::start(|_| true);
    let mut command = program(&["call", &peer.uri(), "--bind", HERE, "--json"]);
    command.args(["--duration", "1s", "--srtp", "optional"]);
    let run = Run::of(command.arg("--srtp-keys-in-clear"));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.event("security")["secured"], false);
    peer.end();
}
