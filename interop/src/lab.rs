//! What one case works with: a folder for its logs, ports of its own, our two voices.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::ports::Ports;
use crate::sound;

/// The bench of one case.
pub(crate) struct Lab<'a> {
    folder: PathBuf,
    ports: &'a RefCell<Ports>,
}

impl<'a> Lab<'a> {
    /// Lays out an empty folder for the case `name`.
    pub(crate) fn open(name: &str, ports: &'a RefCell<Ports>) -> Result<Self, Error> {
        let folder = output_folder().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
        Ok(Self { folder, ports })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The first of ten free ports, even.
    pub(crate) fn ports(&self) -> Result<u16, Error> {
        self.ports.borrow_mut().block()
    }

    /// The first of at least `count` free ports in a row, even.
    pub(crate) fn many_ports(&self, count: u16) -> Result<u16, Error> {
        self.ports.borrow_mut().row(count)
    }

    /// The voice of `alice` or `bob` at 8 kHz, so that nobody resamples on the way.
    pub(crate) fn voice(&self, name: &str) -> Result<PathBuf, Error> {
        let from = root()
            .join("crates/cli/assets")
            .join(name)
            .with_extension("wav");
        let to = self.path(name).with_extension("wav");
        sound::resample(&from, &to, 8_000)?;
        Ok(to)
    }
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where all that a run leaves behind lies: `target/interop`.
pub(crate) fn output_folder() -> PathBuf {
    program_folder()
        .parent()
        .map_or_else(|| root().join("target"), Path::to_path_buf)
        .join("interop")
}

/// Where cargo laid the programs of this build.
pub(crate) fn program_folder() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| program.parent().map(Path::to_path_buf))
        .unwrap_or_else(|| root().join("target/debug"))
}
