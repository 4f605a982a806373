//! Runs a shard over its sockets: takes what it is told, works off the slices that are due, sends what comes out.

use std::sync::Arc;
use std::time::Duration;

use msp_core::stats::DropReason;
use msp_core::time::Instant;

use super::shard_link::{ControlEnd, Told};
use super::{ShardIo, SocketId};
use crate::clock::Clock;
use crate::shard::{Load, Report, Shard, ShardCommand, ShardInput, Transport, TransportId};
use crate::wheel::{AT_ONCE, SLICE};

/// What a shard's thread is told.
pub(crate) enum ToShard<S> {
    /// Take over a transport and its sockets.
    Attach {
        id: TransportId,
        transport: Box<Transport>,
        rtp: S,
        rtcp: Option<S>,
    },
    /// For the shard.
    Command(ShardCommand),
}

/// What a shard's thread tells.
#[expect(
    clippy::large_enum_variant,
    reason = "names are kept in place: a media thread allocates nothing"
)]
pub(crate) enum FromShard<S> {
    /// From the shard.
    Report(Report),
    /// Sockets of a transport that was removed, to be closed.
    Sockets(S, Option<S>),
}

/// See the module.
pub(crate) struct ShardRunner<I: ShardIo> {
    shard: Shard,
    io: I,
    control: ControlEnd<I::Socket>,
    /// What found no room on the way there.
    unsent: Option<FromShard<I::Socket>>,
    busy: Busy,
    load: Arc<Load>,
    ready: Vec<SocketId>,
    stopping: bool,
}

/// The longest that a shard waits when it could not hand over what it has to tell.
const RETRY: Duration = Duration::from_millis(1);

impl<I: ShardIo> ShardRunner<I> {
    pub(crate) fn new(
        shard: Shard,
        io: I,
        control: ControlEnd<I::Socket>,
        load: Arc<Load>,
    ) -> Self {
        Self {
            shard,
            io,
            control,
            unsent: None,
            busy: Busy::default(),
            load,
            ready: Vec::with_capacity(64),
            stopping: false,
        }
    }

    /// When something has to be done next without being told.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shard.deadline()
    }

    /// Whether it was told to end, and has told all that it had to tell.
    pub(crate) fn is_over(&self) -> bool {
        self.stopping && self.unsent.is_none() && !self.shard.has_report()
    }

    /// Runs on this thread until it is told to end.
    pub(crate) fn run_thread(&mut self, clock: &dyn Clock) {
        while !self.is_over() {
            let timeout = if self.unsent.is_some() || self.shard.has_report() {
                Some(RETRY)
            } else {
                self.deadline().map(|at| at.saturating_since(clock.now()))
            };
            self.ready.clear();
            if self.io.wait(timeout, &mut self.ready).is_err() {
                // Without waiting there is no clock to follow: the streams of this shard are over.
                self.stop(clock.now());
            }
            self.run(clock);
        }
    }

    /// Asks which sockets can be read, without waiting.
    pub(crate) fn poll_ready(&mut self) {
        self.ready.clear();
        // A failure shows when the sockets are read.
        let _nothing_ready = self.io.wait(Some(Duration::ZERO), &mut self.ready);
    }

    /// Does everything that is to be done now.
    pub(crate) fn run(&mut self, clock: &dyn Clock) {
        let began = clock.now();
        self.take_commands(began);
        for n in 0..self.ready.len() {
            if let Some(socket) = self.ready.get(n).copied() {
                self.drain(began, socket);
            }
        }
        self.ready.clear();
        // Whoever cannot keep up does the rest in between all the same: his deadline has passed, so he comes back at once.
        for _ in 0..AT_ONCE {
            let now = clock.now();
            let Some(slice) = self.shard.due(now) else {
                break;
            };
            let mut n = 0;
            while let Some(socket) = self.shard.pair_of(n) {
                if let Some(socket) = socket {
                    self.drain(now, socket);
                }
                self.shard.handle(now, ShardInput::Frame(slice, n));
                n += 1;
            }
            self.send(now);
        }
        self.send(began);
        self.tell();
        if self.busy.is_due(began) {
            let (late, skipped) = self.shard.missed();
            let streams = self.shard.streams() as u32;
            self.busy.add(began, self.io.worked(), skipped);
            self.load.set(self.busy.permille, streams, late, skipped);
        }
    }

    fn take_commands(&mut self, now: Instant) {
        loop {
            match self.control.next() {
                Told::This(ToShard::Attach {
                    id,
                    transport,
                    rtp,
                    rtcp,
                }) => {
                    // Media are drained on the tick. Reports that cannot be waited for are not read: that costs numbers,
                    // no sound.
                    let _drained_anyway = self.io.attach(id.rtp(), rtp, false);
                    if let Some(rtcp) = rtcp {
                        let _unread = self.io.attach(id.rtcp(), rtcp, true);
                    }
                    let command = ShardCommand::Add(id, transport);
                    self.shard.handle(now, ShardInput::Command(command));
                }
                Told::This(ToShard::Command(command)) => {
                    self.shard.handle(now, ShardInput::Command(command));
                }
                Told::Stop => {
                    self.stop(now);
                    break;
                }
                Told::Nothing => break,
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        if !self.stopping {
            self.stopping = true;
            self.shard.handle(now, ShardInput::Stop);
        }
    }

    fn drain(&mut self, now: Instant, socket: SocketId) {
        let shard = &mut self.shard;
        let drained = self.io.drain(now, socket, &mut |datagram| {
            shard.handle(now, ShardInput::Datagram(socket, datagram));
        });
        if drained.is_err() {
            self.shard.count(socket, DropReason::SystemOverflow);
        }
    }

    fn send(&mut self, now: Instant) {
        let sends = self.shard.take_sends();
        for send in sends.iter() {
            if self.io.send(now, send.socket, send.to, send.bytes).is_err() {
                self.shard.count(send.socket, DropReason::SendFailed);
            }
        }
        self.shard.give_back(sends);
    }

    fn tell(&mut self) {
        let mut told = false;
        loop {
            let next = self.unsent.take().or_else(|| {
                let report = self.shard.poll()?;
                Some(FromShard::Report(report))
            });
            let Some(next) = next else { break };
            let sockets = match &next {
                FromShard::Report(Report::Removed(id, _)) => self
                    .io
                    .detach(id.rtp())
                    .map(|rtp| (rtp, self.io.detach(id.rtcp()))),
                _ => None,
            };
            // Sockets go first: with the report their ports are free.
            if let Some((rtp, rtcp)) = sockets {
                // Where there is no room they are closed here: late, but the ports are free before the report is told.
                let sent = self.control.report(FromShard::Sockets(rtp, rtcp));
                told |= sent.is_ok();
            }
            match self.control.report(next) {
                Ok(()) => told = true,
                Err(next) => {
                    self.unsent = Some(next);
                    break;
                }
            }
        }
        if told {
            self.control.wake();
        }
    }
}

/// How much of its time a thread works, over about the last second. Slices that were skipped count as work: they
/// would have been, had there been time.
#[derive(Debug, Default)]
struct Busy {
    since: Instant,
    worked: Duration,
    skipped: u64,
    permille: u32,
}

impl Busy {
    /// How long a piece of time is looked at.
    const PERIOD: Duration = Duration::from_millis(100);

    /// So many pieces are averaged.
    const PIECES: u32 = 8;

    fn is_due(&self, now: Instant) -> bool {
        now.saturating_since(self.since) >= Self::PERIOD
    }

    /// Looks at `now` how much was worked and skipped in all.
    fn add(&mut self, now: Instant, worked: Duration, skipped: u64) {
        let period = now.saturating_since(self.since);
        let missed =
            SLICE.saturating_mul(u32::try_from(skipped - self.skipped).unwrap_or(u32::MAX));
        let used = worked.saturating_sub(self.worked).saturating_add(missed);
        let share = used.as_nanos() * 1000 / period.as_nanos().max(1);
        let share = u32::try_from(share).unwrap_or(1000).min(1000);
        // A long piece stands for itself: what was before it is long ago.
        let pieces = if period > Self::PERIOD * Self::PIECES {
            1
        } else {
            Self::PIECES
        };
        self.permille = (self.permille * (pieces - 1) + share) / pieces;
        (self.since, self.worked, self.skipped) = (now, worked, skipped);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicU64, Ordering};

    use msp_rtp::rtcp::WallClock;
    use netsim::Network;

    use super::*;
    use crate::config::EngineConfig;
    use crate::driver::Driver;
    use crate::driver::shard_link::link;
    use crate::driver::simulated::SharedWorld;
    use crate::shard::ShardSettings;

    /// A slice passes whenever it is looked at.
    struct Racing(AtomicU64);

    impl Clock for Racing {
        fn now(&self) -> Instant {
            let looked = self.0.fetch_add(1, Ordering::Relaxed);
            assert!(looked < 1000, "the shard never comes back");
            Instant::ZERO + SLICE * looked as u32
        }

        fn wall(&self) -> WallClock {
            WallClock::default()
        }
    }

    #[test]
    fn a_shard_that_cannot_keep_up_still_hears_and_tells() {
        let config = EngineConfig::default();
        let world = SharedWorld::new(Network::new(1));
        let bound = SocketAddr::from(([192, 0, 2, 1], 4000));
        let id = TransportId(0);
        let transport = Transport::bare(&config, 0, Arc::default());
        let (mut control, end) = link(10, Arc::new(|| ()), Arc::new(|| ()));
        let load = Arc::new(Load::default());
        let mut runner = ShardRunner::new(
            Shard::new(ShardSettings::of(&config)),
            world.shard_io().unwrap(),
            end,
            Arc::clone(&load),
        );
        let clock = Racing(AtomicU64::new(0));
        control.tell(ToShard::Attach {
            id,
            transport,
            rtp: world.bind(bound).unwrap(),
            rtcp: None,
        });
        for _ in 0..20 {
            runner.run(&clock);
        }
        assert_eq!(load.streams(), 1);
        assert!(load.late_slices() > 0);
        let due = runner.deadline().unwrap();
        assert!(due <= clock.now(), "it comes back at once");
        control.tell(ToShard::Command(ShardCommand::Remove(id)));
        runner.run(&clock);
        let told: Vec<_> = std::iter::from_fn(|| control.next_report()).collect();
        assert!(matches!(
            &told[..],
            [
                FromShard::Sockets(..),
                FromShard::Report(Report::Removed(..))
            ]
        ));
    }

    #[test]
    fn load_follows_the_share_of_time_at_work_and_what_was_skipped() {
        let mut busy = Busy::default();
        let (mut now, mut worked, mut skipped) = (Instant::ZERO, Duration::ZERO, 0);
        let mut run = |busy: &mut Busy, percent: u32, skips: u64| {
            for _ in 0..100 {
                now += Busy::PERIOD;
                worked += Busy::PERIOD * percent / 100;
                skipped += skips;
                assert!(busy.is_due(now));
                busy.add(now, worked, skipped);
                assert!(!busy.is_due(now + SLICE));
            }
        };
        run(&mut busy, 90, 0);
        assert!((880..=900).contains(&busy.permille), "{}", busy.permille);
        run(&mut busy, 10, 0);
        assert!((90..=110).contains(&busy.permille), "{}", busy.permille);
        run(&mut busy, 10, 16);
        assert!((890..=910).contains(&busy.permille), "{}", busy.permille);
        busy.add(now + Duration::from_secs(10), worked, skipped);
        assert_eq!(busy.permille, 0);
    }
}
