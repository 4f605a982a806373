//! Waiting: epoll with a timer of nanoseconds and a bell that other threads ring.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::check;

const EVENTS: usize = 64;
const BELL: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;

/// Wakes the thread that waits in a [`Poll`].
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<File>);

impl Bell {
    fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: `fd` was just opened and nobody else owns it.
        Ok(Self(Arc::new(File::from(unsafe {
            OwnedFd::from_raw_fd(fd)
        }))))
    }

    /// Wakes the thread, now or when it next waits.
    pub(crate) fn ring(&self) {
        // It fails only when the counter is full: then it rings already.
        let _rings_already = (&*self.0).write(&1u64.to_ne_bytes());
    }

    fn clear(&self) {
        // It fails only when nobody rang since the last time.
        let _silent = (&*self.0).read(&mut [0; 8]);
    }
}

/// Waits for sockets, for a time and for a bell.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    bell: Bell,
}

impl Poll {
    /// A poll with nothing to wait for but its bell.
    ///
    /// # Errors
    /// Whatever the system says, mostly that too many files are open.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just opened and nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: the call takes no pointers.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: `fd` was just opened and nobody else owns it.
        let timer = unsafe { OwnedFd::from_raw_fd(fd) };
        let poll = Self {
            epoll,
            timer,
            bell: Bell::new()?,
        };
        poll.add_fd(poll.bell.0.as_raw_fd(), BELL, libc::EPOLLIN)?;
        // On its edge: setting the timer anew takes back what it showed, so that it need never be read.
        poll.add_fd(poll.timer.as_raw_fd(), TIMER, libc::EPOLLIN | libc::EPOLLET)?;
        Ok(poll)
    }

    /// The bell.
    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Has [`wait`](Self::wait) tell `token`, while something waits to be read from `socket`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn add(&self, socket: BorrowedFd<'_>, token: u32) -> io::Result<()> {
        self.add_fd(socket.as_raw_fd(), u64::from(token), libc::EPOLLIN)
    }

    fn add_fd(&self, fd: libc::c_int, token: u64, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: token,
        };
        // SAFETY: both descriptors are open, `event` lives over the call, which only reads it.
        check(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd,
                &raw mut event,
            )
        })?;
        Ok(())
    }

    /// Tells nothing of `socket` any more.
    pub(crate) fn remove(&self, socket: BorrowedFd<'_>) {
        // SAFETY: both descriptors are open; the event is not read when something is taken out.
        let _was_in = check(unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                socket.as_raw_fd(),
                std::ptr::null_mut(),
            )
        });
    }

    /// Waits until the bell rings, a socket can be read (its token is put into `ready`, as far as there is room)
    /// or `timeout` is over; without one, for ever.
    ///
    /// # Errors
    /// Whatever the system says; an interrupted wait ends without an error.
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<u32>,
    ) -> io::Result<()> {
        let block = match timeout {
            Some(Duration::ZERO) => 0,
            Some(timeout) => {
                self.set_timer(timeout)?;
                -1
            }
            None => {
                self.set_timer(Duration::ZERO)?;
                -1
            }
        };
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: `events` has room for as many events as the call is told.
        let n = check(unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS as libc::c_int,
                block,
            )
        });
        let n = match n {
            Ok(n) => usize::try_from(n).unwrap_or(0),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) => return Err(e),
        };
        for event in events.iter().take(n) {
            match event.u64 {
                BELL => self.bell.clear(),
                TIMER => {}
                token => {
                    if ready.len() < ready.capacity() {
                        ready.push(token as u32);
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets the timer, or stops it with zero.
    fn set_timer(&self, timeout: Duration) -> io::Result<()> {
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = libc::itimerspec {
            it_interval: zero,
            it_value: libc::timespec {
                tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(timeout.subsec_nanos()),
            },
        };
        // SAFETY: `spec` lives over the call, which only reads it; the old value is not asked for.
        check(unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const spec,
                std::ptr::null_mut(),
            )
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn a_wait_ends_by_time_by_bell_and_by_a_socket() {
        let mut poll = Poll::new().unwrap();
        let mut ready = Vec::with_capacity(4);
        let before = SystemClock.now();
        poll.wait(Some(Duration::from_micros(1500)), &mut ready)
            .unwrap();
        let took = SystemClock.now().saturating_since(before);
        assert!(took >= Duration::from_micros(1500), "{took:?}");

        let bell = poll.bell();
        let ringer = std::thread::spawn(move || bell.ring());
        poll.wait(None, &mut ready).unwrap();
        ringer.join().unwrap();
        assert!(ready.is_empty());

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        poll.add(socket.as_fd(), 7).unwrap();
        socket.send_to(&[1], socket.local_addr().unwrap()).unwrap();
        poll.wait(None, &mut ready).unwrap();
        assert_eq!(ready, [7]);
        ready.clear();
        poll.remove(socket.as_fd());
        poll.wait(Some(Duration::from_micros(1)), &mut ready)
            .unwrap();
        assert!(ready.is_empty());
    }
}
