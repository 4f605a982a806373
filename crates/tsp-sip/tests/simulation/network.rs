//! A network of phones that follows a script.

use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::id::CallKey;
use msp_core::link::{Digit, Envelope, ToTsp};
use msp_core::time::Instant;
use netsim::Impairment;
use tsp_sip::call::{CallEventKind, Command, Input, Outline};
use tsp_sip::wire::{StatusCode, Uri};

use crate::invariants;
use crate::player::{Player, Reaction, Transfer};
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
    /// Calls that were passed on: blindly, after a consultation, and in vain.
    pub(crate) passed_on: [usize; 3],
}

pub(crate) struct Network {
    pub(crate) world: World,
    pub(crate) players: Vec<Player>,
    /// What users will do, and when.
    pub(crate) reactions: Vec<(Instant, usize, Reaction)>,
    pub(crate) numbers: Numbers,
    next_key: u64,
}

/// Longer than any timer of a call that nobody touches: three minutes of ringing, then a transaction, then a BYE.
const REST: Duration = Duration::from_secs(400);

/// Long enough that everything that is under way arrives or is given up, and a session that nobody refreshes ends.
const CALM: Duration = Duration::from_secs(100);

/// States in which a call that came in can be taken.
const RINGING: [Outline; 2] = [Outline::Alerting, Outline::Unpracked];

/// States in which a call can be changed, or will be once that is possible.
const CHANGEABLE: [Outline; 7] = [
    Outline::Up,
    Outline::Held,
    Outline::Unacknowledged,
    Outline::Serving,
    Outline::Preparing,
    Outline::Changing,
    Outline::Updating,
];

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
    invariants::agree(&network, &script, &mut outcome);
    // What is up can still be changed.
    network.change_everything();
    network.run_for(CALM);
    invariants::changed(&network, &mut outcome);
    invariants::agree(&network, &script, &mut outcome);
    invariants::passed_on(&network, &mut outcome);
    network.hang_up_everything();
    network.run_for(REST);
    invariants::at_rest(&mut network, &mut outcome);
    if script.is_gentle() {
        invariants::outlived(&network, &mut outcome);
    }
    if loud {
        for (at, from, bytes) in &network.world.sent {
            let text = String::from_utf8_lossy(bytes);
            let line = |head: &str| {
                text.lines()
                    .find(|l| l.starts_with(head))
                    .unwrap_or_default()
            };
            let ways = ["a=sendonly", "a=recvonly", "a=inactive", "m=audio"];
            let what = [line("CSeq"), line("Call-ID"), line("c=")].join(" ");
            let first = text.lines().next().unwrap_or_default();
            println!(
                "{at:?} {from} {first} | {what} {}",
                ways.map(line).join(" ")
            );
        }
    }
    outcome.reached = std::mem::take(&mut network.world.reached);
    outcome
}

impl Network {
    fn new(script: &Script, seed: u64) -> Self {
        let phone = |i: usize| {
            let mut phone = Phone::with(
                &format!("192.0.2.{}:5060", i + 1),
                seed * 10 + i as u64,
                Manner::Ring,
                script.phones[i].policy.clone(),
            );
            phone.media_port = 40_000 + 1_000 * u16::try_from(i).expect("few phones");
            phone
        };
        let phones: Vec<_> = (0..script.phones.len()).map(phone).collect();
        let players = script.phones.iter().map(|setup| Player {
            answers: setup.answers,
            shows: setup.shows,
            ..Player::default()
        });
        Self {
            players: players.collect(),
            world: World::new(phones, script.impairment, seed),
            reactions: Vec::new(),
            numbers: Numbers(seed ^ 0xac71),
            next_key: 0,
        }
    }

    fn run_until(&mut self, at: Duration) {
        let now = Duration::from_nanos(self.world.now.as_nanos());
        self.run_for(at.saturating_sub(now));
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.world.now + time;
        loop {
            self.react();
            let next = self.world.next().into_iter().chain(self.next_reaction());
            let Some(at) = next.min().filter(|at| *at <= end) else {
                break;
            };
            self.world.run(at.saturating_since(self.world.now));
            self.do_due();
        }
        self.world.run(end.saturating_since(self.world.now));
        self.listen();
    }

    /// A name for a call that is to be made.
    pub(crate) fn new_key(&mut self) -> CallKey {
        self.next_key += 1;
        CallKey(self.next_key)
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
                let key = self.new_key();
                self.world.dial(phone, key.0, &user_at(other));
            }
            Action::Progress => self.tell_some_call(phone, &RINGING, Command::Progress),
            Action::Answer => self.tell_some_call(phone, &RINGING, Command::Answer),
            Action::Reject => {
                let reject = |key| Command::Reject(key, StatusCode::BUSY_HERE);
                self.tell_some_call(phone, &RINGING, reject);
            }
            Action::HangUp => {
                if let Some(key) = self.some_call(phone, &[]) {
                    self.hang_up(phone, key);
                }
            }
            Action::Renegotiate => {
                if let Some(key) = self.some_call(phone, &CHANGEABLE) {
                    self.renegotiate(phone, key);
                }
            }
            Action::Hold => {
                if let Some(key) = self.some_call(phone, &CHANGEABLE) {
                    self.toggle_hold(phone, key);
                }
            }
            Action::Glare => {
                let key = self.some_call(phone, &CHANGEABLE);
                let other = key.and_then(|key| self.other_end(phone, key));
                for (phone, key) in key.map(|key| (phone, key)).into_iter().chain(other) {
                    match self.numbers.below(2) {
                        _ if self.players[phone].dead || !self.is_up(phone, key) => {}
                        0 => self.renegotiate(phone, key),
                        _ => self.toggle_hold(phone, key),
                    }
                }
            }
            Action::Transfer(to) => self.transfer(phone, to),
            Action::TransferTo => self.transfer_to(phone),
            Action::Digit => self.press(phone),
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

    fn hang_up(&mut self, phone: usize, key: CallKey) {
        self.players[phone].hung_up.insert(key);
        self.world.command(phone, Command::HangUp(key));
    }

    /// A call is held, or taken up again.
    fn toggle_hold(&mut self, phone: usize, key: CallKey) {
        let wish = self.players[phone].wishes.entry(key).or_default();
        *wish = !*wish;
        let command = match *wish {
            true => Command::Hold(key),
            false => Command::Resume(key),
        };
        self.world.command(phone, command);
    }

    /// A call that is up, and that nobody passes on already.
    fn some_call_to_pass_on(&mut self, phone: usize) -> Option<CallKey> {
        let key = self.some_call(phone, &CHANGEABLE)?;
        let open = self.players[phone].transfers.iter();
        let mut open = open.filter(|t| t.came_about.is_none());
        (self.is_up(phone, key) && open.all(|t| t.key != key)).then_some(key)
    }

    /// A call is passed on to another phone than its own ends.
    fn transfer(&mut self, phone: usize, to: usize) {
        let Some(key) = self.some_call_to_pass_on(phone) else {
            return;
        };
        let peer = self.other_end(phone, key).map(|(peer, _)| peer);
        let nobody = peer == Some(to) || to == phone;
        let place = if nobody { 90 } else { to };
        self.players[phone].transfers.push(Transfer {
            key,
            to: (!nobody).then_some(to),
            consultation: None,
            came_about: None,
        });
        let to = Uri::new(user_at(place).as_str()).expect("a URI");
        self.world.command(phone, Command::Transfer { key, to });
    }

    /// A call is passed on to the peer of another one.
    fn transfer_to(&mut self, phone: usize) {
        let Some(key) = self.some_call_to_pass_on(phone) else {
            return;
        };
        let peer = self.other_end(phone, key).map(|(peer, _)| peer);
        let others = self.calls_of(phone).into_iter();
        let mut others = others.filter(|k| *k != key && self.is_up(phone, *k));
        let with = others.find_map(|k| {
            let other = self.other_end(phone, k).map(|(other, _)| other);
            other.filter(|_| other != peer).map(|other| (k, other))
        });
        let Some((consultation, to)) = with else {
            return;
        };
        self.players[phone].transfers.push(Transfer {
            key,
            to: Some(to),
            consultation: Some(consultation),
            came_about: None,
        });
        self.world
            .command(phone, Command::TransferTo { key, consultation });
    }

    /// A key is pressed: the next one of a row, so that it shows if one is lost, comes twice or overtakes.
    fn press(&mut self, phone: usize) {
        let Some(call) = self.some_call(phone, &CHANGEABLE) else {
            return;
        };
        let (leg, generation) = self.players[phone].media.round(call);
        let pressed = self.players[phone].digits.entry(call).or_default();
        let event = u8::try_from(pressed.len() % 16).expect("below 16");
        let digit = Digit::from_event(event).expect("a key");
        pressed.push(digit);
        let body = ToTsp::Digit {
            digit,
            duration: Duration::from_millis(100),
        };
        let envelope = Envelope {
            call,
            leg,
            generation,
            body,
        };
        self.world.give(phone, Input::Msp(envelope));
        self.world.drain(phone);
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
                let other = self.other_end(phone, key);
                let told = |(p, k): (usize, CallKey)| {
                    let dead = self.players[p].dead || self.players[phone].dead;
                    self.players[p].hung_up.contains(&k) && !dead
                };
                // Some end by both ends at once, some by one of them.
                let leave = other.is_some_and(told) && self.numbers.below(2) == 0;
                if !self.is_over(phone, key) && !leave {
                    self.hang_up(phone, key);
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

/// Who is called at a phone.
fn user_at(phone: usize) -> String {
    format!("sip:user@192.0.2.{}", phone + 1)
}
