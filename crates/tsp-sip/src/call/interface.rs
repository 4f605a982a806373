//! What goes into a user agent and what comes out of it: plain data.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::link::{Digit, Envelope, ToMsp, ToTsp};
use msp_core::trace::Way;

use super::caller::Caller;
use super::identity::IdentityPolicy;
use super::policy::CallPolicy;
use super::requests::RequestPolicy;
use super::served::Domain;
use crate::account::{Account, AccountId};
use crate::counters::counters;
use crate::registrar::Location;
use crate::registration::RegistrationEvent;
use crate::subscription::{Package, Presence, SubscriptionEvent, SubscriptionId};
use crate::transport::{Flow, FlowPolicy, Transport};
use crate::wire::{Host, StatusCode, Uri};

/// What a user agent takes.
#[derive(Debug)]
pub enum Input {
    /// A datagram came, or a message from a stream.
    Received {
        /// The way that it came.
        flow: Flow,
        /// Its bytes.
        bytes: Bytes,
    },
    /// The system would not send to this address.
    Unreachable {
        /// The way that it should have gone.
        flow: Flow,
    },
    /// A peer opened a connection.
    Accepted {
        /// What it is called from now on.
        flow: Flow,
    },
    /// The peer of a connection that was accepted proved that it stands for these domains (RFC 5922 section 7.1).
    Proved {
        /// The connection.
        flow: Flow,
        /// The domains that its certificate names.
        names: Vec<Box<str>>,
    },
    /// What came on a connection cannot be cut into messages; it is closed once it is said so.
    Garbled {
        /// The connection.
        flow: Flow,
        /// What could not be read, from its first byte on.
        bytes: Bytes,
        /// What is wrong with it.
        error: crate::Error,
    },
    /// A connection is gone, or could not be opened.
    Closed {
        /// The connection.
        flow: Flow,
        /// Why, for people; may be empty.
        why: Box<str>,
    },
    /// A host was looked up.
    Resolved {
        /// Which look-up.
        lookup: LookupId,
        /// The ways to it, best first; none if there are none.
        routes: Vec<Route>,
        /// Why there are none and what to do, for people; may be empty.
        why: Box<str>,
    },
    /// The application wants something.
    Command(Command),
    /// The media half says something.
    Msp(Envelope<ToTsp>),
}

/// What the application wants.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Call somebody. The media half knows the key already.
    Dial {
        /// The key of the call.
        key: CallKey,
        /// Whom. With a header field `Replaces` in the URI the call takes the place of another one there (RFC 3891); other
        /// header fields are passed over.
        to: Uri,
        /// For which account; for none, straight and under the agent's own name.
        account: Option<AccountId>,
    },
    /// The same under an identity policy of the call's own.
    DialAs {
        /// The key of the call.
        key: CallKey,
        /// Whom.
        to: Uri,
        /// For which account, if for one.
        account: Option<AccountId>,
        /// Who we say that we are.
        identity: Box<IdentityPolicy>,
    },
    /// Call a user of the domain that we serve at one of its contacts, by the way that it registered.
    DialLocation {
        /// The key of the call.
        key: CallKey,
        /// The contact.
        location: Box<Location>,
        /// As whom.
        account: Option<AccountId>,
        /// How many more hops the call may take (RFC 3261 section 20.22).
        hops: u8,
    },
    /// Say that we ring.
    Ring(CallKey),
    /// Let an incoming call hear us before it is taken: a 183 with our description (RFC 3261 section 21.1.5).
    Progress(CallKey),
    /// Try a call of ours elsewhere that was sent on: at one of the targets of [`CallEventKind::Redirected`], or at anybody.
    Follow(CallKey, Uri),
    /// Take an incoming call.
    Answer(CallKey),
    /// Refuse an incoming call.
    Reject(CallKey, StatusCode),
    /// End a call, whatever its state: cancel it, refuse it or hang up.
    HangUp(CallKey),
    /// Hold a call that is up: the peer is asked to send nothing. [`CallEventKind::Held`] or
    /// [`CallEventKind::HoldRefused`] follows, unless it is wanted already.
    Hold(CallKey),
    /// Take up a call again that we hold.
    Resume(CallKey),
    /// Have a call as a leg of a conference that we are the focus of, or not any more; the peer is told (RFC 4579 section 5.2).
    Focus {
        /// The call.
        key: CallKey,
        /// Whether it is.
        focus: bool,
    },
    /// Ask a peer what it can do.
    Options {
        /// Names the request in the answer.
        key: CallKey,
        /// Whom.
        to: Uri,
        /// For which account, if for one.
        account: Option<AccountId>,
    },
    /// Have an account from now on, in the place of what it was before.
    AddAccount(AccountId, Box<Account>),
    /// Have an account no more. Its calls go on; its registration ends when the registrar forgets it, so
    /// [`Command::Unregister`] comes before.
    RemoveAccount(AccountId),
    /// Send a message to a user (RFC 3428). What becomes of it comes as [`CallEventKind::MessageAnswered`].
    Message {
        /// Names the message in the answer.
        key: CallKey,
        /// Whom.
        to: Recipient,
        /// For which account, if for one; a call knows its own.
        account: Option<AccountId>,
        /// The type of the body, for instance `text/plain`.
        content_type: Box<str>,
        /// The body.
        body: Bytes,
    },
    /// Pass a call that is up on to somebody else: the peer is asked to call there (RFC 3515). What becomes of it comes as
    /// [`CallEventKind::TransferProgress`], [`CallEventKind::Transferred`] or [`CallEventKind::TransferFailed`].
    Transfer {
        /// The call.
        key: CallKey,
        /// To whom.
        to: Uri,
    },
    /// Pass a call that is up on to the peer of another one that is up (RFC 5589 section 7).
    TransferTo {
        /// The call.
        key: CallKey,
        /// The call with the one that it is passed on to.
        consultation: CallKey,
    },
    /// Make the call that a peer asked for with [`CallEventKind::TransferRequested`]. The media half knows its key already.
    FollowTransfer {
        /// The call that the wish came in.
        key: CallKey,
        /// The key of the new call.
        call: CallKey,
    },
    /// Do not make the call that a peer asked for.
    DeclineTransfer(CallKey),
    /// Tell a peer what becomes of its wish to be passed on, instead of [`Command::FollowTransfer`]: for who connects the two by
    /// other means, as a server does. A final status is the last that it hears.
    TellReferrer(CallKey, StatusCode),
    /// Register an account, and keep it registered.
    Register(AccountId),
    /// Register an account no more, and tell the registrar.
    Unregister(AccountId),
    /// Ask the registrar of an account where it is reached, and change nothing (RFC 3261 section 10.2.3). What it says comes as
    /// [`CallEventKind::Bindings`].
    FetchBindings {
        /// Names the request in the answer.
        key: CallKey,
        /// Which account.
        account: AccountId,
    },
    /// Subscribe to a state (RFC 6665). What becomes of it comes as [`Output::Subscription`].
    Subscribe {
        /// Names the subscription; no other that lives has the name.
        id: SubscriptionId,
        /// Whose state.
        to: Uri,
        /// For which account, if for one.
        account: Option<AccountId>,
        /// Which state.
        package: Package,
        /// For how long at a time, in whole seconds; zero to be told it once.
        expires: Duration,
    },
    /// Hear of a state no more. [`SubscriptionKind::Ended`](crate::subscription::SubscriptionKind::Ended) follows.
    Unsubscribe(SubscriptionId),
    /// Refuse all calls of others from now on; those that there are go on, and so do accounts and subscriptions.
    RefuseCalls,
    /// Publish the presence of an account, in the place of what was published before (RFC 3903).
    Publish {
        /// The account.
        account: AccountId,
        /// The presence.
        presence: Box<Presence>,
        /// For how long at a time, in whole seconds.
        expires: Duration,
    },
    /// Take back the presence of an account.
    Unpublish(AccountId),
    /// The machine has another address, or is in another network: connections are made anew, registrations told, and the
    /// peers of calls that are up hear where we and our media are now. Look-ups have to find the new address.
    NetworkChanged {
        /// For the driver: the address that takes the place of the one of its family that we were bound to, if it was one
        /// of the machine's and not all of them.
        bind: Option<IpAddr>,
    },
    /// Refuse all calls from now on and end those that there are.
    Close,
}

/// Whom a message is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// A user.
    Uri(Uri),
    /// The peer of a call that is up.
    Call(CallKey),
}

/// Where a URI leads, before anything is looked up (RFC 3263 section 4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The host: a name or an address, for to an address too a way has to be found.
    pub host: Host,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// The transport, if one is written or follows from the scheme.
    pub transport: Option<Transport>,
}

impl From<Host> for Target {
    /// A host of which only the addresses matter.
    fn from(host: Host) -> Self {
        Self {
            host,
            port: None,
            transport: None,
        }
    }
}

/// A way to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// By which transport.
    pub transport: Transport,
    /// The host's end.
    pub remote: SocketAddr,
    /// Our end, bound by one of our sockets; never unspecified.
    pub local: SocketAddr,
}

/// Names a look-up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LookupId(pub u64);

/// What a user agent gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this.
    Transmit {
        /// On which way.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// Open a connection. It can be sent on at once; if it does not come to be, say [`Input::Closed`].
    Connect {
        /// Between which ends, and what it is called.
        flow: Flow,
        /// Whom the certificate of the other end has to name.
        name: Option<Box<str>>,
    },
    /// Close a connection once what waits is sent. Nothing is said about it any more.
    Disconnect {
        /// The connection.
        flow: Flow,
    },
    /// Look up the ways to a host, and say [`Input::Resolved`].
    Resolve {
        /// Which look-up.
        lookup: LookupId,
        /// Where to.
        target: Target,
    },
    /// Tell the media half.
    Msp(Envelope<ToMsp>),
    /// Tell the application.
    Event(CallEvent),
    /// Tell the application of a registration.
    Registration(RegistrationEvent),
    /// Tell the application of a state that it subscribed to.
    Subscription(SubscriptionEvent),
    /// Tell the application where a user of the domain that we serve is reached from now on.
    Located {
        /// The user.
        user: Box<str>,
        /// The contacts, the preferred first; none any more if there are none.
        locations: Vec<Location>,
    },
    /// A message was sent or received, of a call if it is known of which: for the trace.
    Message {
        /// The call.
        call: Option<CallKey>,
        /// Which way it went.
        way: Way,
        /// Between which ends.
        flow: Flow,
        /// Its bytes.
        bytes: Bytes,
    },
}

/// Something that happened to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallEvent {
    /// The call.
    pub key: CallKey,
    /// What happened.
    pub kind: CallEventKind,
}

/// What happened to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CallEventKind {
    /// A call came in. Its media half has to be made under this key before anything is answered.
    Incoming {
        /// Who calls: name and URI of From, as the peer wrote them.
        from: Box<str>,
        /// Who calls, as far as the peer is believed.
        caller: Box<Caller>,
        /// Who is called: the URI of To, as the peer wrote it.
        to: Box<str>,
        /// Which account of ours is called, if it is one.
        account: Option<AccountId>,
        /// How many more hops the call may take, if we send it on (RFC 3261 section 20.22).
        hops: u8,
    },
    /// The called end rings.
    Ringing,
    /// Media of a leg may come before the call is answered.
    EarlyMedia,
    /// Both ends agreed: the call is up.
    Connected,
    /// One end holds the call now. Both may.
    Held(Side),
    /// One end holds the call no longer.
    Resumed(Side),
    /// The call is not held, or not taken up again, as the application wished: the peer refused with this status, or the
    /// call or its media are in no state for it.
    HoldRefused(Option<StatusCode>),
    /// A call of ours was sent on, and the policy wants the application to say where it goes: [`Command::Follow`], or
    /// [`Command::HangUp`].
    Redirected {
        /// Where it may go, the preferred first; nobody twice.
        targets: Vec<Uri>,
    },
    /// A digit of ours did not reach the peer: the media half has no way for it, and the peer takes none by INFO, or the
    /// settings forbid it.
    UnsentDigit(Digit),
    /// A message came: within a call under its key, else under a key of its own.
    MessageReceived {
        /// Who sent it: name and URI of From, as the peer wrote them.
        from: Box<str>,
        /// Whom it is for: the URI of To, as the peer wrote it.
        to: Box<str>,
        /// The type of the body, as `type/subtype`.
        content_type: Box<str>,
        /// The body.
        body: Bytes,
    },
    /// What became of a message of ours.
    MessageAnswered {
        /// The final status; 404 if there is no way to the user, 408 if nobody answered, 503 if it could not leave, 513 if it
        /// is too long for the way.
        status: StatusCode,
        /// The phrase or the error behind it.
        reason: Box<str>,
    },
    /// The peer said how far the transfer is that we asked for.
    TransferProgress(StatusCode),
    /// The peer speaks with the one that it was passed on to; this call ends.
    Transferred,
    /// The transfer did not come about; this call goes on.
    TransferFailed(StatusCode),
    /// The peer asks us to call somebody else: [`Command::FollowTransfer`] or [`Command::DeclineTransfer`] answers it.
    TransferRequested {
        /// Whom.
        to: Box<str>,
        /// The peer speaks with the one already, and the new call takes that call's place.
        consulted: bool,
        /// That call, if it is one with us.
        with_us: Option<CallKey>,
    },
    /// This call, which came in, shall take the place of that one. If it is answered, that one ends.
    Replaces(CallKey),
    /// A request of ours within the call was challenged, and nothing was proved: the account does not answer challenges
    /// there, or whoever asks is not the account's provider.
    ChallengeRefused {
        /// The realm that was named; may be empty.
        realm: Box<str>,
    },
    /// The peer is another than it was said to be until now, or the one whom the network asserts that it is.
    PeerIdentified(Box<Caller>),
    /// The call is over.
    Ended(Ended),
    /// What the registrar answered to [`Command::FetchBindings`].
    Bindings {
        /// The final status; 404 if there is no way to the registrar, 408 if it does not answer, 503 if the request could not
        /// leave.
        status: StatusCode,
        /// The phrase or the error behind it.
        reason: Box<str>,
        /// All contacts that it has of the account, as it wrote them.
        contacts: Vec<Box<str>>,
    },
    /// What a peer answered to [`Command::Options`].
    Capabilities {
        /// The status.
        status: StatusCode,
        /// The phrase that came with it.
        reason: Box<str>,
        /// The methods that it allows, as it wrote them.
        allow: Box<str>,
        /// What it calls itself.
        user_agent: Box<str>,
        /// How long the answer took.
        round_trip: Duration,
    },
}

/// An end of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// Ours.
    Local,
    /// The peer's.
    Remote,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Why.
    pub cause: EndCause,
    /// The final status behind it, where there is one.
    pub status: Option<StatusCode>,
    /// The phrase or the error behind it; may be empty.
    pub reason: Box<str>,
}

/// Why a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EndCause {
    /// We hung up.
    LocalHangUp,
    /// The peer hung up.
    RemoteHangUp,
    /// It was taken back before it was answered, by us or by the peer.
    Cancelled,
    /// The called end is busy.
    Busy,
    /// The called user, or a server for it, does not want the call.
    Declined,
    /// There is nobody of that name or number.
    BadAddress,
    /// A server or a line on the way has no room.
    Congestion,
    /// Somebody else took the call: another phone, a pickup.
    CompletedElsewhere,
    /// It shall be made to somebody else, whom we do not follow to.
    Forwarded,
    /// The two ends have nothing in common that the call needs.
    Incompatible,
    /// A server on the way takes it for unwanted.
    Blocked,
    /// The peer, or a server on the way, refused it for another reason.
    Refused,
    /// We refused it.
    Rejected,
    /// Nobody answered in time.
    NoAnswer,
    /// Another call took its place.
    Replaced,
    /// The host has no address.
    Unresolvable,
    /// The peer could not be reached, or went away.
    Unreachable,
    /// The two ends have no medium in common, or media could not be set up.
    Media,
}

/// Settings of a user agent.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// What Via, Contact and From say instead of the local address of the way that a message takes, at most one for
    /// each address family: the outside of a NAT.
    pub advertise: Vec<IpAddr>,
    /// The host name that Via, Contact and From say instead of any address, for peers that know us by the name in our
    /// certificate. They have to find us by it; the media are at addresses all the same.
    pub advertise_host: Option<Host>,
    /// The user part of our Contact and From.
    pub user: Box<str>,
    /// What we call ourselves (RFC 3261 section 20.41).
    pub user_agent: Box<str>,
    /// Timers of transactions.
    pub timers: crate::transaction::Timers,
    /// Which requests besides calls are taken.
    pub requests: RequestPolicy,
    /// How many calls there may be; more are answered 503.
    pub max_calls: usize,
    /// How calls are made, answered and changed.
    pub policy: CallPolicy,
    /// The domain that we serve, if we serve one.
    pub domain: Option<Domain>,
    /// Which ways messages take.
    pub flows: FlowPolicy,
    /// Whether messages are shown as they come and go ([`Output::Message`]): what nobody traces costs nothing.
    pub shows_messages: bool,
    /// Which line of the process this is: the keys of incoming calls carry it, so that no two lines give the same one.
    pub line: u32,
}

counters! {
    /// What a user agent took, refused and dropped.
    AgentStats {
        /// Messages that could be read.
        received,
        /// Datagrams that were no message and could not be answered, and responses with a fault.
        unreadable,
        /// Keep-alives (RFC 5626 section 4.4.1) and empty datagrams.
        keep_alives,
        /// Requests that were refused for what they are or for what they belong to: bad, unknown, too big, out of turn, of
        /// no call.
        refused,
        /// Proofs of users of the domain that we serve that are wrong.
        wrong_proofs,
        /// Calls that were refused because there are as many as there may be, because few places are left and their source
        /// holds many of them, or because the agent closes or takes no calls.
        turned_away,
        /// Requests that were refused unread with 503, because more came than can be served.
        turned_away_unread,
        /// Datagrams of strangers that were dropped unread for the same reason, and are no requests that could be refused.
        dropped_unread,
        /// ACKs to those refusals.
        excess_acks,
        /// Responses that belong to nothing.
        stray_responses,
        /// Responses to an INVITE of ours that lead to no dialog: without a tag, with a field that cannot be read, or for a
        /// call that is past them.
        idle_responses,
        /// Reliable provisional responses that came before or out of turn.
        repeated_provisionals,
        /// Responses from more branches of one call than are followed.
        excess_branches,
        /// Descriptions in provisional responses that were passed over because they cannot be read; the 2xx says it again.
        unread_answers,
        /// ACKs that belong to nothing.
        stray_acks,
        /// ACKs that had come before, or whose 2xx nobody waits about any more.
        repeated_acks,
        /// Changes of a call that the media half wanted and the peer refused.
        refused_changes,
        /// Requests of ours that went to another server because one did not answer, was out of reach or had no room.
        failovers,
        /// Requests of ours that were not sent: there is no way, there are too many transactions, or they cannot be written.
        unsent,
        /// NOTIFYs whose body is of another type than its package, or cannot be read.
        unread_notices,
        /// Peers that wanted to watch our calls and may not, or for whom there was no room.
        refused_watchers,
        /// Peers that watched our calls and are gone.
        lost_watchers,
        /// Goodbyes to registrars and other servers that were not answered before we closed.
        unheard_farewells,
        /// Challenges that were answered.
        answered_challenges,
        /// Challenges of who is not the account's provider, or where the account does not answer any.
        refused_challenges,
        /// Digits that the media half wanted to travel by signalling, and that did not.
        unsent_digits,
        /// Requests that went by TCP for their length alone.
        detours,
        /// Those among them that went by UDP after all.
        ways_back,
        /// Datagrams dropped unread because their source sends more than one may.
        excess_datagrams_of_source,
        /// Datagrams dropped unread because more come from strangers than may.
        excess_datagrams,
        /// Keep-alives that were sent: to connections, and to registrars on ways of datagrams.
        pings,
        /// STUN binding requests that were answered (RFC 5626 section 8).
        stun_answers,
        /// Datagrams of STUN that are damaged, or answer nothing.
        stray_stun,
        /// Times that the machine had another address.
        network_changes,
        /// Ways by which registrars reached us and that were lost, so that others were made.
        lost_ways,
        /// Connections of peers that are used for requests to them too, as they asked (RFC 5923).
        aliases,
        /// Connections that were closed because nobody used them.
        idle_flows,
        /// Connections that were closed because nobody answered there any more.
        dead_flows,
        /// What came on a connection and could not be cut into messages.
        garbled,
        /// Messages of the media half that nothing waits for, or for a call that is not known.
        stray_media,
    }
}

/// How much a user agent keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// Calls.
    pub calls: usize,
    /// Dialogs.
    pub dialogs: usize,
    /// Transactions.
    pub transactions: usize,
    /// Names of requests and calls that are over, to know copies of them; swept when something happens.
    pub memories: usize,
    /// States that we subscribed to.
    pub subscriptions: usize,
    /// Peers that are told of our calls.
    pub watchers: usize,
    /// Wishes of peers to be passed on, and calls that stand for others.
    pub referrals: usize,
}
