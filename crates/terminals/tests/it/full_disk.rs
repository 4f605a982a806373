use std::path::Path;
use std::process::Command;
use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::event::FileState;
use msp_core::media::Direction;
use msp_core::terminal::{Connection, FrameTime, Terminal};
use msp_core::time::Instant;
use msp_terminals::{FileRecord, RecordOptions};

use crate::testing::{Scratch, noise, port};

/// A small disk, there until this is dropped.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(path);
        let done = mount.output().is_ok_and(|o| o.status.success());
        done.then_some(Self(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_ends_the_recording_and_nothing_else() {
    let scratch = Scratch::new();
    let folder = scratch.path("disk");
    let Some(_disk) = Disk::mount(&folder, "size=64k") else {
        eprintln!("SKIPPED: a small disk cannot be mounted here");
        return;
    };
    let path = folder.join("a.wav");
    let file = FileRecord::create(&path, RecordOptions::default()).unwrap();
    let (port, events) = port(Direction::Capture, 8_000);
    let Connection::Sink(mut sink) = file.connect(port).unwrap() else {
        panic!("no sink");
    };
    // 64 KiB hold 2 seconds; 3 come.
    let sound = noise(80 * 300);
    for (n, frame) in sound.chunks(80).enumerate() {
        let time = FrameTime {
            at: Instant::from_millis(10 * n as u64),
            position: 80 * n as u64,
        };
        sink.push(time, frame);
    }
    let wait = Duration::from_secs(30);
    assert_eq!(events.recv_timeout(wait).unwrap().0, FileState::Active);
    let (state, error) = events.recv_timeout(wait).unwrap();
    assert_eq!(state, FileState::WriteError);
    let text = error.unwrap().to_string();
    assert!(text.contains("a.wav: No space left on device"), "{text}");
    sink.push(
        FrameTime {
            at: Instant::from_millis(3_000),
            position: 24_000,
        },
        &sound[..80],
    );
    assert!(file.recorded().refused >= 80);
    assert_eq!(file.finish().unwrap_err().kind(), ErrorKind::Device);
    assert_eq!(events.try_iter().count(), 0, "reported once");

    let mut reader = hound::WavReader::open(&path).unwrap();
    let both: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(both.len() / 2, (65_536 - 44) / 4);
    assert!(both.chunks(2).zip(&sound).all(|(p, s)| p == [*s, 0]));
    drop(reader);
}
