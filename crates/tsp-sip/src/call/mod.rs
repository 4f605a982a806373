//! Calls: the user agent (RFC 3261 sections 8, 9, 13, 14 and 15), which drives any media half over the control link.
//!
//! [`UserAgent`] is a core: it does no I/O, reads no clock and draws no random numbers. Everything that it needs comes
//! as [`Input`], everything that it wants done waits as [`Output`].
//!
//! What it knows of media stands in one place, `media`: the offers and answers of `tsp-sdp`, and the messages of the
//! control link. A call is answered with 200 only after the media half said `Applied`.

mod accounts;
mod agent;
mod called;
mod caller;
mod calling;
mod capabilities;
mod causes;
mod challenge;
mod change;
mod content;
mod deadlines;
mod detour;
mod diverted;
mod errand;
mod excess;
mod failover;
mod farewell;
mod fetching;
mod flood;
mod focus;
mod hold;
mod identified;
mod identity;
mod info;
mod interface;
mod keeping;
mod late;
mod media;
mod message;
mod moving;
mod notifying;
mod numbers;
mod outline;
mod policy;
mod postponed;
mod publishing;
mod redirect;
mod referral;
mod refusal;
mod registering;
mod relaying;
mod reliable;
mod requests;
mod schemes;
mod security;
mod served;
mod services;
mod serving;
mod state;
mod states;
mod subscribing;
mod success;
mod timed;
mod timer;
mod transfer;
mod update;
mod within;

pub use agent::UserAgent;
pub use caller::Caller;
pub use flood::Weight;
pub use identity::{DiversionField, IdentityField, IdentityPolicy, Trust};
pub use interface::{
    AgentConfig, AgentStats, CallEvent, CallEventKind, Command, EndCause, Ended, Input, Kept,
    LookupId, Output, Recipient, Route, Side, Target,
};
pub use notifying::{WatchPolicy, Watchers};
pub use numbers::NumberForm;
pub use outline::Outline;
pub use policy::{
    AutoAnswer, CallPolicy, ChangeBy, EarlyMedia, HoldForm, HoldSound, Redirect, RefreshedBy,
    Reliable, SessionTimers,
};
pub use requests::RequestPolicy;
pub use security::{MediaSecurity, OptionalForm};
pub use served::Domain;
