//! A hop on the way of RTP that loses packets one way: one of every so many, not by chance.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::Error;

/// A running hop; it ends when dropped.
pub(crate) struct Relay {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Hands on what comes to `port` of 127.0.0.1 to `target`, and what comes back from there to whom it
    /// came from, except one of every `lose` packets.
    pub(crate) fn start(port: u16, target: u16, lose: u64) -> Result<Self, Error> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| Error::io("the relay", &error))?;
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .map_err(|error| Error::io("the relay", &error))?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || hand_on(&socket, target, lose, &stopped));
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there; the case fails for want of packets.
            let _ = thread.join();
        }
    }
}

fn hand_on(socket: &UdpSocket, target: SocketAddr, lose: u64, stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    let mut near = None;
    let mut back = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let packet = buffer.get(..len).unwrap_or_default();
        let to = if from == target {
            back += 1;
            near.filter(|_| back % lose != 0)
        } else {
            near = Some(from);
            Some(target)
        };
        if let Some(to) = to {
            // What the system does not take is lost too: the capture shows it.
            let _ = socket.send_to(packet, to);
        }
    }
}
