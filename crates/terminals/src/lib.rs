//! Terminals: file player and recorder, application, echo, null
