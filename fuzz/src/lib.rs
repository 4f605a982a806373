//! What the fuzz targets do with bytes: libFuzzer calls these functions from `fuzz_targets`, and ordinary tests call them
//! with collected messages, those of [`signalling`] in `tsp-sip` and those of [`media`] in `msp-rtp`.
#![forbid(unsafe_code)]

pub mod media;
pub mod signalling;
