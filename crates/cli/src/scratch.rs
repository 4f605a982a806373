//! A folder that goes with what it was made for.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::exit::{Fail, Failure};

/// Names that are tried: those of programs that were killed may be left.
const TRIES: u32 = 100;

/// The folder. Others may neither look into it nor have put it there.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Result<Self, Fail> {
        let parent = std::env::temp_dir();
        let mut how = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut how, 0o700);
        let mut number = 0;
        loop {
            let path = parent.join(format!("tipring-{}-{number}", std::process::id()));
            match how.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists && number < TRIES => number += 1,
                Err(e) => return Err(fail(&path, &e)),
            }
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Fail> {
        let path = self.0.join(name);
        fs::write(&path, bytes).map_err(|e| fail(&path, &e))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where the system cleans up.
        let _left = fs::remove_dir_all(&self.0);
    }
}

fn fail(path: &Path, error: &std::io::Error) -> Fail {
    Fail::new(Failure::Media, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_apart_and_go_with_their_owners() {
        let (a, b) = (Scratch::new().unwrap(), Scratch::new().unwrap());
        assert_ne!(a.folder(), b.folder());
        let file = a.write("x", b"y").unwrap();
        assert!(file.starts_with(a.folder()) && file.is_file());
        let gone = a.folder().to_owned();
        drop(a);
        assert!(!gone.exists() && b.folder().is_dir());
    }
}
