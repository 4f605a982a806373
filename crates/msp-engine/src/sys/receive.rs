//! Receiving many datagrams by one call, with what the kernel knows about each.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::check;
use super::cpu::{duration, wall_time};

/// Datagrams that one call takes at most. A stream gets one or two a tick; after a pause, more calls are made.
const BATCH: usize = 8;

/// Datagrams that the first call takes: one that is expected, and one more to know that there are more.
const FIRST: usize = 2;

/// Free bytes before a datagram, for those who put something in front of it in place.
const HEADROOM: usize = 64;

/// Free bytes behind a datagram, for those who lengthen it in place.
const TAILROOM: usize = 32;

/// The longest datagram that is taken whole.
const LONGEST: usize = 2048;

/// Room for a `sockaddr_in6`, the bigger of the two that come.
const NAME: usize = size_of::<libc::sockaddr_in6>();

/// Room for the control messages that [`prepare`] asks for: a timespec and an u32, each with its header.
const CONTROL: usize = 64;

/// One datagram and what is known about it.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// How long before now the kernel received it.
    pub(crate) age: Duration,
    /// How many datagrams the kernel dropped at this socket in all, where it said so.
    pub(crate) overflow: Option<u32>,
    /// It was longer than there is room for, and is cut off.
    pub(crate) cut: bool,
    /// The bytes.
    pub(crate) bytes: &'a mut [u8],
}

/// Buffers for a batch of datagrams, used again and again.
pub(crate) struct Batch {
    slots: Box<[Slot; BATCH]>,
}

#[repr(align(8))]
struct Slot {
    control: [u8; CONTROL],
    name: [u8; NAME],
    bytes: [u8; HEADROOM + LONGEST + TAILROOM],
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batch")
    }
}

impl Batch {
    /// Empty buffers.
    pub(crate) fn new() -> Self {
        Self {
            slots: Box::new(std::array::from_fn(|_| Slot {
                control: [0; CONTROL],
                name: [0; NAME],
                bytes: [0; HEADROOM + LONGEST + TAILROOM],
            })),
        }
    }

    /// Takes everything that waits at `socket`, which must not block, up to about `limit` datagrams.
    ///
    /// # Errors
    /// Whatever the system says, but not that nothing waits.
    pub(crate) fn drain(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: usize,
        take: &mut dyn FnMut(Received<'_>),
    ) -> io::Result<()> {
        // Mostly one waits: so much is got ready for the first call, and more only for a socket that has more.
        let mut left = limit;
        let n = self.receive::<FIRST>(socket, take)?;
        let mut more = n == FIRST;
        left = left.saturating_sub(n);
        while more && left > 0 {
            let n = self.receive::<BATCH>(socket, take)?;
            more = n == BATCH;
            left = left.saturating_sub(n);
        }
        Ok(())
    }

    /// Takes up to `N` datagrams by one call; says how many.
    fn receive<const N: usize>(
        &mut self,
        socket: BorrowedFd<'_>,
        take: &mut dyn FnMut(Received<'_>),
    ) -> io::Result<usize> {
        // SAFETY: iovec and mmsghdr are plain C structs for which all zeroes are a value.
        let mut vectors: [libc::iovec; N] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; N] = unsafe { zeroed() };
        for ((slot, vector), header) in self.slots.iter_mut().zip(&mut vectors).zip(&mut headers) {
            let bytes = &mut slot.bytes[HEADROOM..HEADROOM + LONGEST];
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            let header = &mut header.msg_hdr;
            header.msg_name = slot.name.as_mut_ptr().cast();
            header.msg_namelen = NAME as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = slot.control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL as _;
        }
        // SAFETY: each header points to buffers of the lengths that it tells, all of which live over the call, and
        // there are `N` of them. No timeout is given.
        let n = check(unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                N as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        });
        let n = match n {
            Ok(n) => usize::try_from(n).unwrap_or(0),
            Err(e) if nothing_waits(&e) => return Ok(0),
            Err(e) => return Err(e),
        };
        let wall = wall_time()?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(n) {
            let length = (header.msg_len as usize).min(LONGEST);
            let header = &header.msg_hdr;
            let name = slot.name.get(..header.msg_namelen as usize);
            let Some(from) = name.and_then(address) else {
                continue;
            };
            let control = slot.control.get(..header.msg_controllen);
            let told = Told::read(control.unwrap_or_default());
            take(Received {
                from,
                age: told
                    .received
                    .map_or(Duration::ZERO, |t| wall.saturating_sub(t)),
                overflow: told.overflow,
                cut: header.msg_flags & libc::MSG_TRUNC != 0,
                bytes: &mut slot.bytes[HEADROOM..HEADROOM + length],
            });
        }
        Ok(n)
    }
}

/// Asks the kernel to tell the receive time and its drops with each datagram of `socket`.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn prepare(socket: BorrowedFd<'_>) -> io::Result<()> {
    for option in [libc::SO_TIMESTAMPNS, libc::SO_RXQ_OVFL] {
        let on: libc::c_int = 1;
        // SAFETY: `on` lives over the call, which reads as many bytes of it as it is told.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
    }
    Ok(())
}

fn nothing_waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// What the kernel told about a datagram.
#[derive(Default)]
struct Told {
    received: Option<Duration>,
    overflow: Option<u32>,
}

impl Told {
    /// Reads the control messages of a datagram: each a header of length, level and type, its data, and padding
    /// to the size of a word.
    fn read(mut control: &[u8]) -> Self {
        const HEADER: usize = size_of::<libc::cmsghdr>();
        const WORD: usize = size_of::<usize>();
        let mut told = Self::default();
        while let Some(header) = control.first_chunk::<HEADER>() {
            let Some(length) = number::<WORD>(header, 0).map(usize::from_ne_bytes) else {
                break;
            };
            let level = number(header, WORD).map(i32::from_ne_bytes);
            let kind = number(header, WORD + 4).map(i32::from_ne_bytes);
            let Some(data) = control.get(HEADER..length) else {
                break;
            };
            match (level, kind) {
                (Some(libc::SOL_SOCKET), Some(libc::SCM_TIMESTAMPNS)) => {
                    let seconds = number(data, 0).map(i64::from_ne_bytes);
                    let nanos = number(data, 8).map(i64::from_ne_bytes);
                    told.received = seconds.zip(nanos).map(|(s, n)| duration(s, n));
                }
                (Some(libc::SOL_SOCKET), Some(libc::SO_RXQ_OVFL)) => {
                    told.overflow = number(data, 0).map(u32::from_ne_bytes);
                }
                _ => {}
            }
            control = control
                .get(length.next_multiple_of(WORD)..)
                .unwrap_or_default();
        }
        told
    }
}

/// The `N` bytes of `bytes` from `at`.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The address that a `sockaddr_in` or `sockaddr_in6` holds.
fn address(name: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(number(name, 0)?));
    let port = u16::from_be_bytes(number(name, 2)?);
    match family {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(number::<4>(name, 4)?);
            Some(SocketAddrV4::new(ip, port).into())
        }
        libc::AF_INET6 => {
            let flow = u32::from_ne_bytes(number(name, 4)?);
            let ip = Ipv6Addr::from(number::<16>(name, 8)?);
            let scope = u32::from_ne_bytes(number(name, 24)?);
            Some(SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    fn socket(address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).unwrap();
        prepare(socket.as_fd()).unwrap();
        socket
    }

    fn drain(socket: &UdpSocket) -> Vec<(SocketAddr, Duration, bool, Vec<u8>)> {
        let mut batch = Batch::new();
        let mut got = Vec::new();
        batch
            .drain(socket.as_fd(), 100, &mut |r| {
                got.push((r.from, r.age, r.cut, r.bytes.to_vec()));
            })
            .unwrap();
        got
    }

    #[test]
    fn more_than_a_batch_is_taken_in_order_with_sender_and_time() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (to, from) = (socket(address), socket(address));
            assert!(drain(&to).is_empty());
            for n in 0..20u8 {
                from.send_to(&[n; 3], to.local_addr().unwrap()).unwrap();
            }
            let got = drain(&to);
            assert_eq!(got.len(), 20);
            for (n, (sender, age, cut, bytes)) in got.iter().enumerate() {
                assert_eq!(*sender, from.local_addr().unwrap());
                assert_eq!(bytes, &[n as u8; 3]);
                assert!(!cut && *age > Duration::ZERO && *age < Duration::from_secs(5));
            }
            assert!(got[0].1 >= got[19].1, "the first waited longest");
        }
    }

    #[test]
    fn the_longest_datagram_fits_and_a_longer_one_is_cut() {
        let (to, from) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        for length in [LONGEST, LONGEST + 1, 0] {
            from.send_to(&vec![7; length], to.local_addr().unwrap())
                .unwrap();
        }
        let got = drain(&to);
        let shape: Vec<_> = got.iter().map(|g| (g.3.len(), g.2)).collect();
        assert_eq!(shape, [(LONGEST, false), (LONGEST, true), (0, false)]);
    }

    #[test]
    fn what_the_kernel_dropped_is_told() {
        let (to, from) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
        for _ in 0..2000 {
            from.send_to(&[0; 1400], to.local_addr().unwrap()).unwrap();
        }
        let received = drain(&to).len();
        drain(&to);
        from.send_to(&[1], to.local_addr().unwrap()).unwrap();
        let mut told = None;
        Batch::new()
            .drain(to.as_fd(), 3000, &mut |r| told = r.overflow.or(told))
            .unwrap();
        let told = told.expect("drops are told with the next datagram");
        assert!(told > 0 && told as usize + received <= 2000, "{told}");
    }

    #[test]
    fn control_messages_that_lie_about_their_length_end_the_reading() {
        for lie in [0usize, 8, 15, 17, 1000, usize::MAX] {
            let mut control = [0u8; 32];
            control[..8].copy_from_slice(&lie.to_ne_bytes());
            let told = Told::read(&control);
            assert!(told.received.is_none() && told.overflow.is_none());
        }
    }
}
