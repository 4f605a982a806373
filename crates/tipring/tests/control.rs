//! More than one call at a time: swapped, picked up, taken over, parked, in one hub.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{connect, uri};
use tipring::msp_core::media::{Direction, MediaKind};
use tipring::msp_core::terminal::Terminal;
use tipring::msp_core::time::ClockRate;
use tipring::terminals::{
    AppOptions, AppSink, FilePlay, FileRecord, PlayOptions, RecordOptions, Tone, Voice,
};
use tipring::{Call, CallHub, CallState, EndCause, ErrorKind, EventKind, Phone, Watchers};

async fn phone(user: &str) -> Phone {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let phone = Phone::builder().bind(bind).user(user);
    phone.watchers(Watchers::Anybody).start().await.unwrap()
}

const HELD: CallState = CallState::Held {
    local: true,
    remote: false,
};

// Shows: one call is held and another taken up; neither if the other cannot be | TAPI SwapHold
#[tokio::test]
async fn two_calls_are_swapped() {
    let (alice, bob, carol) = (phone("a").await, phone("b").await, phone("c").await);
    let (first, at_bob) = connect(&alice, &bob).await;
    first.hold().await.unwrap();
    let (second, at_carol) = connect(&alice, &carol).await;
    second.swap(&first).await.unwrap();
    assert_eq!(
        (first.state(), second.state()),
        (CallState::Connected, HELD)
    );
    first.swap(&second).await.unwrap();
    assert_eq!(
        (first.state(), second.state()),
        (HELD, CallState::Connected)
    );
    at_bob.hang_up().await.unwrap();
    first.ended().await.unwrap();
    let error = second.swap(&first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Ended);
    assert_eq!(second.state(), CallState::Connected, "it is taken up again");
    assert_eq!(at_carol.state(), CallState::Connected);
}

// Shows: a call that rings at another phone is picked up | RFC 5359 2.13, TAPI Pickup
#[tokio::test]
async fn a_call_that_rings_elsewhere_is_picked_up() {
    let (alice, bob, carol) = (phone("a").await, phone("b").await, phone("c").await);
    let target = uri("b", &bob);
    let error = carol.pick_up(&target).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState, "nothing rings there");
    let call = alice.dial(&target).await.unwrap();
    let at_bob = bob.next_call().await.unwrap();
    at_bob.ring().unwrap();
    call.reached(|s| *s == CallState::Ringing).await.unwrap();
    let picked = carol.pick_up(&target).await.unwrap();
    picked.connected().await.unwrap();
    assert_eq!(at_bob.ended().await.unwrap().cause, EndCause::Cancelled);
    assert_eq!(call.ended().await.unwrap().cause, EndCause::Replaced);
    let at_alice = alice.next_call().await.unwrap();
    at_alice.connected().await.unwrap();
    picked.hang_up().await.unwrap();
    at_alice.ended().await.unwrap();
    // Whoever tells nothing gives nothing away.
    let silent = Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let silent = silent.watchers(Watchers::Nobody).start().await.unwrap();
    let error = carol.pick_up(&uri("s", &silent)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Refused, Some(403))
    );
}

// Shows: another device of a user takes a call over, with the terminals of the peer's call | RFC 3891 3, TAPI Handoff
#[tokio::test]
async fn a_call_is_taken_over_by_another_device() {
    let folder = std::env::temp_dir().join(format!("tipring-control-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sound = folder.join("tone.wav");
    write_tone(&sound);
    let (desk, mobile, peer) = (phone("a").await, phone("a").await, phone("p").await);
    let (at_desk, at_peer) = connect(&desk, &peer).await;
    let play = FilePlay::open(&sound, PlayOptions::default()).unwrap();
    let record = FileRecord::create(folder.join("heard.wav"), RecordOptions::default()).unwrap();
    at_peer.select(Direction::Capture, play.clone()).unwrap();
    at_peer.select(Direction::Render, record.clone()).unwrap();
    let taken = mobile.take_over(&uri("a", &desk)).await.unwrap();
    taken.connected().await.unwrap();
    assert_eq!(at_desk.ended().await.unwrap().cause, EndCause::RemoteHangUp);
    assert_eq!(at_peer.ended().await.unwrap().cause, EndCause::Replaced);
    let now_at_peer = peer.next_call().await.unwrap();
    now_at_peer.connected().await.unwrap();
    let stream = |d| now_at_peer.media().stream(MediaKind::Audio, d).unwrap();
    let ids = |d| {
        stream(d)
            .terminals()
            .iter()
            .map(|t| t.id())
            .collect::<Vec<_>>()
    };
    let mut tries = 0;
    while ids(Direction::Capture).is_empty() || ids(Direction::Render).is_empty() {
        tries += 1;
        assert!(tries < 500, "the terminals did not come along");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ids(Direction::Capture), [play.id()]);
    assert_eq!(ids(Direction::Render), [record.id()]);
    taken.hang_up().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}

// Shows: a call is parked at a slot and taken back from it, by what the slot tells or by calling it | RFC 5359 2.14, TAPI Park
#[tokio::test]
async fn a_call_is_parked_and_taken_back() {
    for watchers in [Watchers::Anybody, Watchers::Nobody] {
        let (alice, bob) = (phone("a").await, phone("b").await);
        let lot = Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let lot = lot.watchers(watchers).start().await.unwrap();
        let slot = uri("slot", &lot);
        let (call, at_bob) = connect(&alice, &bob).await;
        let mut events = at_bob.events();
        let parking = async { call.park(&slot).await };
        let following = async {
            while !matches!(
                events.next().await.unwrap().kind,
                EventKind::TransferRequested { .. }
            ) {}
            let parked = at_bob.follow_transfer().unwrap();
            lot.next_call().await.unwrap().answer().await.unwrap();
            parked.connected().await.unwrap();
            parked
        };
        let (done, parked) = tokio::join!(parking, following);
        done.unwrap();
        let back = alice.unpark(&slot).await.unwrap();
        if watchers == Watchers::Nobody {
            lot.next_call().await.unwrap().answer().await.unwrap();
            back.connected().await.unwrap();
            assert_eq!(
                parked.state(),
                CallState::Connected,
                "its switch joins the two"
            );
        } else {
            back.connected().await.unwrap();
            assert_eq!(parked.ended().await.unwrap().cause, EndCause::Replaced);
        }
    }
}

// Shows: calls of one conversation are listed, and go one by one or together | RFC 4579 5, TAPI Conference and call hub
#[tokio::test]
async fn a_hub_lists_its_legs() {
    let (alice, bob, carol) = (phone("a").await, phone("b").await, phone("c").await);
    let hub = CallHub::new();
    let waiting = alice.prepare(&uri("b", &bob)).unwrap();
    let error = hub.add(&waiting).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState, "it is not up");
    let (first, at_bob) = connect(&alice, &bob).await;
    first.hold().await.unwrap();
    let (second, at_carol) = connect(&alice, &carol).await;
    hub.add(&first).await.unwrap();
    hub.add(&second).await.unwrap();
    assert_eq!(first.state(), CallState::Connected, "nobody in it is held");
    assert!(hub.add(&first).await.is_err(), "it is in it already");
    let legs = || hub.calls().iter().map(Call::key).collect::<Vec<_>>();
    assert_eq!(legs(), [first.key(), second.key()]);
    hub.release(&second).unwrap();
    assert_eq!(legs(), [first.key()]);
    hub.add(&second).await.unwrap();
    hub.remove(&first).await.unwrap();
    assert_eq!(at_bob.ended().await.unwrap().cause, EndCause::RemoteHangUp);
    assert!(hub.remove(&first).await.is_err());
    assert_eq!(legs(), [second.key()]);
    hub.clear().await.unwrap();
    at_carol.ended().await.unwrap();
    assert!(hub.calls().is_empty());
}

/// How much of `sound`, 8,000 samples a second, is a sine of `hz`, full scale being 1.
fn share(sound: &[i16], hz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hz / 8000.0;
    let sum = sound
        .iter()
        .enumerate()
        .fold((0.0, 0.0), |(re, im), (n, s)| {
            let (sin, cos) = (turn * n as f64).sin_cos();
            (re + f64::from(*s) * cos, im + f64::from(*s) * sin)
        });
    2.0 * f64::hypot(sum.0, sum.1) / sound.len() as f64 / 32_768.0
}

// Shows: the calls of a hub hear each other and not themselves, one can be muted, who leaves is heard no more | TAPI Conference
#[tokio::test]
async fn c11_calls_of_a_hub_hear_each_other() {
    const TONES: [f32; 3] = [500.0, 700.0, 1_100.0];
    let focus = phone("hub").await;
    let hub = CallHub::new();
    let (mut legs, mut peers) = (Vec::new(), Vec::new());
    for (hz, name) in TONES.into_iter().zip(["a", "b", "c"]) {
        let peer = phone(name).await;
        let (leg, at_peer) = connect(&focus, &peer).await;
        let tone = Tone::new(hz, -20.0).unwrap();
        at_peer.select(Direction::Capture, tone).unwrap();
        let ear = AppSink::new(AppOptions::new(ClockRate::HZ_8000)).unwrap();
        at_peer.select(Direction::Render, ear.clone()).unwrap();
        hub.add(&leg).await.unwrap();
        legs.push(leg);
        peers.push((peer, at_peer, ear));
    }
    // Half a second of what each hears, after what was on its way.
    let listen = async || {
        let mut heard = Vec::new();
        for (_, _, ear) in &peers {
            let ear = ear.clone();
            let listening = tokio::task::spawn_blocking(move || {
                let mut sound = vec![0; 8_000];
                ear.pull_blocking(&mut sound, Duration::from_secs(5));
                sound
            });
            let sound = listening.await.unwrap();
            heard.push(TONES.map(|hz| share(&sound[4_000..], hz.into()) > 0.03));
        }
        heard
    };
    let (no, yes) = (false, true);
    assert_eq!(
        listen().await,
        [[no, yes, yes], [yes, no, yes], [yes, yes, no]]
    );
    let first = hub.member(&legs[0]).unwrap();
    first.set_voice(Voice::Nobody).unwrap();
    assert_eq!(
        listen().await,
        [[no, yes, yes], [no, no, yes], [no, yes, no]]
    );
    let speaker = hub.active_speaker().unwrap().key();
    assert!(speaker == legs[1].key() || speaker == legs[2].key());
    hub.release(&legs[2]).unwrap();
    assert!(hub.member(&legs[2]).is_err());
    assert_eq!(listen().await, [[no, yes, no], [no; 3], [no; 3]]);
}

fn write_tone(path: &std::path::Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..80_000_i32 {
        wav.write_sample(n % 200 * 50 - 5000).unwrap();
    }
    wav.finalize().unwrap();
}
