//! What bad input gets: one clear line that names what and where, and the right exit status.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use common::{Beside, Folder, Run, SPEECH, Turn, program};

const USAGE: i32 = 2;
const SIP: i32 = 3;
const MEDIA: i32 = 4;
const TIMEOUT: i32 = 5;

/// Nobody waits there, and nothing is sent there before the files are open.
const NOBODY: &str = "sip:nobody@127.0.0.1:9";

/// The program ends with `code`, and the first line of its complaint has all of `names` in it. What the reader of
/// arguments has to add, how to get help, may follow.
#[track_caller]
fn complains(args: &[&str], code: i32, names: &[&str]) {
    let run = Run::of(&mut program(args));
    assert_eq!(run.code, Some(code), "{args:?}: {run:?}");
    let first = run.err.lines().next().unwrap_or_default();
    let of_arguments = first.strip_prefix("error: ");
    assert!(
        of_arguments.is_some() || (first.starts_with("tipring: ") && run.err.lines().count() == 1),
        "{args:?}: {run:?}"
    );
    for name in names {
        assert!(first.contains(name), "{args:?}: {name}: {run:?}");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[test]
fn files_that_cannot_be_played() {
    let folder = Folder::new("play");
    let speech = fs::read(SPEECH).unwrap();
    let cases = [
        (folder.file("missing.wav"), "no such file"),
        (folder.with("empty.wav", b""), "empty"),
        (
            folder.with("text.wav", b"I am no sound at all.\n"),
            "no sound file",
        ),
        (folder.with("stump.wav", &speech[..20]), "no sound file"),
        (folder.file(""), "is a directory"),
        ("/dev/null".to_owned(), "no regular file"),
    ];
    for (path, why) in &cases {
        complains(&["call", NOBODY, "--play", path], MEDIA, &[path, why]);
        complains(
            &["answer", "--bind", "127.0.0.1", "--play", path],
            MEDIA,
            &[path, why],
        );
    }
    let (path, why) = &cases[2];
    complains(&["loop", "--play-bob", path], MEDIA, &[path, why]);
}

#[test]
fn files_that_may_not_be_read_or_written() {
    if is_root() {
        eprintln!("SKIPPED: root may read and write everything");
        return;
    }
    let folder = Folder::new("permission");
    let path = folder.with("secret.wav", &fs::read(SPEECH).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    complains(
        &["call", NOBODY, "--play", &path],
        MEDIA,
        &[&path, "ermission"],
    );
    complains(
        &["call", NOBODY, "--record", &path],
        MEDIA,
        &[&path, "ermission"],
    );
}

#[test]
fn places_that_cannot_be_recorded_to() {
    let folder = Folder::new("record");
    let path = folder.file("nowhere/call.wav");
    complains(
        &["call", NOBODY, "--record", &path],
        MEDIA,
        &[&path, "no such folder"],
    );
    let path = folder.file("");
    complains(
        &["call", NOBODY, "--record", &path],
        MEDIA,
        &[&path, "is a directory"],
    );
    complains(
        &["call", NOBODY, "--record", "/dev/full"],
        MEDIA,
        &["/dev/full", "no regular file"],
    );
    let path = folder.file("nowhere");
    complains(
        &["loop", "--duration", "1s", "--record-dir", &path],
        MEDIA,
        &[&path],
    );
}

#[test]
fn whom_nobody_can_call() {
    for uri in [
        "",
        "sip:@@",
        "tel:123",
        "sip:x@127.0.0.1:99999",
        "http://x.example",
    ] {
        let named = format!("'{uri}'");
        complains(&["call", uri], USAGE, &[&named]);
        complains(&["options", uri], USAGE, &[&named]);
    }
    for verb in ["call", "options"] {
        complains(
            &[verb, "sip:bob@name.invalid"],
            SIP,
            &["name.invalid", "host"],
        );
    }
}

#[test]
fn a_sip_port_that_is_in_use_or_not_ours() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for verb in [
        &["answer", "--bind", &taken][..],
        &["echo", "--bind", &taken],
        &["call", NOBODY, "--bind", &taken],
        &["options", NOBODY, "--bind", &taken],
    ] {
        complains(verb, SIP, &[&taken, "in use"]);
    }
    complains(
        &["answer", "--bind", "192.0.2.1:5060"],
        SIP,
        &["192.0.2.1:5060"],
    );
}

#[test]
fn what_nobody_can_want() {
    complains(
        &["call", NOBODY, "--codec", "mp3"],
        USAGE,
        &["'mp3'", "pcmu"],
    );
    complains(&["loop", "--codec", "mp3"], USAGE, &["'mp3'", "pcmu"]);
    complains(&["call", NOBODY, "--kodec", "pcmu"], USAGE, &["--kodec"]);
    for range in ["9-3", "70000-70001", "x-y", "40000", "0-10"] {
        complains(
            &["call", NOBODY, "--ports", range],
            USAGE,
            &["--ports", range],
        );
    }
    // A range without room for RTP and its RTCP.
    complains(
        &["call", NOBODY, "--ports", "40001-40002"],
        USAGE,
        &["40001"],
    );
    complains(
        &["call", NOBODY, "--bind", "nowhere"],
        USAGE,
        &["--bind", "nowhere"],
    );
    complains(
        &["call", NOBODY, "--dtmf", "12x"],
        USAGE,
        &["--dtmf", "'x'"],
    );
    complains(
        &["call", NOBODY, "--duration", "soon"],
        USAGE,
        &["--duration", "soon"],
    );
    complains(&["loop", "--loss", "500%"], USAGE, &["--loss", "500%"]);
    complains(&["loop", "--burst"], USAGE, &["required"]);
    complains(&["dance"], USAGE, &["dance"]);
}

#[test]
fn nobody_answers() {
    // A socket that takes everything and says nothing.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("sip:{}", silent.local_addr().unwrap());
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a user waits is what is tested"
    )]
    let begun = std::time::Instant::now();
    complains(
        &["call", &uri, "--ring-time", "1s", "--quiet"],
        TIMEOUT,
        &[&uri, "no answer"],
    );
    let lasted = begun.elapsed().as_secs();
    assert!(lasted < 15, "{lasted} s");
}

#[test]
fn nobody_says_what_it_can_do() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("sip:{}", silent.local_addr().unwrap());
    let run = Run::of(&mut program(&["options", &uri]));
    assert!(matches!(run.code, Some(SIP | TIMEOUT)), "{run:?}");
    assert!(
        run.err.contains(&uri) && run.err.lines().count() == 1,
        "{run:?}"
    );
}

#[test]
fn the_call_goes_on_when_the_disk_is_full() {
    if !is_root() {
        eprintln!("SKIPPED: only root can make a small disk");
        return;
    }
    let folder = Folder::new("full");
    let small = folder.file("small");
    fs::create_dir(&small).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", &small];
    if !Command::new("mount")
        .args(mount)
        .status()
        .unwrap()
        .success()
    {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    }
    struct Mounted(String);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _left = Command::new("umount").args(["-l", &self.0]).status();
        }
    }
    let _mounted = Mounted(small.clone());
    let _turn = Turn::take();
    let mut echo = Beside::echo();
    let record = format!("{small}/call.wav");
    let uri = echo.uri();
    let run = Run::of(&mut program(&[
        "call",
        &uri,
        "--play",
        SPEECH,
        "--record",
        &record,
        "--duration",
        "5s",
        "--json",
    ]));
    assert_eq!(run.code, Some(MEDIA), "{run:?}");
    assert!(run.err.contains(&record), "{run:?}");
    let failed = run.event("media-failed");
    assert!(
        failed["error"].as_str().unwrap().contains(&record),
        "{failed}"
    );
    // It was hung up by us after all of its time, and the sound went on.
    let ended = run.event("ended");
    assert_eq!(ended["cause"], "LocalHangUp", "{ended}");
    assert!(ended["at"].as_f64().unwrap() > 4.9, "{ended}");
    assert!(
        ended["stats"]["received_packets"].as_u64().unwrap() > 200,
        "{ended}"
    );
    // What fitted is kept, and can be read.
    let kept = hound::WavReader::open(&record).unwrap();
    assert!(kept.duration() > 8000, "{}", kept.duration());
    echo.wait_for("ended");
    assert_eq!(echo.end().code, Some(0));
}
