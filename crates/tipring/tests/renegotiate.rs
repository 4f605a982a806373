//! A media half that wants another round of offer and answer, in a call between two phones over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{ControlLink, Envelope, MspEnd, ToMsp, ToTsp, TspEnd};
use msp_core::media::Direction;
use msp_core::provider::{Capabilities, OpenAddress, Provider};
use tipring::terminals::Tone;
use tipring::{Call, CallState, Phone, PhoneBuilder};
use tokio::sync::mpsc;

/// An engine, what it is told, and a way to speak in its place.
struct Overheard {
    engine: Arc<dyn Provider>,
    ends: Arc<Mutex<Option<(TspEnd, MspEnd)>>>,
    told: mpsc::UnboundedSender<Envelope<ToMsp>>,
}

impl Overheard {
    fn say(&self, message: Envelope<ToTsp>) {
        let ends = self.ends.lock().unwrap();
        ends.as_ref().unwrap().1.sender.send(message).unwrap();
    }
}

impl Provider for Overheard {
    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    fn open(&self, name: &str) -> msp_core::Result<OpenAddress> {
        let OpenAddress { address, link } = self.engine.open(name)?;
        let (tsp, facing_tsp) = ControlLink::pair(ControlLink::CAPACITY);
        let pump = || {
            let (ends, told) = (self.ends.clone(), self.told.clone());
            move || {
                let ends = ends.lock().unwrap();
                let Some((to_msp, to_tsp)) = ends.as_ref() else {
                    return;
                };
                while let Ok(Some(message)) = to_tsp.receiver.try_recv() {
                    told.send(message.clone()).unwrap();
                    to_msp.sender.send(message).unwrap();
                }
                while let Ok(Some(message)) = to_msp.receiver.try_recv() {
                    to_tsp.sender.send(message).unwrap();
                }
            }
        };
        link.receiver.set_wake(pump());
        facing_tsp.receiver.set_wake(pump());
        *self.ends.lock().unwrap() = Some((link, facing_tsp));
        Ok(OpenAddress { address, link: tsp })
    }
}

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Waits until more has come than before.
async fn hears(call: &Call) {
    let before = call.stats().received.packets;
    while call.stats().received.packets <= before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// Shows: we change a call when the media half wants it, and wait when both ends do
#[tokio::test]
async fn a_media_half_that_wants_another_round_gets_it() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let provider = Arc::new(Overheard {
        engine: Arc::new(builder().engine().unwrap()),
        ends: Arc::default(),
        told,
    });
    let phone = builder().provider(provider.clone()).start().await.unwrap();
    let other = builder().start().await.unwrap();
    let uri = format!("sip:bob@{}", other.local_addr());
    let call = phone.dial(&uri).await.unwrap();
    let incoming = other.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    for call in [&call, &incoming] {
        let tone = Tone::new(440.0, -20.0).unwrap();
        call.select(Direction::Capture, tone).unwrap();
    }
    let round = async |provider: &Overheard, generation: u32, call: CallKey| {
        provider.say(Envelope {
            call,
            leg: LegId::FIRST,
            generation: Generation(generation),
            body: ToTsp::Renegotiate,
        });
        loop {
            let message: Envelope<ToMsp> = heard.recv().await.unwrap();
            assert_ne!(message.body, ToMsp::Rollback);
            if message.body == ToMsp::Commit {
                break message.generation.0;
            }
        }
    };
    let limit = Duration::from_secs(20);
    let rounds = async {
        let mut round = round;
        for generation in 1..=2 {
            let committed = round(&provider, generation - 1, call.key()).await;
            assert_eq!(committed, generation);
            hears(&call).await;
            hears(&incoming).await;
        }
    };
    tokio::time::timeout(limit, rounds).await.expect("in time");
    assert_eq!(call.state(), CallState::Connected);
    assert_eq!(phone.stats().signalling.agent.stray_media, 0);
    call.hang_up().await.unwrap();
    phone.close().await;
    other.close().await;
}
