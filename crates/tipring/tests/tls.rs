//! SIP over TLS, on real sockets, with certificates made for the occasion.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tipring::{EndCause, ErrorKind, Phone, PhoneBuilder, TlsIdentity, TlsSettings};

/// A directory of files that is gone at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tipring-tls-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    trusted: PathBuf,
}

impl Authority {
    fn new(files: &Files, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            trusted: files.write(name, &pem),
        }
    }

    /// A certificate for `names` and its key, in files.
    fn identity(&self, files: &Files, file: &str, names: Vec<SanType>) -> TlsIdentity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        TlsIdentity {
            certificates: files.write(&format!("{file}.crt"), &pem),
            key: files.write(&format!("{file}.key"), &key.serialize_pem()),
        }
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn settings(identity: Option<TlsIdentity>, trusted: &Path) -> TlsSettings {
    TlsSettings {
        identity,
        trusted: Some(trusted.to_owned()),
        ask_peers: false,
    }
}

fn builder(tls: TlsSettings) -> PhoneBuilder {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Phone::builder().bind(local).tls(tls)
}

fn at(phone: &Phone, host: &str) -> String {
    format!("sips:bob@{host}:{}", phone.tls_addr().unwrap().port())
}

// Shows: calls over TLS with sips, to whom the certificate names as a domain or an address | RFC 5922 7.1, interop row 10
#[tokio::test]
async fn two_phones_call_each_other_over_tls() {
    let files = Files::new();
    let ca = Authority::new(&files, "ca");
    let names = vec![
        uri("sip:localhost"),
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
    ];
    let identity = ca.identity(&files, "bob", names);
    let bob = builder(settings(Some(identity), &ca.trusted));
    let bob = bob.start().await.unwrap();
    let alice = builder(settings(None, &ca.trusted)).start().await.unwrap();
    assert_eq!(alice.tls_addr(), None);
    for host in ["localhost", "127.0.0.1"] {
        let call = alice.dial(&at(&bob, host)).await.unwrap();
        let incoming = bob.next_call().await.unwrap();
        incoming.answer().await.unwrap();
        call.connected().await.unwrap();
        // Bob has no other way to Alice, who takes no connections.
        incoming.hang_up().await.unwrap();
        assert_eq!(call.ended().await.unwrap().cause, EndCause::RemoteHangUp);
    }
    let to = at(&bob, "localhost").replace("sips:", "sip:");
    let asked = alice.options(&format!("{to};transport=tls")).await;
    assert_eq!(asked.unwrap().status, 200);
    let sockets = bob.stats().signalling.sockets;
    assert_eq!(
        (sockets.accepted, sockets.received),
        (2, 0),
        "a connection is as good as the name that it was checked for"
    );
    alice.close().await;
    bob.close().await;
}

async fn refused(alice: &Phone, to: &str) -> String {
    let ended = alice.dial(to).await.unwrap().ended().await.unwrap();
    assert_eq!(ended.cause, EndCause::Unreachable);
    ended.reason.into()
}

// Shows: a wrong certificate ends the call in one line that says what, where and what to do | interop row 10
#[tokio::test]
async fn certificates_of_others_and_of_strangers_are_refused() {
    let files = Files::new();
    let ca = Authority::new(&files, "ca");
    let stranger = Authority::new(&files, "stranger");
    let names = vec![
        dns("other.example"),
        dns("*.example"),
        uri("sip:u@localhost"),
    ];
    let identity = ca.identity(&files, "bob", names);
    let bob = builder(settings(Some(identity), &ca.trusted));
    let bob = bob.start().await.unwrap();
    let address = bob.tls_addr().unwrap();
    let alice = builder(settings(None, &ca.trusted)).start().await.unwrap();
    assert_eq!(
        refused(&alice, &at(&bob, "localhost")).await,
        format!(
            "TLS {address}: the certificate names other.example, not localhost: call it by a name that it has"
        )
    );
    let wary = builder(settings(None, &stranger.trusted));
    let wary = wary.start().await.unwrap();
    let why = refused(&wary, &at(&bob, "localhost")).await;
    assert!(
        why.contains("nobody whom we trust signed the certificate"),
        "{why}"
    );
    assert_eq!(bob.calls(), 0);
    for phone in [alice, wary, bob] {
        phone.close().await;
    }
}

// Shows: client certificates, asked for and checked
#[tokio::test]
async fn peers_are_asked_for_a_certificate() {
    let files = Files::new();
    let ca = Authority::new(&files, "ca");
    let mut tls = settings(
        Some(ca.identity(&files, "bob", vec![dns("localhost")])),
        &ca.trusted,
    );
    tls.ask_peers = true;
    let bob = builder(tls).start().await.unwrap();
    let bare = builder(settings(None, &ca.trusted)).start().await.unwrap();
    let why = refused(&bare, &at(&bob, "localhost")).await;
    assert!(
        why.contains("wants a certificate") || why.contains("closed"),
        "{why}"
    );
    let identity = ca.identity(&files, "alice", vec![dns("alice.example")]);
    let known = builder(settings(Some(identity), &ca.trusted));
    let known = known.start().await.unwrap();
    let asked = known.options(&at(&bob, "localhost")).await.unwrap();
    assert_eq!(asked.status, 200);
    assert_eq!(bob.stats().signalling.sockets.failed_handshakes, 1);
    for phone in [bare, known, bob] {
        phone.close().await;
    }
}

#[tokio::test]
async fn a_file_that_is_wrong_is_named() {
    let files = Files::new();
    let ca = Authority::new(&files, "ca");
    let good = ca.identity(&files, "bob", vec![dns("localhost")]);
    let other = ca.identity(&files, "other", vec![dns("localhost")]);
    let wrong = [
        (files.0.join("nowhere"), good.key.clone(), "nowhere"),
        (
            good.certificates.clone(),
            good.certificates.clone(),
            "bob.crt",
        ),
        (good.certificates.clone(), other.key, "other.key"),
    ];
    for (certificates, key, named) in wrong {
        let identity = TlsIdentity { certificates, key };
        let tls = settings(Some(identity), &ca.trusted);
        let error = builder(tls).start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{named}");
        assert!(error.to_string().contains(named), "{error}");
    }
}
