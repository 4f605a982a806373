//! One RTP session without sockets.
#![forbid(unsafe_code)]

pub mod digits;
pub mod header;
pub mod latch;
pub mod packet;
pub mod receiver;
pub mod sender;
pub mod source;
pub mod view;
