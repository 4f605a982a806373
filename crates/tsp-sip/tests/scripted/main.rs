//! A user agent and scripted peers whose messages are literal bytes.

mod accounts;
mod bodies;
mod called;
mod calling;
mod causes;
mod challenged;
mod changed;
mod changing;
mod failover;
mod flooded;
mod forked;
mod hold;
mod kept;
mod late_offer;
mod long;
mod media_half;
mod message;
mod moved;
mod outbound;
mod peer;
mod published;
mod races;
mod redirect;
mod refused;
mod registered;
mod reliable;
mod schemes;
mod secured;
mod streams;
mod subscribed;
#[path = "../support/mod.rs"]
mod support;
mod timer;
mod transfer;
mod update;
mod watched;
