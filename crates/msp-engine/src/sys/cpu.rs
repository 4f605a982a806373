//! Processor time, and how many files may be open.

use std::io;
use std::time::Duration;

use super::check;

/// Processor time that the calling thread has used, in user and in kernel mode.
///
/// # Errors
/// Whatever the system says.
pub fn thread_cpu_time() -> io::Result<Duration> {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time that the process has used, in user and in kernel mode, all threads counted.
///
/// # Errors
/// Whatever the system says.
pub fn process_cpu_time() -> io::Result<Duration> {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// The system's wall clock, since 1970. Kernel receive times are told on it.
pub(super) fn wall_time() -> io::Result<Duration> {
    read(libc::CLOCK_REALTIME)
}

fn read(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec that lives over the call, which writes nothing else.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(duration(time.tv_sec, time.tv_nsec))
}

/// A duration of the seconds and nanoseconds of a timespec that lies after its epoch.
pub(super) fn duration(seconds: i64, nanos: i64) -> Duration {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Lets the process open as many files as it may, and says how many that is.
///
/// # Errors
/// Whatever the system says; the limit is as it was then.
pub(crate) fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit that lives over the call.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit that the call only reads.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let before = thread_cpu_time().unwrap();
        let mut n = 1u64;
        while thread_cpu_time().unwrap() < before + Duration::from_millis(2) {
            n = std::hint::black_box(n.wrapping_mul(6_364_136_223_846_793_005));
        }
        assert!(process_cpu_time().unwrap() >= thread_cpu_time().unwrap() - before);
    }

    #[test]
    fn the_file_limit_is_raised_to_what_is_allowed() {
        let limit = raise_file_limit().unwrap();
        assert!(limit >= 256);
        assert_eq!(raise_file_limit().unwrap(), limit);
    }
}
