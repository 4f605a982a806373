//! What the program does, one verb a module.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod doctor;
pub(crate) mod echo;
pub(crate) mod loop_back;
pub(crate) mod message;
pub(crate) mod options;
pub(crate) mod profile;
pub(crate) mod register;
pub(crate) mod serve;
pub(crate) mod watch;
