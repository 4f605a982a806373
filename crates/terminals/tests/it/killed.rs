use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use msp_core::media::Direction;
use msp_core::terminal::{Connection, FrameTime, Terminal};
use msp_core::time::Instant;
use msp_terminals::{FileRecord, RecordOptions};

use crate::testing::{Scratch, noise, port};

const PATH: &str = "MSP_TERMINALS_RECORD_TO";

/// The process that is killed: this test alone, with a path to record to.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how far a file is behind is a matter of real time"
)]
fn child_records() {
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let file = FileRecord::create(path, RecordOptions::default()).unwrap();
    let connect = |direction| match file.connect(port(direction, 8_000).0) {
        Ok(Connection::Sink(sink)) => sink,
        other => panic!("{other:?}"),
    };
    let (mut sent, mut heard) = (connect(Direction::Capture), connect(Direction::Render));
    let sound = noise(80 * 3_000);
    let start = std::time::Instant::now();
    for (n, frame) in sound.chunks(80).enumerate() {
        let due = Duration::from_millis(10 * n as u64);
        while let Some(left) = due.checked_sub(start.elapsed()) {
            thread::park_timeout(left + Duration::from_micros(1));
        }
        let time = FrameTime {
            at: Instant::from_millis(10 * n as u64),
            position: 80 * n as u64,
        };
        sent.push(time, frame);
        heard.push(time, frame);
        println!("frame {n}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_leaves_a_right_file_at_most_one_second_behind() {
    let scratch = Scratch::new();
    thread::scope(|scope| {
        for last in [3, 47, 151, 239] {
            let path = scratch.path(&format!("{last}.wav"));
            scope.spawn(move || {
                let mut child = Command::new(env::current_exe().unwrap())
                    .args(["--exact", "killed::child_records", "--nocapture"])
                    .env(PATH, &path)
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut pushed = 0;
                for line in BufReader::new(child.stdout.take().unwrap()).lines() {
                    if let Some(n) = line.unwrap().strip_prefix("frame ") {
                        pushed = n.parse().unwrap();
                    }
                    if pushed == last {
                        break;
                    }
                }
                child.kill().unwrap();
                assert!(!child.wait().unwrap().success());
                assert_eq!(pushed, last);

                let bytes = std::fs::read(&path).unwrap();
                let claimed = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
                assert!(bytes.len() >= 44 + claimed, "{last}: claims {claimed}");
                let mut reader = hound::WavReader::open(&path).unwrap();
                assert_eq!(
                    (reader.spec().channels, reader.spec().sample_rate),
                    (2, 8_000)
                );
                let both: Vec<i16> = reader.samples().map(Result::unwrap).collect();
                let sound = noise(80 * 3_000);
                for (n, pair) in both.chunks(2).enumerate() {
                    assert_eq!(pair, [sound[n]; 2], "{last}: sample {n}");
                }
                let behind = (80 * (last + 1)) as i64 - (both.len() / 2) as i64;
                assert!(behind <= 8_000, "{last}: {behind} samples behind");
            });
        }
    });
}
