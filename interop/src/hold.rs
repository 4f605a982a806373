//! A process held to a share of one core by the system's control groups, of the first or the second kind.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where the system keeps its groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// In microseconds: this much of each period.
const QUOTA: u32 = 1_000;
const PERIOD: u32 = 20_000;

/// A group whose processes get a twentieth of a core; gone when dropped, so drop its processes first.
pub(crate) struct Hold {
    folder: PathBuf,
}

impl Hold {
    /// # Errors
    /// The system lets nobody make groups here.
    pub(crate) fn twentieth() -> Result<Self, Error> {
        let name = format!("tipring-{}", std::process::id());
        let second = Path::new(GROUPS).join("cgroup.controllers").exists();
        let folder = match second {
            true => Path::new(GROUPS).join(name),
            false => Path::new(GROUPS).join("cpu").join(name),
        };
        fs::create_dir(&folder).map_err(|error| Error::io(folder.display(), &error))?;
        let hold = Self { folder };
        if second {
            hold.set("cpu.max", &format!("{QUOTA} {PERIOD}"))?;
        } else {
            hold.set("cpu.cfs_period_us", &PERIOD.to_string())?;
            hold.set("cpu.cfs_quota_us", &QUOTA.to_string())?;
        }
        Ok(hold)
    }

    /// Holds a process and all its threads.
    pub(crate) fn take(&self, process: u32) -> Result<(), Error> {
        self.set("cgroup.procs", &process.to_string())
    }

    fn set(&self, name: &str, value: &str) -> Result<(), Error> {
        let file = self.folder.join(name);
        fs::write(&file, value).map_err(|error| Error::io(file.display(), &error))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Whatever is left in it stays held; there is nobody to tell.
        let _ = fs::remove_dir(&self.folder);
    }
}
