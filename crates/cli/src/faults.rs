//! Faults for tests, by the environment variable `TIPRING_FAULTS`: names with commas between.

use msp_core::fault::{self, Fault};

use crate::exit::{Fail, Failure};

pub(crate) fn switch_on() -> Result<(), Fail> {
    let names = std::env::var("TIPRING_FAULTS").unwrap_or_default();
    for name in names.split(',').filter(|n| !n.is_empty()) {
        let unknown = || Fail::new(Failure::Usage, format!("TIPRING_FAULTS: no fault '{name}'"));
        fault::set(Fault::named(name).ok_or_else(unknown)?, true);
    }
    Ok(())
}
