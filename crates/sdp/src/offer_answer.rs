//! Offer and answer for one leg of a call (RFC 3264): who may speak, what holds, what was said before.

use std::fmt;

use msp_core::link::PrepareSlot;
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};

use crate::agreement::{Agreement, Answer, Outcome, RemoteOffer};
use crate::description::{SessionDescription, same_but_version};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::line::Media;
use crate::local::{Identity, LocalDescription, LocalMedia, media_line, write};
use crate::negotiate::{RefusalReason, accept, acceptable, conclude};
use crate::place::{Place, remember};
use crate::policy::{LaterAnswers, Policy};
use crate::remote::{IgnoreReason, Ignored, RemoteSession, Unresolved};

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No offer is open; either end may make one.
    Stable,
    /// Our offer waits for its answer.
    LocalOffer,
    /// The peer's offer waits for ours.
    RemoteOffer,
}

/// Offer and answer of one leg.
///
/// An INVITE that forks is one offer with an answer from each leg: clone the machine once the offer is made
/// and give each leg its own.
///
/// ```
/// use std::net::SocketAddr;
/// use msp_core::id::PayloadType;
/// use msp_core::media::MediaKind;
/// use msp_core::params::{CodecSpec, LocalAddress, MediaParams, MediaSlot, PayloadMapping};
/// use msp_core::time::ClockRate;
/// use tsp_sdp::{Identity, OfferAnswer, Policy, State};
///
/// let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
/// let mut local = MediaParams::new(MediaSlot(0), MediaKind::Audio);
/// local.local = Some(LocalAddress { bound: at(4000), advertised: at(4000) });
/// local.receive = vec![PayloadMapping {
///     payload_type: PayloadType(8),
///     codec: CodecSpec::mono("PCMA", ClockRate::HZ_8000),
///     parameters: None,
/// }];
///
/// let identity = Identity { username: "-".into(), session_id: 7, version: 1, address: at(0).ip() };
/// let mut leg = OfferAnswer::new(identity, Policy::default());
/// let offer = leg.create_offer(vec![local])?;
/// assert!(offer.to_string().contains("m=audio 4000 RTP/AVP 8\r\n"));
///
/// let answer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
///               m=audio 5000 RTP/AVP 8\r\n";
/// let agreement = leg.receive_answer(answer.as_bytes())?;
/// assert_eq!(agreement.params[0].remote, Some("192.0.2.9:5000".parse().unwrap()));
/// assert_eq!(leg.state(), State::Stable);
/// # Ok::<(), tsp_sdp::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OfferAnswer {
    identity: Identity,
    policy: Policy,
    /// What we sent last, whether it came to hold or not, and its version.
    sent: Option<(LocalDescription, u64)>,
    round: Round,
    agreed: Option<Agreed>,
}

#[derive(Clone, Debug)]
enum Round {
    Stable,
    LocalOffer(Proposal),
    RemoteOffer(RemoteText, RemoteSession),
}

/// A peer's description as it came: read again when it matters, which is seldom. It may bear keys.
#[derive(Clone)]
struct RemoteText(Box<str>);

impl fmt::Debug for RemoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteText({} bytes)", self.0.len())
    }
}

impl RemoteText {
    /// Reads a text and keeps it.
    fn read(text: &[u8]) -> Result<(Self, SessionDescription)> {
        let description = SessionDescription::parse(text)?;
        // It is text, for it could be read.
        let text = String::from_utf8_lossy(text);
        Ok((Self(text.into()), description))
    }
}

/// Our offer: what the media half said, and the m-lines made of it.
#[derive(Clone, Debug)]
struct Proposal {
    local: Vec<MediaParams>,
    media: Vec<LocalMedia>,
}

/// What holds.
#[derive(Clone, Debug)]
struct Agreed {
    places: Vec<Place>,
    local: Vec<MediaParams>,
    params: Vec<MediaParams>,
    unresolved: Vec<Unresolved>,
    remote: RemoteText,
    /// The offer that it answers, when it was ours.
    answered: Option<Proposal>,
}

impl OfferAnswer {
    /// A leg on which nothing was said yet.
    pub const fn new(identity: Identity, policy: Policy) -> Self {
        Self {
            identity,
            policy,
            sent: None,
            round: Round::Stable,
            agreed: None,
        }
    }

    /// Makes an offer of `local`, one for each slot that was prepared, and opens a round.
    ///
    /// Media that an earlier round had and `local` has not, or refuses, keep their place with port 0.
    /// Encodings keep the numbers that they had in earlier rounds.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] while another offer is open; [`ErrorKind::BadLocal`] for a medium that is no
    /// sound or has no address or encoding, and for a gap in the slots.
    pub fn create_offer(&mut self, local: Vec<MediaParams>) -> Result<LocalDescription> {
        if !matches!(self.round, Round::Stable) {
            return Err(ErrorKind::WrongState.into());
        }
        let places = self.agreed.as_ref().map_or(&[][..], |a| &a.places);
        let slots = local.iter().map(|p| usize::from(p.slot.0) + 1).max();
        let count = slots.unwrap_or(0).max(places.len());
        if count > Limits::MEDIA {
            return Err(ErrorKind::TooManyMedia.into());
        }
        let mut media = Vec::with_capacity(count);
        for i in 0..count {
            let place = places.get(i);
            let params = local.iter().find(|p| usize::from(p.slot.0) == i);
            media.push(match (params, place) {
                (Some(params), _) if !params.refused => {
                    if params.kind != MediaKind::Audio {
                        return Err(Error::at_slot(ErrorKind::BadLocal, params.slot));
                    }
                    let mut params = params.clone();
                    if let Some(place) = place {
                        params.receive = place.renumber(&params.receive);
                    }
                    LocalMedia::On(Box::new(params))
                }
                (_, Some(place)) => LocalMedia::Off(place.media.clone()),
                (Some(params), None) => LocalMedia::Off(media_line(params, 0)),
                (None, None) => {
                    // There are at most 16.
                    let slot = MediaSlot(i as u16);
                    return Err(Error::at_slot(ErrorKind::BadLocal, slot));
                }
            });
        }
        if self.agreed.is_none() && !media.iter().any(|m| matches!(m, LocalMedia::On(_))) {
            return Err(ErrorKind::BadLocal.into());
        }
        let description = self.describe(&media)?;
        self.round = Round::LocalOffer(Proposal { local, media });
        Ok(description)
    }

    /// Makes our open offer anew under plain profiles and without keys, for a peer that refused the secure ones; `None` if that
    /// would be no other offer, or media must be encrypted.
    ///
    /// # Errors
    /// As [`OfferAnswer::create_offer`]; [`ErrorKind::WrongState`] when no offer of ours is open.
    pub fn offer_in_the_clear(&mut self) -> Result<Option<LocalDescription>> {
        let Round::LocalOffer(proposal) = &self.round else {
            return Err(ErrorKind::WrongState.into());
        };
        let mut local = proposal.local.clone();
        let keyed = |p: &MediaParams| matches!(p.profile, Profile::Savp | Profile::Savpf);
        let must = |p: &MediaParams| p.policy == SecurityPolicy::Required;
        if !local.iter().any(keyed) || local.iter().any(must) {
            return Ok(None);
        }
        for params in &mut local {
            params.keys.send.clear();
            params.profile = match params.profile {
                Profile::Savp => Profile::Avp,
                Profile::Savpf => Profile::Avpf,
                profile => profile,
            };
        }
        self.round = Round::Stable;
        self.create_offer(local).map(Some)
    }

    /// Takes the answer to our offer and closes the round.
    ///
    /// A further answer to the same offer (a 183, then the 200) is taken as long as no other round was
    /// opened; one that says the same is `unchanged`, one that differs is treated as the policy wants.
    ///
    /// # Errors
    /// What reading the text gives, with the round still open; [`ErrorKind::NoCommonCodec`] when the answer
    /// has media on and none that we can use, with the round closed and the former agreement in force;
    /// [`ErrorKind::WrongState`] when there is nothing to answer.
    pub fn receive_answer(&mut self, text: &[u8]) -> Result<Agreement> {
        let (proposal, later) = match (&self.round, &self.agreed) {
            (Round::LocalOffer(proposal), _) => (proposal.clone(), None),
            (Round::Stable, Some(agreed)) => {
                let proposal = agreed.answered.clone().ok_or(ErrorKind::WrongState)?;
                (proposal, Some(agreed))
            }
            _ => return Err(ErrorKind::WrongState.into()),
        };
        let text = match (later, self.policy.later_answers) {
            (Some(agreed), LaterAnswers::Ignore) => agreed.remote.0.as_bytes(),
            _ => text,
        };
        let (remote, description) = RemoteText::read(text)?;
        let session = RemoteSession::read(&description)?;
        let mut outcome = Outcome::new(&session);
        for (i, medium) in proposal.media.iter().enumerate() {
            let answer = session.media.get(i);
            match medium {
                LocalMedia::On(local) => match conclude(local, answer) {
                    Ok(agreed) => outcome.on(agreed, answer),
                    Err(reason) => outcome.off(local.slot, Some(local.kind), reason),
                },
                LocalMedia::Off(media) => {
                    outcome.off(MediaSlot(i as u16), media.kind(), RefusalReason::Local);
                }
            }
        }
        for extra in description.media().iter().skip(proposal.media.len()) {
            outcome.agreement.ignored.push(Ignored {
                line: extra.section.first_line(),
                reason: IgnoreReason::NotOffered,
            });
        }
        let answered_on = session.media.iter().any(|m| m.media.port != 0);
        if answered_on && !outcome.agreement.has_media() {
            self.round = Round::Stable;
            return Err(ErrorKind::NoCommonCodec.into());
        }
        let places = remember(
            self.agreed.as_ref().map_or(&[][..], |a| &a.places),
            proposal.media.iter().map(LocalMedia::line).collect(),
            &outcome.agreement.params,
            &session,
        );
        self.round = Round::Stable;
        Ok(self.settle(
            outcome.agreement,
            Agreed {
                places,
                local: proposal.local.clone(),
                params: Vec::new(),
                unresolved: Vec::new(),
                remote,
                answered: Some(proposal),
            },
        ))
    }

    /// Takes an offer and opens a round.
    ///
    /// # Errors
    /// What reading the text gives; [`ErrorKind::WrongState`] while another offer is open: with
    /// [`State::LocalOffer`] both ends have offered at once.
    pub fn receive_offer(&mut self, text: &[u8]) -> Result<RemoteOffer> {
        if !matches!(self.round, Round::Stable) {
            return Err(ErrorKind::WrongState.into());
        }
        let (remote, description) = RemoteText::read(text)?;
        let session = RemoteSession::read(&description)?;
        let possible = || session.media.iter().filter_map(|m| acceptable(m).ok());
        let slot = |params: &MediaParams| PrepareSlot {
            slot: params.slot,
            kind: params.kind,
            direction: params.direction,
            profile: params.profile,
        };
        let keyed = |p: &&MediaParams| {
            matches!(p.profile, Profile::Savp | Profile::Savpf) && !p.keys.receive.is_empty()
        };
        // Offered both ways, in a line each, media are better encrypted.
        let (encrypted, others): (Vec<_>, Vec<_>) = possible().partition(keyed);
        let slots = encrypted.into_iter().chain(others).map(slot).collect();
        let offer = RemoteOffer {
            slots,
            toward: possible().find_map(MediaParams::remote_ip),
            unchanged: self
                .agreed
                .as_ref()
                .is_some_and(|a| same_but_version(&a.remote.0, &remote.0)),
            ignored: session.ignored.clone(),
        };
        self.round = Round::RemoteOffer(remote, session);
        Ok(offer)
    }

    /// Answers the open offer with `local`, one for each slot of [`RemoteOffer::slots`], and closes the round.
    ///
    /// # Errors
    /// [`ErrorKind::NoCommonCodec`] when media were offered and none can be accepted (answer 488),
    /// [`ErrorKind::BadLocal`] for a medium without an address; the round stays open after both: answer with
    /// something else, or roll back. [`ErrorKind::WrongState`] when no offer is open.
    pub fn create_answer(&mut self, local: Vec<MediaParams>) -> Result<Answer> {
        let (remote, session) = match std::mem::replace(&mut self.round, Round::Stable) {
            Round::RemoteOffer(remote, session) => (remote, session),
            other => {
                self.round = other;
                return Err(ErrorKind::WrongState.into());
            }
        };
        let (description, agreement, places) = match self.accept_offer(&session, &local) {
            Ok(answer) => answer,
            Err(error) => {
                self.round = Round::RemoteOffer(remote, session);
                return Err(error);
            }
        };
        let agreement = self.settle(
            agreement,
            Agreed {
                places,
                local,
                params: Vec::new(),
                unresolved: Vec::new(),
                remote,
                answered: None,
            },
        );
        Ok(Answer {
            description,
            agreement,
        })
    }

    /// What `local` makes of an offer: our description, what is agreed with it, and the m-lines.
    fn accept_offer(
        &mut self,
        session: &RemoteSession,
        local: &[MediaParams],
    ) -> Result<(LocalDescription, Agreement, Vec<Place>)> {
        let mut outcome = Outcome::new(session);
        let mut media = Vec::with_capacity(session.media.len());
        for (i, offered) in session.media.iter().enumerate() {
            // There are at most 16.
            let slot = MediaSlot(i as u16);
            let ours = local.iter().find(|p| p.slot == slot);
            match accept(offered, ours, self.policy) {
                Ok(accepted) => {
                    media.push(LocalMedia::On(Box::new(accepted.answer)));
                    outcome.on(accepted.agreed, Some(offered));
                }
                Err(reason) => {
                    media.push(LocalMedia::Off(offered.media.clone()));
                    outcome.off(slot, offered.media.kind(), reason);
                }
            }
        }
        let offered_on = session.media.iter().any(|m| m.media.port != 0);
        if offered_on && !outcome.agreement.has_media() {
            return Err(ErrorKind::NoCommonCodec.into());
        }
        let description = self.describe(&media)?;
        let places = remember(
            self.agreed.as_ref().map_or(&[][..], |a| &a.places),
            media.iter().map(LocalMedia::line).collect(),
            &outcome.agreement.params,
            session,
        );
        Ok((description, outcome.agreement, places))
    }

    /// Answers the open offer with nothing: each medium gets port 0 (RFC 3264 section 6). The round is closed, and what was
    /// agreed before goes on.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when no offer is open; those of writing it, with the round still open.
    pub fn refuse_offer(&mut self) -> Result<LocalDescription> {
        let Round::RemoteOffer(_, session) = &self.round else {
            return Err(ErrorKind::WrongState.into());
        };
        let offered = session.media.iter();
        let media: Vec<_> = offered.map(|m| LocalMedia::Off(m.media.clone())).collect();
        let description = self.describe(&media)?;
        self.round = Round::Stable;
        Ok(description)
    }

    /// Answers the open offer with what the media half said in the round that is in force, as suits an offer
    /// that is `unchanged`.
    ///
    /// # Errors
    /// As [`OfferAnswer::create_answer`]; [`ErrorKind::WrongState`] also when nothing was agreed yet.
    pub fn repeat_answer(&mut self) -> Result<Answer> {
        let agreed = self.agreed.as_ref().ok_or(ErrorKind::WrongState)?;
        self.create_answer(agreed.local.clone())
    }

    /// Offers once more what is in force, as a refresh does: nothing but what was said last, so that its version stays.
    ///
    /// # Errors
    /// As [`OfferAnswer::create_offer`]; [`ErrorKind::WrongState`] also when nothing was agreed yet.
    pub fn repeat_offer(&mut self) -> Result<LocalDescription> {
        let agreed = self.agreed.as_ref().ok_or(ErrorKind::WrongState)?;
        let mut local = agreed.local.clone();
        for params in &mut local {
            let said = self
                .agreed
                .as_ref()
                .and_then(|a| a.places.get(usize::from(params.slot.0)));
            let said = said.map_or(&[][..], |place| &place.media.formats);
            let is_said = |n: u8| said.iter().any(|f| f.parse() == Ok(n));
            params.receive.retain(|m| is_said(m.payload_type.0));
        }
        self.create_offer(local)
    }

    /// Drops the open offer, whoever made it: what was agreed before goes on (RFC 3264 section 8, RFC 6141).
    /// Without an open offer nothing happens.
    pub fn rollback(&mut self) {
        self.round = Round::Stable;
    }

    /// Whose turn it is.
    pub const fn state(&self) -> State {
        match self.round {
            Round::Stable => State::Stable,
            Round::LocalOffer(_) => State::LocalOffer,
            Round::RemoteOffer(..) => State::RemoteOffer,
        }
    }

    /// What is agreed, once something is: see [`Agreement::params`]. Names stay unresolved in here.
    pub fn negotiated(&self) -> Option<&[MediaParams]> {
        self.agreed.as_ref().map(|a| &a.params[..])
    }

    /// What the media half has to prepare for an offer of ours in this call: the media that are on, both
    /// ways. Who holds the call narrows the direction.
    pub fn slots(&self) -> Vec<PrepareSlot> {
        self.negotiated()
            .unwrap_or_default()
            .iter()
            .filter(|p| !p.refused)
            .map(|p| PrepareSlot {
                slot: p.slot,
                kind: p.kind,
                direction: MediaDirection::SendRecv,
                profile: p.profile,
            })
            .collect()
    }

    /// What we sent last.
    pub fn sent(&self) -> Option<&LocalDescription> {
        self.sent.as_ref().map(|(description, _)| description)
    }

    /// Writes a description. Its version counts up from the last one sent, if it differs (RFC 3264 section 8).
    fn describe(&mut self, media: &[LocalMedia]) -> Result<LocalDescription> {
        let (description, version) = match &self.sent {
            None => {
                let version = self.identity.version;
                (write(&self.identity, version, media)?, version)
            }
            Some((before, version)) => {
                let same = write(&self.identity, *version, media)?;
                if same_but_version(same.as_str(), before.as_str()) {
                    (same, *version)
                } else {
                    let version = version.wrapping_add(1);
                    (write(&self.identity, version, media)?, version)
                }
            }
        };
        self.sent = Some((description.clone(), version));
        Ok(description)
    }

    /// Puts what was agreed in force.
    fn settle(&mut self, mut agreement: Agreement, mut agreed: Agreed) -> Agreement {
        agreement.unchanged = self.agreed.as_ref().is_some_and(|before| {
            before.params == agreement.params && before.unresolved == agreement.unresolved
        });
        agreed.params.clone_from(&agreement.params);
        agreed.unresolved.clone_from(&agreement.unresolved);
        self.agreed = Some(agreed);
        agreement
    }
}

impl LocalMedia {
    /// The m= line.
    fn line(&self) -> Media {
        match self {
            Self::On(params) => {
                let port = params.local.map_or(0, |l| l.advertised.port());
                media_line(params, port)
            }
            Self::Off(media) => media.clone(),
        }
    }
}
