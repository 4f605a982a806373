//! Media threads go before others: what they do is short, and late is worthless.

use super::check;

/// The lowest of the real-time priorities: before all ordinary threads, behind everybody who asked for more.
const PRIORITY: libc::c_int = 1;

/// The niceness of a thread that may not be a real-time one.
const NICENESS: libc::c_int = -10;

/// What the system allows media threads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Preference {
    /// They go before all ordinary threads.
    RealTime,
    /// They go before ordinary threads mostly.
    Nicer,
    /// They wait like all others.
    None,
}

/// Lets the calling thread go before ordinary ones, as far as the system allows it to this process. Threads that it
/// makes are ordinary again. Says what was allowed.
pub(crate) fn prefer_this_thread() -> Preference {
    let parameters = libc::sched_param {
        sched_priority: PRIORITY,
    };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread; `parameters` lives over the call, which only reads it.
    if check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }).is_ok() {
        return Preference::RealTime;
    }
    // SAFETY: the call takes no pointers; on Linux 0 is the calling thread alone.
    match check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) }) {
        Ok(_) => Preference::Nicer,
        Err(_) => Preference::None,
    }
}

/// What the system allows a media thread here: tried on a thread that ends.
pub fn media_preference() -> Preference {
    let tried = std::thread::spawn(prefer_this_thread).join();
    tried.unwrap_or(Preference::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_harms_nothing() {
        std::thread::spawn(|| {
            prefer_this_thread();
            // SAFETY: the call takes no pointers; 0 is the calling thread.
            let policy = unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
            assert!([libc::SCHED_OTHER, libc::SCHED_RR].contains(&policy));
        })
        .join()
        .unwrap();
    }
}
