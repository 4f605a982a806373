//! The threads of an engine on this machine: one for control, one for each shard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle, Thread};

use msp_core::{Error, ErrorKind, Result};

use super::{Engine, Running, Shared};
use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::driver::Driver;
use crate::driver::control_runner::{ControlRunner, Pump};
use crate::driver::epoll::Epoll;
use crate::driver::shard_link::{Wake, link};
use crate::driver::shard_runner::ShardRunner;
use crate::random::Random;
use crate::shard::{Load, Shard, ShardSettings};
use crate::sys;

/// Reports of a shard that wait for the control thread at most.
const REPORTS: usize = 2048;

struct Threads {
    runner: Arc<ControlRunner<Epoll>>,
    control_over: Arc<AtomicBool>,
    control: Mutex<Option<JoinHandle<()>>>,
    shards: Mutex<Vec<JoinHandle<()>>>,
}

/// Starts an engine on epoll.
pub(super) fn start(
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    random: Box<dyn Random>,
) -> Result<Engine> {
    let loads: Vec<Arc<Load>> = (0..config.shards).map(|_| Arc::default()).collect();
    let settings = ShardSettings::of(&config);
    let prefer = config.priority;
    let (shared, inputs) = Shared::new(config, Arc::clone(&clock), random, loads.clone());

    let control_thread: Arc<OnceLock<Thread>> = Arc::default();
    let sleeper = Arc::clone(&control_thread);
    let wake_control: Wake = Arc::new(move || {
        if let Some(thread) = sleeper.get() {
            thread.unpark();
        }
    });

    let mut ends = Vec::new();
    let mut shards = Vec::new();
    for (number, load) in loads.iter().enumerate() {
        let io = Epoll.shard_io().map_err(|e| no_thread(&e))?;
        let bell = io.bell();
        let ring = Arc::new(move || bell.ring());
        let (end, told) = link(REPORTS, ring, Arc::clone(&wake_control));
        ends.push(end);
        let shard = Shard::new(settings.clone());
        let mut runner = ShardRunner::new(shard, io, told, Arc::clone(load));
        let clock = Arc::clone(&clock);
        let thread = Builder::new()
            .name(format!("media-{number}"))
            .spawn(move || {
                if prefer {
                    // What is not allowed is done without.
                    let _allowed = sys::prefer_this_thread();
                }
                runner.run_thread(&*clock);
            })
            .map_err(|e| no_thread(&e))?;
        shards.push(thread);
    }

    let runner = Arc::new(ControlRunner::new(
        Arc::clone(&shared),
        Epoll,
        inputs,
        ends,
        wake_control,
    ));
    let pump: Arc<dyn Pump> = runner.clone();
    shared.set_pump(&pump);
    let control_over = Arc::new(AtomicBool::new(false));
    let (over, own) = (Arc::clone(&control_over), Arc::clone(&runner));
    let control = Builder::new()
        .name("media-control".to_owned())
        .spawn(move || {
            // Set before the first run: whoever wakes later finds the thread, whoever came earlier is served now.
            let _first = control_thread.set(std::thread::current());
            while !over.load(Ordering::Acquire) {
                match own.run() {
                    Some(at) => std::thread::park_timeout(at.saturating_since(clock.now())),
                    None => std::thread::park(),
                }
            }
        })
        .map_err(|e| no_thread(&e))?;

    let threads = Threads {
        runner,
        control_over,
        control: Mutex::new(Some(control)),
        shards: Mutex::new(shards),
    };
    Ok(Engine::from_parts(shared, loads, Box::new(threads)))
}

impl Running for Threads {
    fn stop(&self) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        self.runner.stop_shards();
        for shard in shards.drain(..) {
            // Panics of streams are caught where they occur; there is nobody to tell of another.
            let _ended_anyhow = shard.join();
        }
        // Takes what the shards gave back.
        self.runner.run();
        self.control_over.store(true, Ordering::Release);
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = control.take() {
            control.thread().unpark();
            let _ended_anyhow = control.join();
        }
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::ResourceUnavailable,
        format!("media thread: {error}"),
    )
}
