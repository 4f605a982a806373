//! The thread that reads a long file ahead of the stream.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::time::ClockRate;
use rtrb::{Consumer, Producer, RingBuffer};

use super::list::Chain;
use super::state::{Epoch, Seat};
use super::{PlayItem, PlayOptions};

/// How far ahead of the stream the file is read.
const AHEAD: Duration = Duration::from_secs(4);

/// How much of that is there when the file is connected.
const PREFILLED: Duration = Duration::from_secs(1);

/// How long the reader rests when it is far enough ahead.
const REST: Duration = Duration::from_millis(200);

/// What reader and media side tell each other beside the samples. Places count the samples that ever went into the ring.
pub(super) struct Link {
    /// The epoch that samples belong to which were put in at or after `switch_at`.
    pub(super) epoch: AtomicU32,
    pub(super) switch_at: AtomicU64,
    /// Where the file ends.
    pub(super) end_at: AtomicU64,
    /// How long one round of a file that repeats is; 0 while that is not known, or it does not repeat.
    pub(super) round: AtomicU64,
    /// Why it ended there.
    pub(super) fault: Mutex<Option<Error>>,
    /// The media side is gone.
    pub(super) quit: AtomicBool,
}

/// Opens the file, reads some of it, and leaves the rest to a thread.
pub(super) fn start(
    seat: &Seat,
    items: &Arc<[PlayItem]>,
    rate: ClockRate,
    options: &PlayOptions,
) -> Result<(Consumer<i16>, Arc<Link>)> {
    let feed = Chain::open(items, rate, options.start)?;
    let (ring, consumer) = RingBuffer::new(rate.ticks(AHEAD) as usize);
    let link = Arc::new(Link {
        epoch: AtomicU32::new(seat.epoch),
        switch_at: AtomicU64::new(0),
        end_at: AtomicU64::new(u64::MAX),
        round: AtomicU64::new(0),
        fault: Mutex::default(),
        quit: AtomicBool::new(false),
    });
    let mut reader = Reader {
        link: link.clone(),
        wanted: seat.epoch_cell(),
        items: items.clone(),
        rate,
        options: options.clone(),
        feed: Some(feed),
        epoch: seat.epoch,
        ring,
        put: 0,
        round: 0,
        leave_out: seat.place,
        ready: Vec::new(),
        given: 0,
    };
    while reader.put < rate.ticks(PREFILLED) && reader.step() {}
    let thread = thread::Builder::new()
        .name("file.play".to_owned())
        .spawn(move || reader.run())
        .map_err(|e: io::Error| Error::new(ErrorKind::ResourceUnavailable, e.to_string()))?;
    seat.set_reader(thread.thread().clone());
    Ok((consumer, link))
}

struct Reader {
    link: Arc<Link>,
    wanted: Epoch,
    items: Arc<[PlayItem]>,
    rate: ClockRate,
    options: PlayOptions,
    /// None once it ended.
    feed: Option<Chain>,
    epoch: u32,
    ring: Producer<i16>,
    /// Samples put in the ring.
    put: u64,
    /// Samples of this round so far.
    round: u64,
    /// Samples to leave out yet, because they were played before.
    leave_out: u64,
    /// What was read, and how much of it was given on.
    ready: Vec<i16>,
    given: usize,
}

impl Reader {
    fn run(mut self) {
        while !self.link.quit.load(Ordering::Acquire) && !self.ring.is_abandoned() {
            if !self.step() {
                thread::park_timeout(REST);
            }
        }
    }

    /// Does the next piece of work; false if there is none now.
    fn step(&mut self) -> bool {
        let wanted = self.wanted.get();
        if wanted != self.epoch {
            self.rewind(wanted);
        }
        if self.given < self.ready.len() {
            let put = self
                .ring
                .push_partial_slice(&self.ready[self.given..])
                .0
                .len();
            self.given += put;
            self.put += put as u64;
            return put > 0;
        }
        let Some(feed) = &mut self.feed else {
            return false;
        };
        self.ready.clear();
        self.given = 0;
        let more = feed.next(&mut self.ready);
        self.round += self.ready.len() as u64;
        let skip = usize::try_from(self.leave_out).unwrap_or(usize::MAX);
        let skip = skip.min(self.ready.len());
        self.given = skip;
        self.leave_out -= skip as u64;
        match more {
            Ok(true) => {}
            Ok(false) if self.options.repeat && self.round > 0 => {
                self.link.round.store(self.round, Ordering::Release);
                self.reopen();
            }
            Ok(false) => self.end(None),
            // What came with the error is put into the ring by the next steps, before the end is told.
            Err(fault) => self.end(Some(fault)),
        }
        true
    }

    fn rewind(&mut self, wanted: u32) {
        self.ready.clear();
        self.given = 0;
        self.leave_out = self.wanted.start(self.rate);
        self.link.end_at.store(u64::MAX, Ordering::Release);
        self.link.switch_at.store(self.put, Ordering::Release);
        self.reopen();
        self.epoch = wanted;
        self.link.epoch.store(wanted, Ordering::Release);
    }

    fn reopen(&mut self) {
        self.round = 0;
        match Chain::open(&self.items, self.rate, self.options.start) {
            Ok(feed) => self.feed = Some(feed),
            Err(fault) => self.end(Some(fault)),
        }
    }

    fn end(&mut self, fault: Option<Error>) {
        self.feed = None;
        *self
            .link
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
        let rest = (self.ready.len() - self.given) as u64;
        self.link.end_at.store(self.put + rest, Ordering::Release);
    }
}
