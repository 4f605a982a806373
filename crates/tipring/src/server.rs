//! A small office in one process: its users register, and call each other through it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use msp_core::event::EventKind as MediaEvent;
use msp_core::id::CallKey;
use msp_core::media::{Direction, MediaKind};
use msp_terminals::Bridge;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::Domain;
use tsp_sip::wire::auth::Algorithm;
use tsp_sip::wire::{Host, HostPort, NameAddr, StatusCode, Uri};

use crate::call::{Call, CallState};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind, Events};
use crate::phone::{Phone, PhoneBuilder};
use pairs::Pairs;

mod pairs;

/// What a caller is told who calls nobody of ours.
const NOT_FOUND: u16 = 404;

/// What a caller is told whose call nobody took, if no branch says why: 480.
const UNAVAILABLE: u16 = 480;

/// What a user is told who names a call that there is not, or that is not its own.
const NO_CALL: u16 = 481;

/// How many hops a call may take that begins with us.
const HOPS: u8 = 70;

/// How long a user whose call was passed on may stay.
const LEAVING: Duration = Duration::from_secs(4);

/// A stream has room for a terminal a tick after another one was taken off it; so often it is tried.
const TRIES: u32 = 25;
const INTERVAL: Duration = Duration::from_millis(20);

/// A registrar and a back-to-back user agent for the users of one domain (RFC 3261 sections 10.3 and 6): a user who
/// calls another is put through to every phone that the other has registered, and the first that answers has the call.
///
/// The sound goes through it, so phones that share no codec understand each other, and phones behind different NATs hear
/// each other. Digits and messages are passed on; a message outside of a call goes to every phone of its recipient, and the
/// best of their answers comes back.
///
/// A user who wants the other end to speak with another user (REFER) hears what becomes of it: the server calls that
/// one itself, or takes the one of the consultation, and joins the two. Nobody is passed on to who is no user.
#[derive(Debug)]
pub struct Server {
    phone: Arc<Phone>,
    /// The users, and as whom calls of theirs go out.
    users: Arc<HashMap<Box<str>, AccountId>>,
    host: Host,
    pairs: Pairs,
}

impl Server {
    /// Opens a server of `domain`. Must be called within a tokio runtime, as [`run`](Self::run).
    ///
    /// # Errors
    /// Those of [`PhoneBuilder::start`]; [`ErrorKind::InvalidSetting`] for a user who can have no address, for an algorithm
    /// that is none of [`Algorithm::KNOWN`], and for none at all.
    pub async fn start(builder: PhoneBuilder, domain: Domain) -> Result<Self> {
        let unknown = |a: &&Algorithm| !Algorithm::KNOWN.contains(a);
        let wrong = match domain.algorithms.iter().find(unknown) {
            Some(unknown) => Some(format!("algorithm '{unknown}'")),
            None if domain.algorithms.is_empty() => Some("no algorithm".to_owned()),
            None => None,
        };
        if let Some(wrong) = wrong {
            return Err(Error::new(ErrorKind::InvalidSetting, wrong));
        }
        let (host, names) = (
            domain.host.clone(),
            domain.users.iter().map(|u| u.user.clone()),
        );
        let names: Vec<Box<str>> = names.collect();
        let phone = builder.domain(domain).start().await?;
        let mut users = HashMap::new();
        for name in names {
            let place = HostPort {
                host: host.clone(),
                port: None,
            };
            let account = Account::new(Uri::sip(Some(&name), &place));
            let account =
                account.map_err(|e| Error::new(ErrorKind::InvalidSetting, &*name).caused_by(e))?;
            users.insert(name, phone.add_account(account)?);
        }
        Ok(Self {
            phone: Arc::new(phone),
            users: Arc::new(users),
            host,
            pairs: Pairs::default(),
        })
    }

    /// The phone behind it.
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Connects calls until `stop` is ready; then new ones are refused with 503, and those that there are go on to their
    /// end.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<()> {
        let mut calls = JoinSet::new();
        tokio::pin!(stop);
        let mut open = true;
        while open || !calls.is_empty() {
            tokio::select! {
                call = self.phone.next_call(), if open => {
                    let Some(call) = call else { return Ok(()) };
                    let exchange = Exchange {
                        phone: self.phone.clone(),
                        users: self.users.clone(),
                        host: self.host.clone(),
                        pairs: self.pairs.clone(),
                    };
                    calls.spawn(async move { exchange.connect(call).await });
                }
                Some(_ended) = calls.join_next(), if !calls.is_empty() => {}
                () = &mut stop, if open => {
                    open = false;
                    self.phone.refuse_calls()?;
                }
            }
        }
        Ok(())
    }

    /// Ends what there is and closes.
    pub async fn close(self) {
        if let Ok(phone) = Arc::try_unwrap(self.phone) {
            phone.close().await;
        }
    }
}

/// One end of a pair: the call, whose it is, and what happens to it.
struct End {
    call: Call,
    /// The user of ours whom it is a call of.
    user: Option<Box<str>>,
    events: Events,
}

impl End {
    /// The events are those from now on.
    fn new(call: Call, user: Option<Box<str>>) -> Self {
        let events = call.events();
        Self { call, user, events }
    }
}

/// What an end of a call asked for: to be passed on.
struct Wish {
    to: Box<str>,
    /// In the place of this call.
    with_us: Option<CallKey>,
}

/// What a call needs of the server.
struct Exchange {
    phone: Arc<Phone>,
    users: Arc<HashMap<Box<str>, AccountId>>,
    host: Host,
    pairs: Pairs,
}

impl Exchange {
    /// Puts a caller through, and stays until the call is over. What goes wrong ends the call, and both ends are told.
    async fn connect(&self, caller: Call) {
        if let Err(status) = self.put_through(&caller).await {
            // A caller who is gone needs no refusal.
            let _gone = caller.reject(status);
        }
    }

    /// The status that the caller is refused with if nobody takes the call.
    async fn put_through(&self, caller: &Call) -> Result<(), u16> {
        let called = user_of(caller.called());
        // Who From names has proved to be that one.
        let from = user_of(caller.peer());
        let branches = self.branches(called.as_deref(), from.as_deref(), caller.hops_left())?;
        let ring = {
            let caller = caller.clone();
            move || drop(caller.ring())
        };
        let branch = first(&branches, ring, caller).await?;
        let joined = join(caller, &branch);
        let (caller, branch) = (End::new(caller.clone(), from), End::new(branch, called));
        // Before the answer: who hears it may pass the other call on to this one at once.
        self.pairs.add(&caller, &branch);
        if joined.is_err() || caller.call.answer().await.is_err() {
            if self.pairs.part(&caller.call, &branch.call) {
                let _over = branch.call.hang_up().await;
            }
            return if joined.is_err() { Err(500) } else { Ok(()) };
        }
        self.keep(caller, branch).await;
        Ok(())
    }

    /// Calls to all places where a user of ours is reached, on behalf of the user `from`; or the status that says why there
    /// are none.
    fn branches(&self, to: Option<&str>, from: Option<&str>, hops: u8) -> Result<Vec<Call>, u16> {
        let user = to.filter(|u| self.users.contains_key(*u));
        let user = user.ok_or(NOT_FOUND)?;
        let from = from.and_then(|u| self.users.get(u).copied());
        let places = self.phone.located(user).into_iter();
        let branches =
            places.filter_map(|place| self.phone.prepare_location(place, from, hops).ok());
        Ok(branches.filter(|branch| branch.place().is_ok()).collect())
    }

    /// Stays with a pair until one of its calls is over, and then ends the other. Either end may pass its call on.
    async fn keep(&self, mut one: End, mut other: End) {
        while let Some((by, wish)) = until_over(&mut one, &mut other).await {
            if by == By::Other {
                std::mem::swap(&mut one, &mut other);
            }
            let passed = match wish.with_us {
                Some(consultation) => self.hand_over(&one, &other, consultation).await,
                None => self.pass_on(&one, &other, &wish.to).await,
            };
            match passed {
                Ok(new) => {
                    let gone = std::mem::replace(&mut one, new);
                    let _told = gone.call.tell_referrer(StatusCode::OK);
                    tokio::spawn(let_go(gone.call));
                }
                Err(status) => {
                    let status = StatusCode::new(status).unwrap_or(StatusCode::DECLINE);
                    let _gone = one.call.tell_referrer(status);
                }
            }
        }
        // An end that was handed over is another exchange's now.
        if self.pairs.part(&one.call, &other.call) {
            let _over = one.call.start_hang_up();
            let _over = other.call.start_hang_up();
        }
    }

    /// Connects `stays` with whom its peer `gone` wants it to speak with, who is called first.
    async fn pass_on(&self, gone: &End, stays: &End, to: &str) -> Result<End, u16> {
        let to = uri_of(to).ok_or(NOT_FOUND)?;
        let ours = to.host().is_some_and(|h| h.same_as(&self.host));
        let user = to.user().filter(|_| ours);
        let branches = self.branches(user.as_deref(), stays.user.as_deref(), HOPS)?;
        let ring = {
            let gone = gone.call.clone();
            move || drop(gone.tell_referrer(StatusCode::RINGING))
        };
        let new = first(&branches, ring, &stays.call).await?;
        let new = End::new(new, user.as_deref().map(Into::into));
        if !self.pairs.swap(gone, stays, &new) {
            let _over = new.call.start_hang_up();
            return Err(UNAVAILABLE);
        }
        if replace(&stays.call, &new.call).await.is_err() {
            let _over = new.call.start_hang_up();
            self.pairs.swap(&new, stays, gone);
            let _silent = replace(&stays.call, &gone.call).await;
            return Err(UNAVAILABLE);
        }
        Ok(new)
    }

    /// Connects `stays` with the one whom its peer `gone` spoke with in the call `consultation`.
    async fn hand_over(&self, gone: &End, stays: &End, consultation: CallKey) -> Result<End, u16> {
        let consulted = self.phone.call(consultation).ok_or(NO_CALL)?;
        let new = self.pairs.hand_over(gone, stays, &consulted);
        let (new, user) = new.ok_or(NO_CALL)?;
        let new = End::new(new, user);
        let _over = consulted.start_hang_up();
        if replace(&stays.call, &new.call).await.is_err() {
            // Nobody is left who could take either back.
            let _over = new.call.start_hang_up();
            let _over = stays.call.start_hang_up();
        }
        Ok(new)
    }
}

/// Ends a call that was passed on, once its peer had time to hear so and to end it itself (RFC 5589 section 6.1).
async fn let_go(gone: Call) {
    let _late = timeout(LEAVING, gone.ended()).await;
    let _over = gone.start_hang_up();
}

/// The branch that answers first, the others being taken back. If none does, or `waiting` ends before: the status that says why.
async fn first(
    branches: &[Call],
    ring: impl Fn() + Clone + Send + 'static,
    waiting: &Call,
) -> Result<Call, u16> {
    let answered = answered(branches, ring, waiting).await;
    for branch in branches {
        if !matches!(&answered, Ok(a) if a.key() == branch.key()) {
            let _over = branch.start_hang_up();
        }
    }
    answered
}

async fn answered(
    branches: &[Call],
    ring: impl Fn() + Clone + Send + 'static,
    waiting: &Call,
) -> Result<Call, u16> {
    let mut trying = JoinSet::new();
    for branch in branches {
        let (branch, ring) = (branch.clone(), ring.clone());
        trying.spawn(async move {
            let rings = branch.reached(|s| !matches!(s, CallState::Dialing)).await;
            if matches!(rings, Ok(CallState::Ringing | CallState::EarlyMedia)) {
                ring();
            }
            branch.connected().await.map(|()| branch)
        });
    }
    let mut why = Vec::new();
    loop {
        tokio::select! {
            done = trying.join_next() => match done {
                Some(Ok(Ok(branch))) => return Ok(branch),
                Some(Ok(Err(error))) => why.extend(error.status()),
                // A branch that panicked is none.
                Some(Err(_)) => {}
                None => return Err(best(&why)),
            },
            _ = waiting.ended() => return Err(UNAVAILABLE),
        }
    }
}

/// The user part of an address as a header field has it.
fn user_of(address: &str) -> Option<Box<str>> {
    uri_of(address)?.user().map(|user| Box::from(&*user))
}

fn uri_of(address: &str) -> Option<Uri> {
    let address = NameAddr::parse(&Bytes::copy_from_slice(address.as_bytes())).ok()?;
    Some(address.uri().clone())
}

/// Of all refusals the one that says most to the caller (RFC 3261 section 16.7, step 6): one that speaks for everybody, else
/// of the lowest class, and of these one that is about the user.
fn best(refusals: &[u16]) -> u16 {
    let everywhere = refusals.iter().copied().find(|s| *s >= 600);
    let user = [486, 480].into_iter().find(|s| refusals.contains(s));
    let lowest = refusals
        .iter()
        .copied()
        .filter(|s| (400..600).contains(s))
        .min();
    everywhere.or(user).or(lowest).unwrap_or(UNAVAILABLE)
}

/// Lets two calls hear each other.
fn join(one: &Call, other: &Call) -> Result<()> {
    let (near, far) = Bridge::pair();
    for direction in [Direction::Capture, Direction::Render] {
        one.select(direction, near.clone())?;
        other.select(direction, far.clone())?;
    }
    Ok(())
}

/// Lets two calls hear each other, and nobody else.
async fn replace(one: &Call, other: &Call) -> Result<()> {
    let mut tries = 0;
    loop {
        clear(one);
        clear(other);
        match join(one, other) {
            Err(_) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(INTERVAL).await;
            }
            done => return done,
        }
    }
}

/// Takes what there is off the streams of a call.
fn clear(call: &Call) {
    for direction in [Direction::Capture, Direction::Render] {
        let Some(stream) = call.media().stream(MediaKind::Audio, direction) else {
            continue;
        };
        for terminal in stream.terminals() {
            // The call may be over already: then it is off the stream all the same.
            let _over = stream.unselect(terminal.id());
        }
    }
}

/// Which end of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    One,
    Other,
}

/// Waits until one of two calls is over, or wants to be passed on: which does, and to whom. Digits and messages are passed
/// on.
async fn until_over(one: &mut End, other: &mut End) -> Option<(By, Wish)> {
    loop {
        let (event, by) = tokio::select! {
            // What was said before the end counts.
            biased;
            event = one.events.next() => (event, By::One),
            event = other.events.next() => (event, By::Other),
            _ = one.call.ended() => return None,
            _ = other.call.ended() => return None,
        };
        let (from, to) = match by {
            By::One => (&one.call, &other.call),
            By::Other => (&other.call, &one.call),
        };
        let event = event?;
        match event.kind {
            EventKind::TransferRequested {
                to: target,
                with_us,
                consulted,
            } => {
                if consulted == with_us.is_some() {
                    let wish = Wish {
                        to: target,
                        with_us,
                    };
                    return Some((by, wish));
                }
                // A call that is none of ours cannot be taken the place of.
                let _gone = from.tell_referrer(StatusCode::CALL_DOES_NOT_EXIST);
            }
            EventKind::Message {
                content_type, body, ..
            } => {
                // It was taken; whether the other end takes it is its own affair.
                let _lost = to.pass_message(&content_type, &body);
            }
            _ => {
                if let Some(digit) = digit_of(&event) {
                    // A peer that takes no digits does not get this one.
                    let _lost = to.send_digits(&digit.to_string());
                }
            }
        }
    }
}

fn digit_of(event: &Event) -> Option<char> {
    match &event.kind {
        EventKind::Media(media) => match &media.kind {
            MediaEvent::Digit(digit) => Some(digit.to_char()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::best;

    #[test]
    fn the_caller_hears_what_says_most() {
        assert_eq!(best(&[]), 480);
        assert_eq!(best(&[500, 404]), 404);
        assert_eq!(best(&[404, 486, 503]), 486);
        assert_eq!(best(&[486, 603]), 603);
    }
}
