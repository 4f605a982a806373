//! Who calls, as the command line wants it said and as it is told.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::net::UdpSocket;

use common::Beside;
use common::peer::{Busy, field};
use serde_json::Value;

/// The INVITE of `tipring call` with `args`, at a peer that is busy.
fn invite(args: &[&str]) -> String {
    let busy = Busy::start();
    let target = format!("sip:bob@{}", busy.address);
    busy.invite(&[&["call", &*target], args].concat())
}

// Shows: the program says who calls as it is told to: a name, another address, the field, or nobody | interop row 31
#[test]
fn a_call_says_who_calls_as_it_is_told_to() {
    let user = ["--user", "+12015550123@example.com", "--name", "Alice"];
    let plain = invite(&user);
    let alice = "\"Alice\" <sip:+12015550123@example.com>";
    assert!(field(&plain, "From").unwrap().starts_with(alice), "{plain}");
    assert_eq!(field(&plain, "P-Asserted-Identity"), None);

    let asserted = ["--identity", "asserted", "--trust", "anybody"];
    let shown = ["--caller-id", "+12015550100@example.com"];
    let shown = invite(&[&user[..], &asserted, &shown].concat());
    let sales = "\"Alice\" <sip:+12015550100@example.com>";
    assert!(field(&shown, "From").unwrap().starts_with(sales), "{shown}");
    assert_eq!(field(&shown, "P-Asserted-Identity"), Some(alice));

    let hidden = invite(&[&user[..], &["--anonymous"]].concat());
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    assert!(field(&hidden, "From").unwrap().starts_with(nobody));
    assert_eq!(field(&hidden, "Privacy"), Some("id"));
    assert!(!hidden.contains("+12015550123"), "{hidden}");
    // Without an account the phone has an address too.
    let named = invite(&["--name", "Bare"]);
    assert!(
        field(&named, "From")
            .unwrap()
            .starts_with("\"Bare\" <sip:tipring@")
    );
}

/// What `tipring answer` tells of a call that comes in.
fn incoming(more: &[&str]) -> Value {
    let own = ["answer", "--bind", "127.0.0.1:0", "--max-calls", "1"];
    let refuse = ["--auto-answer", "486", "--json"];
    let mut phone = Beside::start(&[&own[..], &refuse, more].concat());
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let here = peer.local_addr().unwrap();
    let invite = format!(
        "INVITE {} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:p@{here}>;tag=p1\r\nTo: <{}>\r\nCall-ID: c-1\r\nCSeq: 1 INVITE\r\nContact: <sip:p@{here}>\r\n\
         P-Asserted-Identity: \"Bob\" <sip:+12015550199@example.com>\r\n\
         Diversion: <sip:carol@example.com>;reason=user-busy\r\nContent-Length: 0\r\n\r\n",
        phone.uri(),
        phone.uri()
    );
    peer.send_to(invite.as_bytes(), phone.address).unwrap();
    phone.wait_for("incoming")
}

// Shows: the program tells who calls, asserted or not, and who sent the call on | interop row 31
#[test]
fn a_call_that_comes_in_is_told_with_its_caller() {
    let told = incoming(&["--trust", "anybody"]);
    let caller = &told["caller"];
    assert_eq!(caller["uri"], "sip:+12015550199@example.com");
    assert_eq!(
        (&caller["name"], &caller["number"]),
        (&"Bob".into(), &"+12015550199".into())
    );
    assert_eq!(
        (&caller["asserted"], &caller["private"]),
        (&true.into(), &false.into())
    );
    assert_eq!(caller["diversions"][0]["uri"], "sip:carol@example.com");
    assert_eq!(caller["diversions"][0]["reason"], "user-busy");
    for trust in [&[][..], &["--trust", "nobody"]] {
        let told = incoming(trust);
        let caller = &told["caller"];
        let from = told["from"].as_str().unwrap();
        assert_eq!(caller["asserted"], false);
        assert!(from.contains(caller["uri"].as_str().unwrap()), "{told}");
        assert_eq!(caller["diversions"].as_array().unwrap().len(), 0);
    }
}

// Shows: the program dials a number by the account's provider, as it is told to write it | interop row 30
#[test]
fn a_number_is_dialled_by_the_provider() {
    for (more, target) in [
        (&[][..], "sip:+12015550123@127.0.0.1:PORT;user=phone"),
        (&["--numbers", "tel"], "tel:+12015550123"),
    ] {
        let busy = Busy::start();
        let user = format!("alice@{}", busy.address);
        let own = ["call", "+1 (201) 555-0123", "--user", &*user];
        let target = target.replace("PORT", &busy.address.port().to_string());
        let invite = busy.invite(&[&own[..], more].concat());
        assert_eq!(invite.split(' ').nth(1), Some(&*target), "{invite}");
    }
}
