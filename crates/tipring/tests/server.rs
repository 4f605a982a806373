//! A server and phones that register with it and call each other, over real sockets.
#![allow(clippy::unwrap_used, reason = "what fails in here fails the test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tipring::msp_core::media::Direction;
use tipring::msp_core::time::ClockRate;
use tipring::{
    Account, Algorithm, Call, Credential, Domain, ErrorKind, EventKind, Events, Host, Phone,
    Registration, RegistrationState, Server, Uri,
};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct Office {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Server>,
}

fn domain(users: &[(&str, &str)]) -> Domain {
    let users = users
        .iter()
        .map(|(user, password)| Credential::password(*user, *password));
    Domain::new(Host::new("office.example").unwrap(), users.collect())
}

impl Office {
    async fn open(users: &[(&str, &str)]) -> Self {
        Self::serving(domain(users)).await
    }

    async fn serving(domain: Domain) -> Self {
        let builder = Phone::builder().bind((Ipv4Addr::LOCALHOST, 0).into());
        let server = Server::start(builder, domain).await.unwrap();
        let address = server.phone().local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            server.run(async { drop(stopped.await) }).await.unwrap();
            server
        });
        Self {
            address,
            stop: Some(stop),
            running,
        }
    }

    /// A phone whose account is a user of the office.
    async fn phone(&self, user: &str, password: &str) -> (Phone, Account) {
        self.phone_of(user, user, password).await
    }

    /// A phone that says it is `user` and knows the password of `prover`.
    async fn phone_of(&self, user: &str, prover: &str, password: &str) -> (Phone, Account) {
        let aor = Uri::new(format!("sip:{user}@office.example")).unwrap();
        let proxy = Uri::new(format!("sip:{}", self.address)).unwrap();
        let account = Account::new(aor).unwrap().proxy(proxy).unwrap();
        let account = account.credential(Credential::password(prover, password));
        let builder = Phone::builder().bind((Ipv4Addr::LOCALHOST, 0).into());
        (
            builder.account(account.clone()).start().await.unwrap(),
            account,
        )
    }

    async fn registered(&self, user: &str) -> (Phone, Registration) {
        let (phone, account) = self.phone(user, "secret").await;
        let mut registration = phone.register(account).unwrap();
        let state = timeout(PATIENCE, registration.changed())
            .await
            .unwrap()
            .unwrap();
        assert!(
            matches!(state, RegistrationState::Registered { .. }),
            "{state:?}"
        );
        (phone, registration)
    }
}

async fn next(phone: &Phone) -> Call {
    timeout(PATIENCE, phone.next_call()).await.unwrap().unwrap()
}

// Shows: two phones register at our server and call each other through it: sound and digits both ways | registrar and B2BUA
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_phones_call_each_other_through_the_server() {
    let office = Office::open(&[("alice", "secret"), ("bob", "secret")]).await;
    let (alice, _a) = office.registered("alice").await;
    let (bob, _b) = office.registered("bob").await;
    let call = alice.dial("sip:bob@office.example").await.unwrap();
    let taken = next(&bob).await;
    assert!(
        taken.peer().contains("sip:alice@office.example"),
        "{}",
        taken.peer()
    );
    taken.answer().await.unwrap();
    timeout(PATIENCE, call.connected()).await.unwrap().unwrap();
    // What bob says comes to alice, and the other way round.
    for (from, to) in [(&taken, &call), (&call, &taken)] {
        let tone = tipring::terminals::Tone::new(1_000.0, -10.0).unwrap();
        let ear = tipring::terminals::AppSink::new(tipring::terminals::AppOptions::new(
            ClockRate::HZ_8000,
        ))
        .unwrap();
        to.select(Direction::Render, ear.clone()).unwrap();
        from.select(Direction::Capture, tone.clone()).unwrap();
        let mut sound = vec![0; 8_000];
        let got = tokio::task::spawn_blocking(move || {
            let got = ear.pull_blocking(&mut sound, PATIENCE);
            (got, sound)
        });
        let (got, sound) = got.await.unwrap();
        assert_eq!(got, 8_000);
        let loud = sound.iter().filter(|s| s.unsigned_abs() > 3_000).count();
        assert!(loud > 2_000, "{loud} of 8,000 samples are loud");
    }
    call.hang_up().await.unwrap();
    timeout(PATIENCE, taken.ended()).await.unwrap().unwrap();
    alice.close().await;
    bob.close().await;
}

// Shows: a server lets in who proves to be its user, and nobody else | RFC 3261 22.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_wrong_passwords_are_refused() {
    let office = Office::open(&[("alice", "secret"), ("bob", "secret")]).await;
    let (mallory, account) = office.phone("alice", "guess").await;
    let mut registration = mallory.register(account).unwrap();
    let state = timeout(PATIENCE, registration.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(
            state,
            RegistrationState::Failed {
                status: Some(401),
                ..
            }
        ),
        "{state:?}"
    );
    let call = mallory.dial("sip:bob@office.example").await.unwrap();
    let error = timeout(PATIENCE, call.connected())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
    // A user who says that it is another one.
    let (fraud, account) = office.phone_of("bob", "alice", "secret").await;
    let call = fraud.dial("sip:alice@office.example").await.unwrap();
    let error = timeout(PATIENCE, call.connected()).await.unwrap();
    assert_eq!(error.unwrap_err().status(), Some(403));
    let mut registration = fraud.register(account).unwrap();
    let state = timeout(PATIENCE, registration.changed()).await.unwrap();
    let refused = Some(403);
    assert!(
        matches!(state.unwrap(), RegistrationState::Failed { status, .. } if status == refused)
    );
    // Users who are known, and nobody, and somebody without a phone.
    let (alice, _a) = office.registered("alice").await;
    for (who, status) in [("nobody", 404), ("bob", 480)] {
        let call = alice
            .dial(&format!("sip:{who}@office.example"))
            .await
            .unwrap();
        let error = timeout(PATIENCE, call.connected())
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
    }
    mallory.close().await;
    fraud.close().await;
    alice.close().await;
}

// Shows: a server asks for a proof by the algorithms that it is told, and by no other | RFC 8760 2.3, interop row 15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asks_for_the_algorithms_that_it_is_told() {
    let asking = |algorithms| Domain {
        algorithms,
        ..domain(&[("alice", "secret")])
    };
    for (algorithms, offered) in [
        (vec![Algorithm::Md5], &["MD5"][..]),
        (domain(&[]).algorithms, &["SHA-256", "MD5"]),
    ] {
        let office = Office::serving(asking(algorithms)).await;
        let (alice, _a) = office.registered("alice").await;
        alice.close().await;
        let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let from = stranger.local_addr().unwrap();
        let register = format!(
            "REGISTER sip:office.example SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKa\r\n\
             Max-Forwards: 70\r\nTo: <sip:alice@office.example>\r\nFrom: <sip:alice@office.example>;tag=1\r\n\
             Call-ID: a\r\nCSeq: 1 REGISTER\r\nContact: <sip:alice@{from}>\r\nContent-Length: 0\r\n\r\n"
        );
        let sent = stranger.send_to(register.as_bytes(), office.address);
        sent.await.unwrap();
        let mut answer = [0; 2_000];
        let received = timeout(PATIENCE, stranger.recv(&mut answer)).await;
        let answer = std::str::from_utf8(&answer[..received.unwrap().unwrap()]).unwrap();
        assert!(answer.starts_with("SIP/2.0 401 "), "{answer}");
        let asked: Vec<_> = answer
            .lines()
            .filter(|line| line.starts_with("WWW-Authenticate: "))
            .map(|line| line.split("algorithm=").nth(1).unwrap())
            .map(|rest| rest.split(',').next().unwrap())
            .collect();
        assert_eq!(asked, offered, "{answer}");
    }
    for impossible in [vec![], vec![Algorithm::Other("SHA-1".into())]] {
        let builder = Phone::builder().bind((Ipv4Addr::LOCALHOST, 0).into());
        let error = Server::start(builder, asking(impossible))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
    }
}

/// The next message that comes to a phone: who sent it, and what.
async fn message(events: &mut Events) -> (String, String) {
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let EventKind::Message { from, body, .. } = event.kind {
            return (from.into(), String::from_utf8_lossy(&body).into());
        }
    }
}

// Shows: a server passes a message on to every phone of its recipient, and the answer back; 480 if there is none, 404 for nobody | RFC 3428 6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_to_every_phone_of_a_user() {
    let office = Office::open(&[("alice", "secret"), ("bob", "secret"), ("carol", "secret")]).await;
    let (alice, _a) = office.registered("alice").await;
    let (desk, _d) = office.registered("bob").await;
    let (mobile, _m) = office.registered("bob").await;
    let (mut at_desk, mut at_mobile) = (desk.events(), mobile.events());
    let sent = alice.message("sip:bob@office.example", "lunch?");
    timeout(PATIENCE, sent).await.unwrap().unwrap();
    for events in [&mut at_desk, &mut at_mobile] {
        let (from, text) = message(events).await;
        assert_eq!((&*from, &*text), ("<sip:alice@office.example>", "lunch?"));
    }
    for (who, status) in [("carol", 480), ("nobody", 404)] {
        let target = format!("sip:{who}@office.example");
        let sent = timeout(PATIENCE, alice.message(&target, "x")).await;
        assert_eq!(sent.unwrap().unwrap_err().status(), Some(status), "{who}");
    }
    // Strangers send none.
    let (mallory, _) = office.phone("alice", "guess").await;
    let sent = mallory.message("sip:bob@office.example", "x");
    let error = timeout(PATIENCE, sent).await.unwrap().unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
    for phone in [alice, desk, mobile, mallory] {
        phone.close().await;
    }
}

/// A call between two phones that is up: its end at the caller, and at the called.
async fn speak(from: &Phone, to: &Phone, user: &str) -> (Call, Call) {
    let call = from.dial(&format!("sip:{user}@office.example")).await;
    let call = call.unwrap();
    let taken = next(to).await;
    taken.answer().await.unwrap();
    timeout(PATIENCE, call.connected()).await.unwrap().unwrap();
    (call, taken)
}

/// Whether `to` hears a tone that `from` plays.
async fn hears(from: &Call, to: &Call) {
    let tone = tipring::terminals::Tone::new(1_000.0, -10.0).unwrap();
    let options = tipring::terminals::AppOptions::new(ClockRate::HZ_8000);
    let ear = tipring::terminals::AppSink::new(options).unwrap();
    to.select(Direction::Render, ear.clone()).unwrap();
    from.select(Direction::Capture, tone).unwrap();
    let loud = tokio::task::spawn_blocking(move || {
        // What came before the tone is silence.
        let mut sound = vec![0; 24_000];
        let got = ear.pull_blocking(&mut sound, PATIENCE);
        let loud = sound.iter().filter(|s| s.unsigned_abs() > 3_000).count();
        (got, loud)
    });
    let (got, loud) = loud.await.unwrap();
    assert!(
        got == 24_000 && loud > 2_000,
        "{loud} of {got} samples are loud"
    );
}

/// A server with alice, bob and carol, each at one phone.
async fn three() -> (Office, [Phone; 3], [Registration; 3]) {
    let office = Office::open(&[("alice", "secret"), ("bob", "secret"), ("carol", "secret")]).await;
    let (alice, a) = office.registered("alice").await;
    let (bob, b) = office.registered("bob").await;
    let (carol, c) = office.registered("carol").await;
    (office, [alice, bob, carol], [a, b, c])
}

// Shows: a user of our server passes a call on without asking: the two others hear each other, and it is out | RFC 3515 2.4, RFC 5589 6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_passed_on_blindly_by_the_server() {
    let (_office, [alice, bob, carol], _registered) = three().await;
    let (at_alice, at_bob) = speak(&alice, &bob, "bob").await;
    // To who is not there, or somewhere else under the same name: the call goes on.
    for nobody in ["sip:nobody@office.example", "sip:carol@other.example"] {
        let passed = at_bob.transfer(nobody);
        let error = timeout(PATIENCE, passed).await.unwrap().unwrap_err();
        assert_eq!(error.status(), Some(404), "{error}");
    }
    let (passed, at_carol) = tokio::join!(
        timeout(PATIENCE, at_bob.transfer("sip:carol@office.example")),
        async {
            let at_carol = next(&carol).await;
            assert!(at_carol.peer().contains("sip:alice@office.example"));
            at_carol.answer().await.unwrap();
            at_carol
        }
    );
    passed.unwrap().unwrap();
    timeout(PATIENCE, at_bob.ended()).await.unwrap().unwrap();
    hears(&at_alice, &at_carol).await;
    at_carol.hang_up().await.unwrap();
    timeout(PATIENCE, at_alice.ended()).await.unwrap().unwrap();
    for phone in [alice, bob, carol] {
        phone.close().await;
    }
}

// Shows: a user of our server passes a call on after a consultation: the two others hear each other | RFC 3891 3, RFC 5589 7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_passed_on_with_a_consultation_by_the_server() {
    let (_office, [alice, bob, carol], _registered) = three().await;
    let (at_alice, at_bob) = speak(&alice, &bob, "bob").await;
    let (asking, at_carol) = speak(&bob, &carol, "carol").await;
    let passed = timeout(PATIENCE, at_bob.transfer_to(&asking)).await;
    passed.unwrap().unwrap();
    for call in [&at_bob, &asking] {
        timeout(PATIENCE, call.ended()).await.unwrap().unwrap();
    }
    hears(&at_carol, &at_alice).await;
    at_alice.hang_up().await.unwrap();
    timeout(PATIENCE, at_carol.ended()).await.unwrap().unwrap();
    for phone in [alice, bob, carol] {
        phone.close().await;
    }
}

// Shows: all phones of a user ring, and the first that answers has the call
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_phone_of_a_user_rings_and_a_refusal_says_why() {
    let office = Office::open(&[("alice", "secret"), ("bob", "secret")]).await;
    let (alice, _a) = office.registered("alice").await;
    let (desk, _d) = office.registered("bob").await;
    let (mobile, _m) = office.registered("bob").await;
    let call = alice.dial("sip:bob@office.example").await.unwrap();
    let (at_desk, at_mobile) = (next(&desk).await, next(&mobile).await);
    at_desk.ring().unwrap();
    let rings = |s: &tipring::CallState| *s == tipring::CallState::Ringing;
    timeout(PATIENCE, call.reached(rings))
        .await
        .unwrap()
        .unwrap();
    at_mobile.answer().await.unwrap();
    timeout(PATIENCE, call.connected()).await.unwrap().unwrap();
    timeout(PATIENCE, at_desk.ended()).await.unwrap().unwrap();
    at_mobile.hang_up().await.unwrap();
    timeout(PATIENCE, call.ended()).await.unwrap().unwrap();
    // Both refuse: the caller hears it.
    let call = alice.dial("sip:bob@office.example").await.unwrap();
    for phone in [&desk, &mobile] {
        next(phone).await.reject(486).unwrap();
    }
    let error = timeout(PATIENCE, call.connected())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.status(), Some(486), "{error}");
    for phone in [alice, desk, mobile] {
        phone.close().await;
    }
}

// Shows: a server that is told to stop refuses new calls with 503 and lets the others end
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_stops_when_its_calls_are_over() {
    let mut office = Office::open(&[("alice", "secret"), ("bob", "secret")]).await;
    let (alice, _a) = office.registered("alice").await;
    let (bob, _b) = office.registered("bob").await;
    let call = alice.dial("sip:bob@office.example").await.unwrap();
    next(&bob).await.answer().await.unwrap();
    timeout(PATIENCE, call.connected()).await.unwrap().unwrap();
    drop(office.stop.take());
    let status = async {
        loop {
            let late = alice.dial("sip:bob@office.example").await.unwrap();
            match late.connected().await {
                Ok(()) => panic!("a call was taken"),
                // The server may not have heard of it yet.
                Err(e) if e.status() == Some(503) => return e,
                Err(_) => {}
            }
        }
    };
    timeout(PATIENCE, status).await.unwrap();
    assert!(!office.running.is_finished(), "a call goes on");
    call.hang_up().await.unwrap();
    let server = timeout(PATIENCE, office.running).await.unwrap().unwrap();
    // Phones say goodbye to their registrar, and would wait for one that is gone.
    alice.close().await;
    bob.close().await;
    server.close().await;
}
