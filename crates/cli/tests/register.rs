//! `tipring register` at a registrar that speaks by literal bytes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::net::UdpSocket;
use std::thread::JoinHandle;
use std::time::Duration;

use common::{Folder, Run, program};

/// A registrar that challenges, takes what proves the password, and forgets on request. What it was asked.
fn registrar() -> (u16, JoinHandle<Vec<String>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let serve = move || {
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let Ok((n, from)) = socket.recv_from(&mut buffer) else {
                return asked;
            };
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let field = |name: &str| {
                let line = text.lines().find(|l| l.starts_with(name));
                line.unwrap_or_default().to_owned()
            };
            let proved = !field("Authorization: ").is_empty();
            let leaves = field("Expires: ") == "Expires: 0";
            let (status, extra) = match (proved, leaves) {
                (false, _) => (
                    "401 Unauthorized",
                    "WWW-Authenticate: Digest realm=\"here\", nonce=\"n\", qop=\"auth\"\r\n"
                        .to_owned(),
                ),
                (true, true) => ("200 OK", String::new()),
                (true, false) => ("200 OK", format!("{};expires=60\r\n", field("Contact: "))),
            };
            let copied = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "]
                .map(field)
                .join("\r\n");
            let answer =
                format!("SIP/2.0 {status}\r\n{copied}\r\n{extra}Content-Length: 0\r\n\r\n");
            socket.send_to(answer.as_bytes(), from).unwrap();
            asked.push(text);
            if leaves {
                return asked;
            }
        }
    };
    (port, std::thread::spawn(serve))
}

// Shows: the program registers, says so and leaves; the password is seen nowhere | interop row 14
#[test]
fn an_address_is_registered_and_left() {
    const CANARY: &str = "canary-7311";
    let folder = Folder::new("register");
    let file = folder.with("password", format!("{CANARY}\n").as_bytes());
    let (port, registrar) = registrar();
    let address = format!("alice@127.0.0.1:{port}");
    let args = [
        "register",
        &address,
        "--password-file",
        &file,
        "--once",
        "--bind",
        "127.0.0.1:0",
        "--json",
    ];
    let run = Run::of(&mut program(&args));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.out.contains("\"registered\"") && run.out.contains("\"expires\":60"),
        "{run:?}"
    );
    let asked = registrar.join().unwrap();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("username=\"alice\""), "{asked:?}");
    assert!(!format!("{run:?}{asked:?}").contains(CANARY));
}

#[test]
fn what_cannot_be_registered_is_told_in_one_line() {
    let cases: [(&[&str], i32, &[&str]); 4] = [
        (
            &["register", "alice@nowhere.invalid", "--once"],
            3,
            &["nowhere.invalid", "check its name"],
        ),
        (
            &["register", "nobody", "--once"],
            2,
            &["'nobody'", "alice@example.com"],
        ),
        (
            &[
                "register",
                "a@127.0.0.1",
                "--password-file",
                "/nonexistent/x",
            ],
            2,
            &["--password-file", "/nonexistent/x"],
        ),
        (
            &["call", "sip:x@127.0.0.1:9", "--proxy", "p"],
            2,
            &["--proxy", "--user"],
        ),
    ];
    for (args, code, names) in cases {
        let run = Run::of(&mut program(args));
        assert_eq!(run.code, Some(code), "{args:?} {run:?}");
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
        for name in names {
            assert!(run.err.contains(name), "{name}: {run:?}");
        }
    }
}

// Shows: the program tells where an address is registered, and registers nothing | RFC 3261 10.2.3
#[test]
fn bindings_are_told_and_left_as_they_are() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let registrar = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let (n, from) = socket.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        let copied = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
        let copied = text
            .lines()
            .filter(|l| copied.iter().any(|c| l.starts_with(c)));
        let copied = copied.collect::<Vec<_>>().join("\r\n");
        let answer = format!(
            "SIP/2.0 200 OK\r\n{copied}\r\nContact: <sip:alice@192.0.2.3>;expires=7\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(answer.as_bytes(), from).unwrap();
        text
    });
    let address = format!("alice@127.0.0.1:{port}");
    let args = ["register", &address, "--fetch", "--bind", "127.0.0.1:0"];
    let run = Run::of(&mut program(&args));
    assert_eq!(run.code, Some(0), "{run:?}");
    let told = "is registered at\n<sip:alice@192.0.2.3>;expires=7";
    assert!(run.out.contains(told), "{run:?}");
    let asked = registrar.join().unwrap();
    assert!(
        asked.starts_with("REGISTER ") && !asked.contains("Contact: "),
        "{asked}"
    );
}

// Shows: an account registers through the edge proxies of the command line, as the device that is named | RFC 5626 4.2
#[test]
fn edges_and_the_device_are_told_to_the_registrar() {
    let (port, registrar) = registrar();
    let edge = format!("127.0.0.1:{port}");
    let device = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let args = [
        "register",
        "alice@nowhere.invalid",
        "--password",
        "x",
        "--edge",
        &edge,
        "--instance",
        device,
        "--once",
        "--bind",
        "127.0.0.1:0",
    ];
    let run = Run::of(&mut program(&args));
    assert_eq!(run.code, Some(0), "{run:?}");
    let asked = registrar.join().unwrap();
    let route = format!("Route: <sip:{edge};lr>");
    assert!(asked[0].contains(&route), "{asked:?}");
    let own = format!("+sip.instance=\"<urn:uuid:{device}>\";reg-id=1");
    assert!(asked[0].contains(&own), "{asked:?}");
    let run = Run::of(&mut program(&["register", "a@b.example", "--edge", &edge]));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("--instance"), "{run:?}");
}

// Shows: a silent peer is asked for no longer than is wanted
#[test]
fn options_ends_after_its_timeout() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri = format!("sip:x@{}", socket.local_addr().unwrap());
    #[allow(
        clippy::disallowed_methods,
        reason = "how long a program really takes is what is asked"
    )]
    let began = std::time::Instant::now();
    let args = [
        "options",
        &uri,
        "--timeout",
        "300ms",
        "--bind",
        "127.0.0.1:0",
    ];
    let run = Run::of(&mut program(&args));
    assert_eq!(run.code, Some(5), "{run:?}");
    assert!(run.err.contains("no answer"), "{run:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}
