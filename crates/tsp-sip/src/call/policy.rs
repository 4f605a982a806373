//! What a user agent does where peers and tastes differ.

/// How calls are made, answered and changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CallPolicy {
    /// How we change a call that is up.
    pub change: ChangeBy,
    /// Whether provisional responses are acknowledged.
    pub reliable: Reliable,
    /// How we hold a call.
    pub hold: HoldForm,
    /// What a peer hears that we hold, if the form of the hold lets it hear anything.
    pub hold_sound: HoldSound,
    /// A peer that answers our offer with several codecs is asked for the first of them alone, by a further offer.
    pub lock_codec: bool,
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
