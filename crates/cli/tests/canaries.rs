//! Secrets of a whole call (passwords, digests, keys of media) leave no trace in anything that the program writes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use common::base64::{base64, decoded};
use common::{Beside, Folder, Run, SPEECH, Turn, program};

const HERE: &str = "127.0.0.1:0";
const DOMAIN: &str = "office.example";
const ALICE: &str = "canary-of-alice-93b1";
const BOB: &str = "canary-of-bob-55e0";
const SECURED: [&str; 3] = ["--srtp", "required", "--srtp-keys-in-clear"];

/// Hands datagrams on between a phone and its server as they are, and keeps what it saw.
struct Relay {
    address: SocketAddr,
    saw: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(HERE).unwrap();
        let patience = Duration::from_millis(100);
        socket.set_read_timeout(Some(patience)).unwrap();
        let address = socket.local_addr().unwrap();
        let saw = Arc::new(Mutex::new(String::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, stopped) = (saw.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let (mut phone, mut buffer) = (None, vec![0; 65_535]);
            while !stopped.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                if from != server {
                    phone = Some(from);
                }
                let to = if from == server { phone } else { Some(server) };
                *seen.lock().unwrap() += &String::from_utf8_lossy(&buffer[..n]);
                if let Some(to) = to {
                    socket.send_to(&buffer[..n], to).unwrap();
                }
            }
        });
        Self {
            address,
            saw,
            stop,
            thread: Some(thread),
        }
    }

    /// What stands between `before` and the next of `ends` wherever that is.
    fn all(&self, before: &str, ends: &[char]) -> Vec<String> {
        let text = self.saw.lock().unwrap();
        let parts = text.split(before).skip(1);
        let found = parts.filter_map(|p| p.split(ends).next());
        let mut found: Vec<String> = found.map(ToOwned::to_owned).collect();
        found.sort();
        found.dedup();
        found
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _over = self.thread.take().map(JoinHandle::join);
    }
}

/// The forms in which somebody could write a secret: as it is, in base64 wherever it begins in what is coded, in
/// hexadecimal digits, and as a list of numbers.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = |f: fn(&u8) -> String| secret.iter().map(f).collect::<String>().into_bytes();
    let list = format!("{secret:?}");
    let mut all = vec![
        secret.to_vec(),
        hex(|b| format!("{b:02x}")),
        hex(|b| format!("{b:02X}")),
        list.trim_matches(['[', ']']).as_bytes().to_vec(),
    ];
    for before in 0..3 {
        let coded = base64(&[&vec![b' '; before], secret].concat());
        // What the bytes before and after it have a part in says nothing of it.
        let coded = &coded.as_bytes()[if before == 0 { 0 } else { before + 1 }..];
        all.push(coded[..coded.len() - 2].to_vec());
    }
    all
}

#[test]
fn every_form_is_found() {
    let secret = b"canary-of-somebody";
    for text in [
        "canary-of-somebody",
        "alice:canary-of-somebody",
        "x:canary-of-somebody:y",
    ] {
        let coded = base64(text.as_bytes());
        for text in [text.as_bytes(), coded.as_bytes()] {
            let is_in = |form: &Vec<u8>| text.windows(form.len()).any(|w| w == *form);
            assert!(
                forms(secret).iter().any(is_in),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
    assert_eq!(decoded(&base64(secret)), secret);
}

/// Runs a server, a phone that answers and one that calls, all with every output; what each said and the files.
fn call(folder: &Folder, more: &[&str]) {
    let office = folder.with(
        "office.toml",
        format!(
            "domain = \"{DOMAIN}\"\n[[user]]\nname = \"alice\"\npassword = \"{ALICE}\"\n\
             [[user]]\nname = \"bob\"\npassword = \"{BOB}\"\n"
        )
        .as_bytes(),
    );
    let loud = |args: &[&str]| {
        let mut command = program(args);
        command
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        command
    };
    let mut server = loud(&["serve", &office, "--bind", HERE, "--json"]);
    let server = Beside::of(server.args(SECURED), "serving");
    let relays = [Relay::to(server.address), Relay::to(server.address)];
    let proxies = relays.each_ref().map(|r| r.address.to_string());
    let kinds = ["pcap", "html", "json", "wav"];
    let ours = kinds.map(|k| folder.file(&format!("alice.{k}")));
    let theirs = kinds.map(|k| folder.file(&format!("bob.{k}")));

    let password = folder.with("bob.txt", format!("{BOB}\n").as_bytes());
    let mut answer = loud(&["answer", "--bind", HERE, "--auto-answer", "--json"]);
    answer.args(["--max-calls", "1", "--play", SPEECH, "--pcap", &theirs[0]]);
    answer
        .args(["--report", &theirs[1], "--record", &theirs[3]])
        .args(SECURED);
    answer.args(["--user", &format!("bob@{DOMAIN}"), "--proxy", &proxies[1]]);
    answer.args(["--password-file", &password]);
    let mut answer = Beside::of(&mut answer, "listening");
    answer.wait_for("registered");

    let mut command = loud(&["call", &format!("sip:bob@{DOMAIN}"), "--bind", HERE]);
    command.args([
        "--duration",
        "2s",
        "--play",
        SPEECH,
        "--assert",
        "--pcap",
        &ours[0],
    ]);
    command
        .args(["--report", &ours[1], "--record", &ours[3]])
        .args(SECURED);
    command.args(["--user", &format!("alice@{DOMAIN}"), "--proxy", &proxies[0]]);
    command.env("TIPRING_PASSWORD", ALICE).args(more);
    let run = Run::of(&mut command);
    assert_eq!(run.code, Some(0), "{run:?}");
    let answered = answer.end();
    server.stop();
    let served = server.end();

    let mut secrets: Vec<Vec<u8>> = [ALICE, BOB].map(|s| s.as_bytes().to_vec()).into();
    for relay in &relays {
        let proofs = relay.all(" response=\"", &['"']);
        assert!(!proofs.is_empty(), "something was proved");
        secrets.extend(proofs.into_iter().map(String::into_bytes));
        for key in relay.all("inline:", &['|', '\r', '\n', ' ', ';']) {
            let bytes = decoded(&key);
            // The shortest are 16 bytes of key and 12 of salt (RFC 7714 section 12).
            assert!(bytes.len() >= 28);
            secrets.push(bytes);
        }
    }
    let proofs = relays[0].all("uthorization: ", &['\r']);
    secrets.extend(proofs.into_iter().map(String::into_bytes));
    assert!(secrets.len() >= 2 + 2 + 2, "passwords, proofs and keys");

    let mut outputs: Vec<(String, Vec<u8>)> = Vec::new();
    for (who, run) in [("caller", run), ("called", answered), ("server", served)] {
        outputs.push((format!("{who}, out"), run.out.into_bytes()));
        outputs.push((format!("{who}, err"), run.err.into_bytes()));
    }
    for file in ours.iter().chain(&theirs) {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.is_empty(), "{file}");
        outputs.push((file.clone(), bytes));
    }
    for secret in &secrets {
        for form in forms(secret) {
            for (name, bytes) in &outputs {
                let found = bytes.windows(form.len()).any(|w| w == form);
                assert!(!found, "{name} holds {}", String::from_utf8_lossy(&form));
            }
        }
    }
    // They were looked for where they would have been.
    let pcap = fs::read(&ours[0]).unwrap();
    for place in [&b" response=\"xxxx"[..], b" inline:xxxx"] {
        assert!(pcap.windows(place.len()).any(|w| w == place));
    }
}

// Shows: passwords, digests and keys of a call are in no output, capture, recording or report, however much is logged | hostile input
#[test]
fn secrets_of_a_call_are_written_nowhere() {
    let _turn = Turn::take();
    let folder = Folder::new("canaries");
    call(&folder, &["--json"]);
    let folder = Folder::new("canaries-in-words");
    call(&folder, &[]);
}
