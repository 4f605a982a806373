//! The user of a phone: what it does by itself, and what it remembers of what it wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use msp_core::id::CallKey;
use msp_core::link::Digit;
use msp_core::time::Instant;
use tsp_sip::call::{CallEventKind, Command, Side};

use crate::media::Media;
use crate::network::Network;
use crate::support::Numbers;

/// A phone's user and its media half.
#[derive(Default)]
pub(crate) struct Player {
    pub(crate) media: Media,
    /// How much the media half was told already.
    pub(crate) heard: usize,
    /// How much the user was told already.
    pub(crate) seen: usize,
    /// Where the media half of a call wants to receive since the last time that it asked for a change.
    pub(crate) changed: BTreeMap<CallKey, u16>,
    /// The machine has died.
    pub(crate) dead: bool,
    pub(crate) answers: bool,
    pub(crate) shows: bool,
    /// Calls that the user wants to hold, or no longer wants to hold.
    pub(crate) wishes: BTreeMap<CallKey, bool>,
    /// Who holds a call as far as the user knows: itself, and the peer.
    pub(crate) held: BTreeMap<CallKey, (bool, bool)>,
    /// Calls that the user hung up.
    pub(crate) hung_up: BTreeSet<CallKey>,
    /// Calls that the user passed on.
    pub(crate) transfers: Vec<Transfer>,
    /// Calls that peers asked for: the one that the wish came in, and the one that was made.
    pub(crate) followed: Vec<(CallKey, CallKey)>,
    /// Calls that came in to take the place of others.
    pub(crate) replacing: BTreeMap<CallKey, CallKey>,
    /// Keys that the user pressed.
    pub(crate) digits: BTreeMap<CallKey, Vec<Digit>>,
    pub(crate) faults: Vec<String>,
}

/// A call that a user passed on.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) key: CallKey,
    /// The phone that it was passed on to, if there is one.
    pub(crate) to: Option<usize>,
    /// The call that the target shall give up for it.
    pub(crate) consultation: Option<CallKey>,
    /// What the user was told in the end.
    pub(crate) came_about: Option<bool>,
}

/// What a user will do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaction {
    Progress(CallKey),
    Answer(CallKey),
    Follow(CallKey),
    Decline(CallKey),
}

/// What users do about something, with how many milliseconds they think about it at most.
fn reaction(player: &Player, kind: &CallEventKind, key: CallKey, n: &mut Numbers) -> Vec<Reaction> {
    let mut all = Vec::new();
    match kind {
        CallEventKind::Incoming { .. } => {
            if player.shows {
                all.push(Reaction::Progress(key));
            }
            if player.answers {
                all.push(Reaction::Answer(key));
            }
        }
        CallEventKind::Replaces(_) if n.below(4) > 0 => all.push(Reaction::Answer(key)),
        CallEventKind::TransferRequested { .. } => match n.below(10) {
            0 => all.push(Reaction::Decline(key)),
            // It is left alone.
            1 => {}
            _ => all.push(Reaction::Follow(key)),
        },
        _ => {}
    }
    all
}

impl Network {
    /// Users hear what their phones say, and make up their minds.
    pub(crate) fn react(&mut self) {
        for phone in 0..self.players.len() {
            while let Some(event) = self.world.phones[phone]
                .events
                .get(self.players[phone].seen)
            {
                let event = event.clone();
                let player = &mut self.players[phone];
                player.seen += 1;
                player.note(event.key, &event.kind);
                let most = [1, 300, 3_000][self.numbers.below(3)];
                for what in reaction(
                    &self.players[phone],
                    &event.kind,
                    event.key,
                    &mut self.numbers,
                ) {
                    let after = Duration::from_millis(self.numbers.below(most) as u64);
                    self.reactions.push((self.world.now + after, phone, what));
                }
                if event.kind == CallEventKind::Transferred {
                    self.transferred(phone, event.key);
                }
            }
        }
    }

    /// When a user does the next thing.
    pub(crate) fn next_reaction(&self) -> Option<Instant> {
        self.reactions.iter().map(|(at, ..)| *at).min()
    }

    /// Users do what they made up their minds to.
    pub(crate) fn do_due(&mut self) {
        let now = self.world.now;
        while let Some(i) = self.reactions.iter().position(|(at, ..)| *at <= now) {
            let (_, phone, what) = self.reactions.remove(i);
            if self.players[phone].dead {
                continue;
            }
            let command = match what {
                Reaction::Progress(key) => Command::Progress(key),
                Reaction::Answer(key) => Command::Answer(key),
                Reaction::Decline(key) => Command::DeclineTransfer(key),
                Reaction::Follow(key) => {
                    let call = self.new_key();
                    self.world.phones[phone].dialled.push(call);
                    self.players[phone].followed.push((key, call));
                    Command::FollowTransfer { key, call }
                }
            };
            self.world.command(phone, command);
        }
    }

    /// A user was told that its call was passed on: the right two phones have a call of their own.
    fn transferred(&mut self, phone: usize, key: CallKey) {
        let transfers = self.players[phone].transfers.iter();
        let Some(transfer) = transfers.rev().find(|t| t.key == key) else {
            return;
        };
        let fault = match self.talking(phone, transfer) {
            Ok(()) => return,
            Err(why) => format!("{transfer:?}, but {why}"),
        };
        self.players[phone].faults.push(fault);
    }

    /// The peer of a call made one that the right phone answered, in the place of the right call.
    fn talking(&self, phone: usize, transfer: &Transfer) -> Result<(), String> {
        let (key, to) = (transfer.key, transfer.to);
        let (peer, theirs) = self.other_end(phone, key).ok_or("nobody had it")?;
        let made = self.players[peer].followed.iter().rev();
        let made = made.filter(|(old, _)| *old == theirs).map(|(_, new)| *new);
        let made = made.into_iter().next().ok_or("the peer made no call")?;
        if !self.world.phones[peer].is_connected(made) {
            return Err(format!("call {made} of phone {peer} is not up"));
        }
        let (third, new) = match self.other_end(peer, made) {
            Some((third, new)) if Some(third) == to => (third, new),
            other => return Err(format!("it was {other:?} that answered")),
        };
        let consultation = transfer.consultation;
        let given_up = consultation.and_then(|c| Some(self.other_end(phone, c)?.1));
        match self.players[third].replacing.get(&new) {
            old if old == given_up.as_ref() => Ok(()),
            old => Err(format!("it takes the place of {old:?}, not {given_up:?}")),
        }
    }

    /// Keys that were pressed in a call which is up, and that neither its peer heard nor its user was told of. Those that the
    /// peer heard came in order and once, or all are returned.
    pub(crate) fn unheard_digits(&self, phone: usize, key: CallKey) -> Option<Vec<Digit>> {
        let mut left = self.players[phone].digits.get(&key)?.clone();
        let (peer, theirs) = self.other_end(phone, key)?;
        let mut pressed = left.clone().into_iter();
        for digit in self.players[peer].media.digits(theirs) {
            if !pressed.any(|p| p == digit) {
                return Some(left);
            }
            left.remove(left.iter().position(|d| *d == digit)?);
        }
        for kind in self.told(phone, key) {
            if let CallEventKind::UnsentDigit(digit) = kind {
                left.retain(|d| d != digit);
            }
        }
        Some(left).filter(|left| !left.is_empty())
    }

    /// The phone at the other end of a call, and its name for it.
    pub(crate) fn other_end(&self, phone: usize, key: CallKey) -> Option<(usize, CallKey)> {
        let mine = |&(_, p, k): &(&str, usize, CallKey)| (p, k) == (phone, key);
        let id = self.world.call_ids().find(mine)?.0;
        let others = self.world.call_ids();
        let mut others = others.filter(|(i, p, k)| *i == id && (*p, *k) != (phone, key));
        others.next().map(|(_, p, k)| (p, k))
    }
}

impl Player {
    fn note(&mut self, key: CallKey, kind: &CallEventKind) {
        match kind {
            CallEventKind::Held(side) | CallEventKind::Resumed(side) => {
                let now = matches!(kind, CallEventKind::Held(_));
                let held = self.held.entry(key).or_default();
                let before = match side {
                    Side::Local => std::mem::replace(&mut held.0, now),
                    Side::Remote => std::mem::replace(&mut held.1, now),
                };
                if before == now {
                    self.faults.push(format!("call {key}: {kind:?} twice"));
                }
            }
            // What the user wished for is off: it is as it was.
            CallEventKind::HoldRefused(_) => {
                let held = self.held.get(&key).copied().unwrap_or_default();
                self.wishes.insert(key, held.0);
            }
            CallEventKind::Replaces(old) => {
                self.replacing.insert(key, *old);
            }
            CallEventKind::Transferred | CallEventKind::TransferFailed(_) => {
                let came_about = *kind == CallEventKind::Transferred;
                if let CallEventKind::TransferFailed(status) = kind
                    && !status.is_final()
                {
                    self.faults.push(format!("call {key}: {kind:?}"));
                }
                let mut open = self.transfers.iter_mut().filter(|t| t.key == key);
                match open.find(|t| t.came_about.is_none()) {
                    Some(transfer) => transfer.came_about = Some(came_about),
                    None => self.faults.push(format!("call {key}: {kind:?} of nothing")),
                }
            }
            _ => {}
        }
    }
}
