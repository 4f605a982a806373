//! What a user agent does where peers and tastes differ.

/// How calls are made, answered and changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CallPolicy {
    /// How we change a call that is up.
    pub change: ChangeBy,
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
