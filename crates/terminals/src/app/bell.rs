//! How the media thread wakes an application that waits.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use atomic_waker::AtomicWaker;

/// Wakes one who waits, a task or a thread; ringing for nobody costs next to nothing.
#[derive(Debug, Default)]
pub(super) struct Bell(AtomicWaker);

impl Bell {
    /// Wakes who waits.
    pub(super) fn ring(&self) {
        self.0.wake();
    }

    /// What `ready` gives, or else whoever is behind `cx` is woken when it should be asked again.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        if let Some(value) = ready() {
            return Poll::Ready(value);
        }
        self.0.register(cx.waker());
        // Once more, for the bell may have rung before it was heard.
        match ready() {
            Some(value) => {
                self.0.take();
                Poll::Ready(value)
            }
            None => Poll::Pending,
        }
    }

    /// What `ready` gives, waiting up to `timeout` for it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the timeout of an application that blocks is real time"
    )]
    pub(super) fn wait<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let cx = Context::from_waker(&waker);
        let start = std::time::Instant::now();
        loop {
            if let Poll::Ready(value) = self.poll(&cx, &mut ready) {
                return Some(value);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                self.0.take();
                return None;
            }
            thread::park_timeout(left);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
