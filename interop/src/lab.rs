//! What one case works with: a folder for its logs, ports of its own, our two voices.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::sound::{self, Codec};

/// The bench of one case.
pub(crate) struct Lab {
    folder: PathBuf,
}

impl Lab {
    /// Lays out an empty folder for the case `name`.
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        let folder = output_folder().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
        Ok(Self { folder })
    }

    /// A bench within this one, for a second phone of ours.
    pub(crate) fn beside(&self, name: &str) -> Result<Self, Error> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The voice of `alice` or `bob` at 8 kHz as `codec` leaves it: nobody resamples it or changes it on the way.
    pub(crate) fn voice(&self, name: &str, codec: Codec) -> Result<PathBuf, Error> {
        let from = root()
            .join("crates/cli/assets")
            .join(name)
            .with_extension("wav");
        let narrow = self.path(&format!("{name}-8000.wav"));
        let to = self.path(name).with_extension("wav");
        sound::resample(&from, &narrow, 8_000)?;
        sound::through(&narrow, &to, codec)?;
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
    let program = std::env::current_exe().unwrap_or_default();
    // A test program lies one deeper, in `deps`.
    let folder = program
        .parent()
        .filter(|folder| !folder.ends_with("deps"))
        .or_else(|| program.parent()?.parent());
    folder.map_or_else(|| root().join("target/debug"), Path::to_path_buf)
}
