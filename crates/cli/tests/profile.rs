//! Profiles of peers, and settings from a file.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use common::peer::{Busy, field};
use common::{Folder, Run, program};

/// The INVITE of a call with these options.
fn invite(more: &[&str]) -> String {
    let busy = Busy::start();
    let target = format!("sip:bob@{}", busy.address);
    let user = ["--user", "+12015550123@example.com", "--trust", "anybody"];
    busy.invite(&[&["call", &*target], &user[..], more].concat())
}

// Shows: each profile is seen in what is sent, and an option that is written goes before it
#[test]
fn each_profile_is_seen_in_the_invite() {
    let g711 = " RTP/AVP 0 8 101";
    let usual = invite(&[]);
    assert!(!usual.lines().any(|l| l.ends_with(g711)), "{usual}");
    let (asserted, preferred) = ("P-Asserted-Identity: ", "P-Preferred-Identity: ");
    let acknowledged = "100rel";
    for (profile, there, absent) in [
        ("asterisk", &["Supported: 100rel"][..], &[asserted][..]),
        ("freeswitch", &["Supported: timer"], &[acknowledged]),
        ("kamailio", &[preferred], &[asserted]),
        ("opensips", &[preferred], &[asserted]),
        (
            "cucm",
            &["Remote-Party-ID: ", "Min-SE: 1800", "Session-Expires: 1800"],
            &[asserted],
        ),
        ("teams", &["Min-SE: 300"], &[asserted]),
        ("twilio", &[asserted, g711], &[preferred]),
        ("telnyx", &[asserted, g711], &[preferred]),
        ("vonage", &[asserted, g711], &[preferred]),
        ("genesys", &["Supported: 100rel"], &[asserted]),
        ("avaya", &["Supported: 100rel"], &[asserted]),
        (
            "carrier-ims",
            &[asserted, "Require: 100rel", "Min-SE: 1800"],
            &[g711],
        ),
    ] {
        // Keys would need a secure way.
        let sent = invite(&["--profile", profile, "--srtp", "off"]);
        for text in there {
            assert!(sent.contains(text), "{profile} {text}: {sent}");
        }
        for text in absent {
            assert!(!sent.contains(text), "{profile} {text}: {sent}");
        }
    }
    let sent = invite(&[
        "--profile",
        "twilio",
        "--identity",
        "from",
        "--codec",
        "pcma",
    ]);
    assert_eq!(field(&sent, "P-Asserted-Identity"), None);
    assert!(
        sent.lines().any(|l| l.ends_with(" RTP/AVP 8 101")),
        "{sent}"
    );
}

// Shows: media have to be encrypted where a profile says so: over a way that all can read no call is made
#[test]
fn a_profile_may_want_encryption() {
    let args = ["call", "sip:bob@127.0.0.1:9", "--profile", "teams"];
    let run = Run::of(&mut program(&args));
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(run.err.contains("secure signalling"), "{run:?}");
}

// Shows: the program lists the profiles, and what each switches and why
#[test]
fn profiles_are_told() {
    let all = Run::of(&mut program(&["profile"]));
    assert_eq!(
        (all.code, all.out.lines().count()),
        (Some(0), 12),
        "{all:?}"
    );
    let teams = Run::of(&mut program(&["profile", "teams"]));
    let line = teams.out.lines().find(|l| l.starts_with("send-replaces"));
    assert!(
        line.unwrap().contains("no") && line.unwrap().contains("Replaces"),
        "{teams:?}"
    );
    let teams = Run::of(&mut program(&["profile", "teams", "--json"]));
    let told = teams.event("profile");
    let switches = told["switches"].as_array().unwrap();
    let srtp = switches.iter().find(|s| s["name"] == "srtp").unwrap();
    assert_eq!(srtp["value"], "required");
    assert!(!srtp["why"].as_str().unwrap().is_empty());
    for args in [
        &["profile", "nobody"][..],
        &["call", "x", "--profile", "nobody"],
    ] {
        let run = Run::of(&mut program(args));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(
            run.err.contains("'nobody'") && run.err.contains("carrier-ims"),
            "{run:?}"
        );
    }
}

// Shows: settings from a TOML file: they are options, what is written goes before them, an unknown key is named
#[test]
fn settings_come_from_a_file() {
    let folder = Folder::new("settings");
    let text = b"profile = \"carrier-ims\"\nname = \"Alice\"\nidentity = \"preferred\"\ncodec = [\"pcma\", \"pcmu\"]\n";
    let file = folder.with("call.toml", text);
    let sent = invite(&["--config", &file]);
    assert_eq!(field(&sent, "Require"), Some("100rel"), "{sent}");
    let alice = "\"Alice\" <sip:+12015550123@example.com>";
    assert_eq!(field(&sent, "P-Preferred-Identity"), Some(alice));
    assert!(
        sent.lines().any(|l| l.ends_with(" RTP/AVP 8 0 101")),
        "{sent}"
    );
    let sent = invite(&["--config", &file, "--codec", "pcmu", "--name=Bob"]);
    assert!(
        sent.lines().any(|l| l.ends_with(" RTP/AVP 0 101")),
        "{sent}"
    );
    assert!(
        field(&sent, "From").unwrap().starts_with("\"Bob\""),
        "{sent}"
    );

    let wrong = folder.with("wrong.toml", b"name = \"Alice\"\n\ncolour = 1\n");
    for verb in [
        &["call", "sip:x@127.0.0.1:9"][..],
        &["answer"],
        &["register", "a@127.0.0.1:9"],
    ] {
        let run = Run::of(&mut program(&[verb, &["--config", &wrong]].concat()));
        assert_eq!(run.code, Some(2), "{run:?}");
        let named = ["wrong.toml", "line 1", "'name'"];
        let of_call = ["wrong.toml", "line 3", "'colour'"];
        let names = if verb[0] == "call" { of_call } else { named };
        let told = names.iter().all(|n| run.err.contains(n))
            || of_call.iter().all(|n| run.err.contains(n));
        assert!(told && run.err.lines().count() == 1, "{run:?}");
    }
    let missing = Run::of(&mut program(&[
        "call",
        "x",
        "--config",
        "/nowhere/call.toml",
    ]));
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("/nowhere/call.toml"), "{missing:?}");
}

// Shows: a host name in the place of our address, from the command line or a file: in Contact, Via and From; media stay at an address | interop row 44
#[test]
fn a_host_name_may_be_advertised() {
    let folder = Folder::new("advertised");
    let file = folder.with("s.toml", b"advertise-host = \"sbc.example.com\"\n");
    for options in [
        ["--advertise-host", "sbc.example.com"],
        ["--config", &*file],
    ] {
        let sent = invite(&options);
        let contact = field(&sent, "Contact").unwrap();
        assert!(contact.contains("@sbc.example.com:"), "{sent}");
        let via = field(&sent, "Via").unwrap();
        assert!(via.starts_with("SIP/2.0/UDP sbc.example.com:"), "{sent}");
        assert!(sent.contains("c=IN IP4 127.0.0.1"), "{sent}");
    }
    let run = Run::of(&mut program(&["call", "x", "--advertise-host", "a b"]));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("host name"), "{run:?}");
}
