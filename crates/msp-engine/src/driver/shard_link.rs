//! The way between the control thread and the thread of a shard: a ring there and a ring back, of which neither end ever
//! waits for the other.
//!
//! That a shard does not wait matters most: it runs before everything else on its core. A queue whose reader has to wait for
//! a writer in the middle of its writing (as that of the standard library does) waits for a thread that it keeps from
//! running.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::shard_runner::{FromShard, ToShard};

/// Has the thread at the other end look into its ring.
pub(crate) type Wake = Arc<dyn Fn() + Send + Sync>;

/// What a shard is told waits here; more waits with the control thread.
const COMMANDS: usize = 1024;

/// The end of the control thread.
pub(crate) struct ShardEnd<S> {
    /// None once the shard was told to stop, or is gone.
    commands: Option<Producer<ToShard<S>>>,
    /// What found no room.
    waiting: VecDeque<ToShard<S>>,
    reports: Consumer<FromShard<S>>,
    /// There is news that it was not woken for.
    news: bool,
    wake: Wake,
}

/// The end of a shard.
pub(crate) struct ControlEnd<S> {
    commands: Consumer<ToShard<S>>,
    reports: Producer<FromShard<S>>,
    wake: Wake,
}

/// The next thing that a shard is told.
pub(crate) enum Told<S> {
    /// To do this.
    This(ToShard<S>),
    /// Nothing at the moment.
    Nothing,
    /// Nothing ever again.
    Stop,
}

/// A way between the control thread and a shard on which at most so many reports wait. `wake_shard` and `wake_control` have
/// the thread at the end look.
pub(crate) fn link<S>(
    reports: usize,
    wake_shard: Wake,
    wake_control: Wake,
) -> (ShardEnd<S>, ControlEnd<S>) {
    let (tell, told) = RingBuffer::new(COMMANDS);
    let (report, reported) = RingBuffer::new(reports);
    let shard_end = ShardEnd {
        commands: Some(tell),
        waiting: VecDeque::new(),
        reports: reported,
        news: false,
        wake: wake_shard,
    };
    let control_end = ControlEnd {
        commands: told,
        reports: report,
        wake: wake_control,
    };
    (shard_end, control_end)
}

impl<S> ShardEnd<S> {
    /// Tells the shard, in order. It hears it at the next [`flush`](Self::flush) at the latest.
    pub(crate) fn tell(&mut self, message: ToShard<S>) {
        self.waiting.push_back(message);
        self.push();
    }

    /// Puts what waits into the ring, as far as there is room.
    fn push(&mut self) {
        self.commands.take_if(|ring| ring.is_abandoned());
        let Some(commands) = &mut self.commands else {
            // A shard that is gone has given back everything: what it was told has no object any more.
            self.waiting.clear();
            return;
        };
        while let Some(message) = self.waiting.pop_front() {
            if let Err(PushError::Full(message)) = commands.push(message) {
                self.waiting.push_front(message);
                break;
            }
            self.news = true;
        }
    }

    /// Wakes the shard if there is news. Whether it has all that it was told.
    pub(crate) fn flush(&mut self) -> bool {
        self.push();
        if std::mem::take(&mut self.news) {
            (self.wake)();
        }
        self.waiting.is_empty()
    }

    /// Has the shard give back everything and end. What it had no room for has no object any more.
    pub(crate) fn stop(&mut self) {
        self.flush();
        self.waiting.clear();
        self.commands = None;
        // What wakes it is its own, and ends with it.
        std::mem::replace(&mut self.wake, Arc::new(|| ()))();
    }

    /// The next thing that the shard tells.
    pub(crate) fn next_report(&mut self) -> Option<FromShard<S>> {
        self.reports.pop().ok()
    }
}

impl<S> ControlEnd<S> {
    /// The next thing that the shard is told.
    pub(crate) fn next(&mut self) -> Told<S> {
        // Looked at first: what was told before the end counts.
        let over = self.commands.is_abandoned();
        if over {
            // What was written before the other end went is seen from here on.
            fence(Ordering::Acquire);
        }
        match self.commands.pop() {
            Ok(message) => Told::This(message),
            Err(_) if over => Told::Stop,
            Err(_) => Told::Nothing,
        }
    }

    /// Tells the control thread, which hears it at the next [`wake`](Self::wake) at the latest.
    ///
    /// # Errors
    /// What it is, as there is no room.
    #[expect(
        clippy::result_large_err,
        reason = "it is given back as it is: a media thread allocates nothing"
    )]
    pub(crate) fn report(&mut self, report: FromShard<S>) -> Result<(), FromShard<S>> {
        if self.reports.is_abandoned() {
            // Nobody is left to be told.
            return Ok(());
        }
        self.reports
            .push(report)
            .map_err(|PushError::Full(report)| report)
    }

    /// Has the control thread look.
    pub(crate) fn wake(&self) {
        (self.wake)();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::shard::{ShardCommand, TransportId};

    fn remove(n: u32) -> ToShard<()> {
        ToShard::Command(ShardCommand::Remove(TransportId(n)))
    }

    /// Which transport the shard is told to remove.
    fn heard(end: &mut ControlEnd<()>) -> Option<u32> {
        match end.next() {
            Told::This(ToShard::Command(ShardCommand::Remove(id))) => Some(id.0),
            _ => None,
        }
    }

    // Shows: a shard hears all that it is told, in order, however much that is, and is woken once for all of it
    #[test]
    fn what_finds_no_room_waits_its_turn() {
        let woken = Arc::new(AtomicU32::new(0));
        let counted = woken.clone();
        let wake: Wake = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (mut control, mut shard) = link::<()>(4, wake, Arc::new(|| ()));
        let all = COMMANDS as u32 + 500;
        for n in 0..all {
            control.tell(remove(n));
        }
        assert!(!control.flush());
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        for n in 0..700 {
            assert_eq!(heard(&mut shard), Some(n));
        }
        assert!(control.flush());
        control.tell(remove(all));
        control.stop();
        for n in 700..=all {
            assert_eq!(heard(&mut shard), Some(n));
        }
        assert!(matches!(shard.next(), Told::Stop));
        control.tell(remove(0));
        assert!(matches!(shard.next(), Told::Stop));
    }

    #[test]
    fn a_shard_that_is_gone_is_told_nothing() {
        let (mut control, shard) = link::<()>(4, Arc::new(|| ()), Arc::new(|| ()));
        for n in 0..2 * COMMANDS as u32 {
            control.tell(remove(n));
        }
        drop(shard);
        control.tell(remove(0));
        assert!(control.flush() && control.waiting.is_empty());
    }

    #[test]
    fn a_report_that_finds_no_room_is_given_back() {
        let (mut control, mut shard) = link::<u8>(1, Arc::new(|| ()), Arc::new(|| ()));
        assert!(matches!(shard.next(), Told::Nothing));
        assert!(shard.report(FromShard::Sockets(1, None)).is_ok());
        let back = shard.report(FromShard::Sockets(2, None));
        assert!(matches!(back, Err(FromShard::Sockets(2, None))));
        let told = control.next_report();
        assert!(matches!(told, Some(FromShard::Sockets(1, None))));
        assert!(control.next_report().is_none());
        drop(control);
        assert!(shard.report(FromShard::Sockets(3, None)).is_ok());
        assert!(matches!(shard.next(), Told::Stop));
    }
}
