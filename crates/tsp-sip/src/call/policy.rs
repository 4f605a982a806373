//! What a user agent does where peers and tastes differ.

use std::time::Duration;

use super::identity::IdentityPolicy;
use super::numbers::NumberForm;
use super::security::MediaSecurity;

/// How calls are made, answered and changed.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CallPolicy {
    /// How we change a call that is up.
    pub change: ChangeBy,
    /// Whether provisional responses are acknowledged.
    pub reliable: Reliable,
    /// Whose early media are heard where a call is forked.
    pub early_media: EarlyMedia,
    /// Our INVITE makes no offer: the peer makes one in its 2xx or in a reliable provisional response, and we answer (RFC
    /// 3261 section 13.2.1). Nothing is heard early unless the peer offers early.
    pub late_offer: bool,
    /// What becomes of a call that is sent on to somebody else.
    pub redirect: Redirect,
    /// Whether sessions have to be refreshed; nothing to neither ask for it nor take part in it (RFC 4028).
    pub timers: Option<SessionTimers>,
    /// For whom a call that asks for it is taken without the application (Alert-Info, Call-Info and Answer-Mode).
    pub auto_answer: AutoAnswer,
    /// How we hold a call.
    pub hold: HoldForm,
    /// What a peer hears that we hold, if the form of the hold lets it hear anything.
    pub hold_sound: HoldSound,
    /// A peer that answers our offer with several codecs is asked for the first of them alone, by a further offer.
    pub lock_codec: bool,
    /// Whether media are encrypted.
    pub security: MediaSecurity,
    /// Who we say that we are, and who is believed about that.
    pub identity: IdentityPolicy,
    /// How a telephone number that is dialled is written.
    pub numbers: NumberForm,
}

/// Whether provisional responses are acknowledged (RFC 3262).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Reliable {
    /// We do not say that we can, and refuse who insists. What a peer sends that way all the same is acknowledged, or its
    /// call would die.
    Off,
    /// Where the peer insists, and where early media of ours are described to a peer that can.
    #[default]
    Supported,
    /// Always: we refuse who cannot.
    Required,
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self {
            change: ChangeBy::default(),
            reliable: Reliable::default(),
            early_media: EarlyMedia::default(),
            late_offer: false,
            redirect: Redirect::default(),
            timers: Some(SessionTimers::default()),
            auto_answer: AutoAnswer::default(),
            hold: HoldForm::default(),
            hold_sound: HoldSound::default(),
            lock_codec: false,
            security: MediaSecurity::default(),
            identity: IdentityPolicy::default(),
            numbers: NumberForm::default(),
        }
    }
}

/// Which branch of a call of ours is heard while several have early media. One that answers is heard from then on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum EarlyMedia {
    /// The one that described its media last: whoever answers is mostly heard before the 2xx.
    #[default]
    Latest,
    /// The one that described its media first: an announcement is heard to its end, whatever else rings.
    First,
}

/// What we do with a 3xx to a call of ours (RFC 3261 section 8.1.3.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Redirect {
    /// The call ends as [`EndCause::Forwarded`](super::EndCause::Forwarded).
    #[default]
    Reject,
    /// It is tried at those that the response names, the preferred first, and at each of them once. To stays.
    Follow,
    /// The same, and To names whom it is tried at: for servers that look there.
    FollowTo,
    /// The application is asked.
    Ask,
}

/// How long a session lives without a refresh (RFC 4028).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionTimers {
    /// The interval that we ask for, in whole seconds; nothing to leave it to the peer.
    pub wanted: Option<Duration>,
    /// The shortest interval that we take, 90 seconds or more.
    pub min: Duration,
    /// Who shall refresh, where it is ours to say.
    pub refresher: RefreshedBy,
    /// With what we refresh.
    pub by: ChangeBy,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self {
            wanted: None,
            min: Duration::from_secs(90),
            refresher: RefreshedBy::default(),
            by: ChangeBy::Update,
        }
    }
}

/// Who refreshes a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RefreshedBy {
    /// Whom the answering end chooses; the calling end if that is us.
    #[default]
    Either,
    /// We.
    Us,
    /// The peer, if it can.
    Peer,
}

/// Who may have a call taken without anybody's doing. Nothing proves who a caller is unless a trusted server or proxy says
/// so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AutoAnswer {
    /// Nobody.
    #[default]
    Nobody,
    /// Everybody.
    Anybody,
    /// Callers whose From names one of these: `user@host`, `host` or a number, in any case.
    Callers(Vec<Box<str>>),
}

/// How a hold is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HoldForm {
    /// We send only; nothing either way if the peer holds too (RFC 3264 section 8.4).
    #[default]
    SendOnly,
    /// Nothing either way.
    Inactive,
    /// Nothing either way, and `0.0.0.0` or `::` for an address: for peers of RFC 2543.
    ZeroAddress,
}

/// What is sent to a peer that we hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HoldSound {
    /// Nothing: nobody listens in on a held line. A server on the way may play music.
    #[default]
    Silence,
    /// What the terminals of the call give, music from a file for instance.
    Terminals,
}

/// With what an offer of ours travels that changes a call which is up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ChangeBy {
    /// A further INVITE, which every peer understands and may ask its user about (RFC 3261 section 14).
    #[default]
    Invite,
    /// An UPDATE if the peer lists it in Allow, else an INVITE. Servers that ring a user again for each INVITE want it.
    Update,
}
