//! Options of a terminal as they are written in a [`TerminalSpec`].

use std::str::FromStr;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::registry::TerminalSpec;
use msp_core::time::ClockRate;

/// The value of option `name`, `None` without it.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] that names the option, if its value cannot be read.
pub(crate) fn optional<T: FromStr>(spec: &TerminalSpec, name: &str) -> Result<Option<T>> {
    let Some(text) = spec.options.get(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(invalid(name, text)),
    }
}

/// The value of option `name`.
///
/// # Errors
/// As [`optional`], and if there is none.
pub(crate) fn required<T: FromStr>(spec: &TerminalSpec, name: &str) -> Result<T> {
    optional(spec, name)?.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("terminal option '{name}' is missing"),
        )
    })
}

/// The error about option `name` with the value `text`.
pub(crate) fn invalid(name: &str, text: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("terminal option '{name}' cannot be '{text}'"),
    )
}

/// The value of option `rate`, in Hz.
///
/// # Errors
/// As [`optional`].
pub(crate) fn rate(spec: &TerminalSpec) -> Result<Option<ClockRate>> {
    let Some(hz) = optional(spec, "rate")? else {
        return Ok(None);
    };
    match ClockRate::new(hz) {
        None => Err(invalid("rate", "0")),
        rate => Ok(rate),
    }
}
