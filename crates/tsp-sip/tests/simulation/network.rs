//! A network of phones that follows a script.

use std::collections::BTreeMap;
use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::id::CallKey;
use msp_core::link::{Envelope, ToTsp};
use netsim::Impairment;
use tsp_sip::call::{CallEventKind, Command, Input, Outline};
use tsp_sip::wire::StatusCode;

use crate::invariants;
use crate::media::Media;
use crate::script::{Action, Script};
use crate::support::{Manner, Numbers, Phone, Reached, World};

/// What came of a script.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) faults: Vec<String>,
    pub(crate) reached: Reached,
    /// Calls at their ends, and how many of these were connected.
    pub(crate) calls: usize,
    pub(crate) connected: usize,
    /// Ends whose media were compared with those of the other end.
    pub(crate) compared: usize,
}

/// A phone's user and its media half.
pub(crate) struct Player {
    pub(crate) media: Media,
    /// How much the media half was told already.
    heard: usize,
    /// Where the media half of a call wants to receive since the last time that it asked for a change.
    pub(crate) changed: BTreeMap<CallKey, u16>,
    /// The machine has died.
    pub(crate) dead: bool,
}

pub(crate) struct Network {
    pub(crate) world: World,
    pub(crate) players: Vec<Player>,
    numbers: Numbers,
    next_key: u64,
}

/// Longer than any timer of a call that nobody touches: three minutes of ringing, then a transaction, then a BYE.
const REST: Duration = Duration::from_secs(400);

/// Long enough that everything that is under way arrives or is given up.
const CALM: Duration = Duration::from_secs(80);

pub(crate) fn run(seed: u64, loud: bool) -> Outcome {
    let script = Script::new(seed);
    if loud {
        println!("{script:#?}");
    }
    let mut network = Network::new(&script, seed);
    for (at, phone, action) in &script.steps {
        network.run_until(*at);
        network.act(*phone, *action);
    }
    // The network mends, and nobody does anything: what is up has to agree, what is not has to be over.
    network.world.net.set_default(Impairment::PERFECT);
    for i in 0..network.players.len() {
        let phone = &mut network.world.phones[i];
        (phone.mute_media, phone.refuse_prepare, phone.refuse_apply) = (false, None, None);
        network.world.release_media(i);
    }
    network.run_for(CALM);
    let mut outcome = Outcome::default();
    invariants::agree(&network, &mut outcome);
    // What is up can still be changed.
    network.change_everything();
    network.run_for(CALM);
    invariants::changed(&network, &mut outcome);
    invariants::agree(&network, &mut outcome);
    network.hang_up_everything();
    network.run_for(REST);
    invariants::at_rest(&mut network, &mut outcome);
    if script.is_gentle() {
        invariants::outlived(&network, &mut outcome);
    }
    if loud {
        for (at, from, bytes) in &network.world.sent {
            let text = String::from_utf8_lossy(bytes);
            println!("{at:?} {from} {}", text.lines().next().unwrap_or_default());
        }
    }
    outcome.reached = std::mem::take(&mut network.world.reached);
    outcome
}

impl Network {
    fn new(script: &Script, seed: u64) -> Self {
        let phone = |i: usize| {
            let mut phone = Phone::new(
                &format!("192.0.2.{}:5060", i + 1),
                seed * 10 + i as u64,
                Manner::Ring,
            );
            phone.media_port = 40_000 + 1_000 * u16::try_from(i).expect("few phones");
            phone
        };
        let phones: Vec<_> = (0..script.phones).map(phone).collect();
        let players = phones.iter().map(|_| Player {
            media: Media::default(),
            heard: 0,
            changed: BTreeMap::new(),
            dead: false,
        });
        Self {
            players: players.collect(),
            world: World::new(phones, script.impairment, seed),
            numbers: Numbers(seed ^ 0xac71),
            next_key: 0,
        }
    }

    fn run_until(&mut self, at: Duration) {
        let now = Duration::from_nanos(self.world.now.as_nanos());
        self.run_for(at.saturating_sub(now));
    }

    fn run_for(&mut self, time: Duration) {
        self.world.run(time);
        self.listen();
    }

    /// The media halves take what they were told.
    fn listen(&mut self) {
        for (phone, player) in self.world.phones.iter().zip(&mut self.players) {
            for message in &phone.media[player.heard..] {
                player.media.hear(message);
            }
            player.heard = phone.media.len();
        }
    }

    fn act(&mut self, phone: usize, action: Action) {
        if self.players[phone].dead {
            return;
        }
        match action {
            Action::Dial(other) => {
                self.next_key += 1;
                let to = format!("sip:user@192.0.2.{}", other + 1);
                self.world.dial(phone, self.next_key, &to);
            }
            Action::Answer => self.tell_some_call(phone, &[Outline::Alerting], Command::Answer),
            Action::Reject => {
                let reject = |key| Command::Reject(key, StatusCode::BUSY_HERE);
                self.tell_some_call(phone, &[Outline::Alerting], reject);
            }
            Action::HangUp => self.tell_some_call(phone, &[], Command::HangUp),
            Action::Renegotiate => {
                let up = [
                    Outline::Up,
                    Outline::Unacknowledged,
                    Outline::Serving,
                    Outline::Changing,
                ];
                if let Some(key) = self.some_call(phone, &up) {
                    self.renegotiate(phone, key);
                }
            }
            Action::FailMedia => {
                let failing = &mut self.world.phones[phone];
                let fail = |on: &mut Option<ErrorKind>| {
                    *on = match on {
                        Some(_) => None,
                        None => Some(ErrorKind::NoFormat),
                    }
                };
                match self.numbers.below(2) {
                    0 => fail(&mut failing.refuse_prepare),
                    _ => fail(&mut failing.refuse_apply),
                }
            }
            Action::MuteMedia => self.world.phones[phone].mute_media = true,
            Action::SpeakMedia => {
                self.world.phones[phone].mute_media = false;
                self.world.release_media(phone);
            }
            Action::CutOff => {
                let address = self.world.phones[phone].address;
                self.world
                    .cut_off
                    .push((address, self.world.now + Duration::from_secs(5)));
            }
            Action::Die => {
                let address = self.world.phones[phone].address;
                self.players[phone].dead = true;
                self.world
                    .cut_off
                    .push((address, self.world.now + Duration::from_secs(1_000_000)));
            }
        }
        self.listen();
    }

    fn tell_some_call(
        &mut self,
        phone: usize,
        states: &[Outline],
        command: impl Fn(CallKey) -> Command,
    ) {
        if let Some(key) = self.some_call(phone, states) {
            self.world.command(phone, command(key));
        }
    }

    /// A call of the phone in one of these states; in any if none is named.
    fn some_call(&mut self, phone: usize, states: &[Outline]) -> Option<CallKey> {
        let calls = self.calls_of(phone);
        let agent = &self.world.phones[phone].agent;
        let fits = |k: &&CallKey| states.is_empty() || states.contains(&agent.outline(**k));
        let fitting: Vec<CallKey> = calls.iter().filter(fits).copied().collect();
        fitting.get(self.numbers.below(fitting.len())).copied()
    }

    /// All calls that a phone ever had.
    pub(crate) fn calls_of(&self, phone: usize) -> Vec<CallKey> {
        let phone = &self.world.phones[phone];
        let mut keys: Vec<CallKey> = phone
            .dialled
            .iter()
            .copied()
            .chain(phone.incoming())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// How a call ended at a phone, if it did.
    pub(crate) fn is_over(&self, phone: usize, key: CallKey) -> bool {
        self.world.phones[phone].ended(key).is_some()
    }

    /// The media half wants another round, and receives elsewhere from then on.
    fn renegotiate(&mut self, phone: usize, call: CallKey) {
        let (leg, generation) = self.players[phone].media.round(call);
        let envelope = Envelope {
            call,
            leg,
            generation,
            body: ToTsp::Renegotiate,
        };
        self.world.phones[phone].media_port += 2;
        let port = self.world.phones[phone].media_port;
        self.players[phone].changed.insert(call, port);
        self.world.give(phone, Input::Msp(envelope));
        self.world.drain(phone);
    }

    fn change_everything(&mut self) {
        for phone in 0..self.players.len() {
            for key in self.calls_of(phone) {
                if !self.players[phone].dead && self.is_up(phone, key) {
                    self.renegotiate(phone, key);
                }
            }
        }
        self.listen();
    }

    /// Whether a call is up at a phone.
    pub(crate) fn is_up(&self, phone: usize, key: CallKey) -> bool {
        self.world.phones[phone].is_connected(key) && !self.is_over(phone, key)
    }

    /// Whether another end of a call is at a machine that died.
    pub(crate) fn is_lonely(&self, phone: usize, key: CallKey) -> bool {
        let ids = self.world.call_ids();
        let mine: Vec<&str> = ids
            .filter(|(_, p, k)| (*p, *k) == (phone, key))
            .map(|(id, ..)| id)
            .collect();
        self.world
            .call_ids()
            .any(|(id, p, _)| mine.contains(&id) && self.players[p].dead)
    }

    fn hang_up_everything(&mut self) {
        for phone in 0..self.players.len() {
            for key in self.calls_of(phone) {
                if !self.is_over(phone, key) {
                    self.world.command(phone, Command::HangUp(key));
                }
            }
        }
        self.listen();
    }

    /// What a phone's application was told of a call, in order.
    pub(crate) fn told(&self, phone: usize, key: CallKey) -> Vec<&CallEventKind> {
        self.world.phones[phone].kinds(key)
    }
}
