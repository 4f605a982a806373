//! A small office in one process: its users register, and call each other through it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use msp_core::event::EventKind as MediaEvent;
use msp_core::media::Direction;
use msp_terminals::Bridge;
use tokio::task::JoinSet;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::Domain;
use tsp_sip::wire::auth::Algorithm;
use tsp_sip::wire::{HostPort, NameAddr, Uri};

use crate::call::{Call, CallState};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, EventKind};
use crate::phone::{Phone, PhoneBuilder};

/// What a caller is told who calls nobody of ours.
const NOT_FOUND: u16 = 404;

/// What a caller is told whose call nobody took, if no branch says why: 480.
const UNAVAILABLE: u16 = 480;

/// A registrar and a back-to-back user agent for the users of one domain (RFC 3261 sections 10.3 and 6): a user who
/// calls another is put through to every phone that the other has registered, and the first that answers has the call.
///
/// The sound goes through it, so phones that share no codec understand each other, and phones behind different NATs hear
/// each other. Digits are passed on.
#[derive(Debug)]
pub struct Server {
    phone: Arc<Phone>,
    /// The users, and as whom calls of theirs go out.
    users: Arc<HashMap<Box<str>, AccountId>>,
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
                    let exchange = Exchange { phone: self.phone.clone(), users: self.users.clone() };
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

/// What a call needs of the server.
struct Exchange {
    phone: Arc<Phone>,
    users: Arc<HashMap<Box<str>, AccountId>>,
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
        let user = user_of(caller.called()).filter(|u| self.users.contains_key(u));
        let user = user.ok_or(NOT_FOUND)?;
        let from = user_of(caller.peer()).and_then(|u| self.users.get(&u).copied());
        let hops = caller.hops_left();
        let branches: Vec<Call> = self
            .phone
            .located(&user)
            .into_iter()
            .filter_map(|location| self.phone.prepare_location(location, from, hops).ok())
            .filter(|branch| branch.place().is_ok())
            .collect();
        let (answered, refused) = self.first(caller, &branches).await;
        for branch in &branches {
            if answered.as_ref().is_none_or(|a| a.key() != branch.key()) {
                let _over = branch.start_hang_up();
            }
        }
        let branch = answered.ok_or(refused)?;
        let joined = join(caller, &branch);
        if joined.is_err() || caller.answer().await.is_err() {
            let _over = branch.hang_up().await;
            return if joined.is_err() { Err(500) } else { Ok(()) };
        }
        until_over(caller, &branch).await;
        let _over = branch.start_hang_up();
        let _over = caller.start_hang_up();
        Ok(())
    }

    /// The branch that answers first; none, and why, if none does or the caller does not wait.
    async fn first(&self, caller: &Call, branches: &[Call]) -> (Option<Call>, u16) {
        let mut waiting = JoinSet::new();
        for branch in branches {
            let (branch, caller) = (branch.clone(), caller.clone());
            waiting.spawn(async move {
                let rings = branch.reached(|s| !matches!(s, CallState::Dialing)).await;
                if matches!(rings, Ok(CallState::Ringing | CallState::EarlyMedia)) {
                    let _gone = caller.ring();
                }
                branch.connected().await.map(|()| branch)
            });
        }
        let mut why = Vec::new();
        loop {
            tokio::select! {
                done = waiting.join_next() => match done {
                    Some(Ok(Ok(branch))) => return (Some(branch), UNAVAILABLE),
                    Some(Ok(Err(error))) => why.extend(error.status()),
                    // A branch that panicked is none.
                    Some(Err(_)) => {}
                    None => return (None, best(&why)),
                },
                _ = caller.ended() => return (None, UNAVAILABLE),
            }
        }
    }
}

/// The user part of an address as a header field has it.
fn user_of(address: &str) -> Option<Box<str>> {
    let address = NameAddr::parse(&Bytes::copy_from_slice(address.as_bytes())).ok()?;
    address.uri().user().map(|user| Box::from(&*user))
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

/// Waits until one of two calls is over, and passes on the digits that each hears.
async fn until_over(one: &Call, other: &Call) {
    let (mut from_one, mut from_other) = (one.events(), other.events());
    loop {
        let (event, to) = tokio::select! {
            event = from_one.next() => (event, other),
            event = from_other.next() => (event, one),
            _ = one.ended() => return,
            _ = other.ended() => return,
        };
        if let Some(digit) = event.as_ref().and_then(digit_of) {
            // A peer that takes no digits does not get this one.
            let _lost = to.send_digits(&digit.to_string());
        }
        if event.is_none() {
            return;
        }
    }
}

fn digit_of(event: &Event) -> Option<char> {
    match &event.kind {
        EventKind::Digit(digit) => Some(digit.to_char()),
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
