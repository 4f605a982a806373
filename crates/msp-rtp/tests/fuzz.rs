//! The fuzz target of secured packets as an ordinary test: with collected packets, and with some that are made.

#[path = "../../../fuzz/src/media.rs"]
#[allow(unreachable_pub, reason = "a part of a library where it is at home")]
mod targets;

use std::path::{Path, PathBuf};

use targets::TARGETS;

fn files(path: &Path, out: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.extend(std::fs::read(path).ok().filter(|b| b.len() < 2000));
        }
    }
}

// Shows: packets that were changed, or that nobody sealed, never pass | hostile input
#[test]
fn changed_and_foreign_packets_never_pass() {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let mut seeds = Vec::new();
    files(&corpora.join("04-fuzz-seeds"), &mut seeds);
    println!("{} collected files", seeds.len());
    // Lengths around those of headers and tags, and one of a packet.
    seeds.extend((0..80).chain([172]).map(|n| vec![0x80; n]));
    for seed in &seeds {
        for suite in [0, 1, 2, 3, 4, 5, 0x40, 0x45, 0x81, 0xc4] {
            for change in (0..=255).step_by(5) {
                let bytes = [&[suite, change], &seed[..]].concat();
                for (_, target) in TARGETS {
                    target(&bytes);
                }
            }
        }
    }
}
