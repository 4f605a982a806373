//! Runs the program as a user does, and reads what it says.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod base64;
pub(crate) mod peer;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use serde_json::Value;

/// Calls in real time disturb one another where there are few processors: this many at a time.
const AT_ONCE: u32 = 2;

static RUNNING: Mutex<u32> = Mutex::new(0);
static FREE: Condvar = Condvar::new();

/// Leave to run a call in real time.
pub(crate) struct Turn(());

impl Turn {
    /// Waits until there is room.
    pub(crate) fn take() -> Self {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        while *running >= AT_ONCE {
            running = FREE.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        *running += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREE.notify_one();
    }
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The name of a file in here.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// A file in here with these bytes.
    pub(crate) fn with(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.file(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// Half a minute of speech that the program carries in itself.
pub(crate) const SPEECH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/alice.wav");

pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tipring"));
    command
        .args(args)
        .env_remove("TIPRING_FAULTS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What the program left when it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::end(command.spawn().unwrap())
    }

    /// Waits for `child`, and reads what nobody has read yet.
    fn end(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let run = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!run.err.contains("panicked"), "{run:?}");
        run
    }

    /// The JSON objects that were printed; every line is one.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The first event of that name.
    pub(crate) fn event(&self, name: &str) -> Value {
        let events = self.events();
        let found = events.into_iter().find(|e| e["event"] == name);
        found.unwrap_or_else(|| panic!("no event {name}: {self:?}"))
    }
}

/// A `tipring answer` or `tipring echo` that runs beside the test, on a port of its own.
pub(crate) struct Beside {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    read: String,
    pub(crate) address: SocketAddr,
}

impl Beside {
    /// Starts it; `args` must ask for JSON.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(&mut program(args), "listening")
    }

    /// Starts `command`, which says with the event `ready` where it is.
    pub(crate) fn of(command: &mut Command, ready: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut beside = Self {
            child: Some(child),
            out,
            read: String::new(),
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let listening = beside.wait_for(ready);
        beside.address = listening["local"].as_str().unwrap().parse().unwrap();
        beside
    }

    /// A `tipring answer` that takes `calls` calls at once, with JSON and `more`.
    pub(crate) fn answer(calls: &str, more: &[&str]) -> Self {
        let args = ["answer", "--bind", "127.0.0.1:0", "--auto-answer", "--json"];
        Self::start(&[&args[..], &["--max-calls", calls], more].concat())
    }

    /// A `tipring echo` for one call, with JSON.
    pub(crate) fn echo() -> Self {
        let args = ["echo", "--bind", "127.0.0.1:0", "--max-calls", "1"];
        Self::start(&[&args[..], &["--json"]].concat())
    }

    pub(crate) fn uri(&self) -> String {
        format!("sip:bob@{}", self.address)
    }

    /// Reads on until an event of that name comes.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(
                self.out.read_line(&mut line).unwrap() > 0,
                "no {name}: {}",
                self.read
            );
            self.read += &line;
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Asks it to end, as a system that shuts down does.
    #[cfg(unix)]
    pub(crate) fn stop(&self) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        assert!(asked.unwrap().success());
    }

    /// Waits until it ends by itself.
    pub(crate) fn end(mut self) -> Run {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let mut run = Run::end(self.child.take().unwrap());
        run.out = std::mem::take(&mut self.read) + &rest;
        run
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}
