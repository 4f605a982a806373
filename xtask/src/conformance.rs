//! `cargo xtask conformance`: writes what the tests show into the document of claims.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::{package_name, root};
use crate::claims;
use crate::steps::Failure;

const DOCUMENT: &str = "docs/conformance.md";

pub(crate) fn run() -> Result<(), Failure> {
    let table =
        claims::table(&packages()?, &texts()?).map_err(|faults| Failure::new(faults.join("\n")))?;
    let path = root().join(DOCUMENT);
    let unread = |error| Failure::new(format!("{DOCUMENT}: {error}"));
    let document = fs::read_to_string(&path).map_err(unread)?;
    if claims::between(&document) == Some(&*table) {
        println!("{DOCUMENT} says so already");
        return Ok(());
    }
    let replaced = claims::replace(&document, &table)
        .ok_or_else(|| Failure::new(format!("{DOCUMENT}: no place for what the tests show")))?;
    fs::write(&path, replaced).map_err(unread)?;
    println!("written: {DOCUMENT}");
    Ok(())
}

/// Folder and name of each member, in the order of the workspace.
fn packages() -> Result<Vec<(String, String)>, Failure> {
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
    };
    let workspace = read(&root().join("Cargo.toml"))?;
    let members = workspace
        .lines()
        .skip_while(|line| !line.starts_with("members"))
        .skip(1)
        .map_while(|line| line.trim().strip_prefix('"')?.split_once('"'));
    let mut packages = Vec::new();
    for (folder, _) in members {
        let manifest = read(&root().join(folder).join("Cargo.toml"))?;
        let name = package_name(&manifest)
            .ok_or_else(|| Failure::new(format!("{folder}/Cargo.toml names no package")))?;
        packages.push((folder.to_owned(), name.to_owned()));
    }
    Ok(packages)
}

/// Every Rust file of the crates, sorted, its path from the root.
fn texts() -> Result<Vec<(PathBuf, String)>, Failure> {
    let unread = |path: &Path, error| Failure::new(format!("{}: {error}", path.display()));
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| unread(&folder, error))? {
            let path = entry.map_err(|error| unread(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).map_err(|error| unread(&path, error))?;
                let path = path.strip_prefix(root()).unwrap_or(&path).to_path_buf();
                found.push((path, text));
            }
        }
    }
    found.sort();
    Ok(found)
}
