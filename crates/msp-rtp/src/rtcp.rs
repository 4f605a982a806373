//! Reports about media: when they leave, what they say, and what the peer's say (RFC 3550 section 6).

mod interval;
mod read;
mod write;

use std::ops::Range;
use std::time::Duration;

use msp_core::id::Ssrc;
use msp_core::stats::SendStats;
use msp_core::time::{ClockRate, Instant};

use crate::packet::HEADROOM;
use crate::random::Random;
use crate::sender::SenderState;
use crate::source::Source;

pub use interval::{RandomizedInterval, interval};
pub use read::{Block, Report, Reports, SdesItems, SenderInfo};
pub use write::{Bye, ReportBlock, write_compound};

/// Turns the engine's clock into the wall clock that sender reports carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WallClock {
    /// Nanoseconds since 1970 at the engine's epoch.
    unix_nanos: u64,
}

impl WallClock {
    /// `unix_nanos`: nanoseconds from 1970 to the engine's [`Instant::ZERO`].
    pub const fn new(unix_nanos: u64) -> Self {
        Self { unix_nanos }
    }

    /// Seconds since 1900 and their 2^32nd parts (RFC 3550 section 4).
    pub const fn ntp(self, now: Instant) -> u64 {
        let nanos = self.unix_nanos.saturating_add(now.as_nanos());
        let seconds = (nanos / NANOS).wrapping_add(NTP_TO_UNIX);
        let fraction = ((nanos % NANOS) << 32) / NANOS;
        (seconds << 32) | fraction
    }

    /// The middle 32 bits, in 65,536ths of a second.
    const fn compact(self, now: Instant) -> u32 {
        (self.ntp(now) >> 16) as u32
    }
}

const NANOS: u64 = 1_000_000_000;
/// Seconds from 1900 to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// State of a [`Reporter`] as plain data.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ReporterState {
    /// The peer's last sender report: source, middle of its time, and when it came.
    pub last_sr: Option<(Ssrc, u32, Instant)>,
    /// When we reported last.
    pub reported_at: Option<Instant>,
    /// When we report next.
    pub next: Option<Instant>,
    /// Average size of a report with its IP and UDP headers, in octets.
    pub average_size: f64,
    /// Packets that we had sent at the last reports, to know whether we still send.
    pub sent_before: [u64; 2],
    /// Reports sent.
    pub sent: u64,
    /// Reports received.
    pub received: u64,
    /// Lost on the way as the peer reports it.
    pub remote_lost: i64,
    /// Jitter as the peer reports it, in ticks of our clock.
    pub remote_jitter: u32,
    /// Round trip in nanoseconds.
    pub round_trip: Option<u64>,
}

/// What a report is made of.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What we send.
    pub sender: &'a SenderState,
    /// The timestamp of what is sent now.
    pub timestamp: u32,
    /// The source that we hear.
    pub source: Option<&'a mut Source>,
}

/// Writes our reports in their time and keeps what the peer's say.
#[derive(Debug)]
pub struct Reporter {
    cname: Box<str>,
    wall: WallClock,
    random: Random,
    /// Octets a second that all reports of the session may take.
    bandwidth: f64,
    state: ReporterState,
}

impl Reporter {
    /// A reporter under the name `cname`, which should be random (RFC 7022), with a random `seed`.
    pub fn new(cname: &str, wall: WallClock, seed: u64) -> Self {
        Self {
            cname: cname.into(),
            wall,
            random: Random::new(seed),
            bandwidth: DEFAULT_BANDWIDTH,
            state: ReporterState {
                average_size: FIRST_SIZE,
                ..ReporterState::default()
            },
        }
    }

    /// Begins to report, if not begun: the first report comes within some seconds.
    pub fn start(&mut self, now: Instant) {
        if self.state.next.is_none() {
            let first = self.draw(true);
            self.state.next = Some(now + first);
        }
    }

    /// Media take `octets` a second; reports may take 5 % of it (RFC 3550 section 6.2).
    pub fn set_bandwidth(&mut self, octets: f64) {
        self.bandwidth = (octets * SHARE).max(1.0);
    }

    /// When to call [`poll`](Self::poll).
    pub const fn deadline(&self) -> Option<Instant> {
        self.state.next
    }

    /// Writes a report into `buffer` from [`HEADROOM`] on if one is due, and returns where it lies.
    pub fn poll(
        &mut self,
        now: Instant,
        subject: Subject<'_>,
        buffer: &mut [u8],
    ) -> Option<Range<usize>> {
        if self.state.next.is_none_or(|next| now < next) {
            return None;
        }
        // Timer reconsideration (RFC 3550 section 6.3.6): the time is drawn again.
        let initial = self.state.reported_at.is_none();
        let drawn = self.draw(initial);
        if let Some(last) = self.state.reported_at
            && last + drawn > now
        {
            self.state.next = Some(last + drawn);
            return None;
        }
        let range = self.write(now, subject, None, buffer)?;
        self.state.next = Some(now + self.draw(false));
        Some(range)
    }

    /// Writes a last report that says that `bye` leaves (RFC 3550 section 6.3.7: at once in a small session).
    pub fn bye(
        &mut self,
        now: Instant,
        subject: Subject<'_>,
        bye: Bye,
        buffer: &mut [u8],
    ) -> Option<Range<usize>> {
        self.write(now, subject, Some(bye), buffer)
    }

    /// We send under another source from now on, which sent nothing yet.
    pub const fn change_ssrc(&mut self) {
        self.state.sent_before = [0; 2];
    }

    /// Ends reporting.
    pub const fn stop(&mut self) {
        self.state.next = None;
    }

    /// A datagram of reports of `octets` came.
    pub fn received(&mut self, octets: usize) {
        self.state.received += 1;
        self.average(octets);
    }

    /// A sender report came.
    pub const fn sender_report(&mut self, now: Instant, ssrc: Ssrc, ntp: u64) {
        self.state.last_sr = Some((ssrc, (ntp >> 16) as u32, now));
    }

    /// What the peer says about what we send.
    pub fn block(&mut self, now: Instant, block: &Block) {
        self.state.remote_lost = block.lost.into();
        self.state.remote_jitter = block.jitter;
        if block.last_sr == 0 {
            return;
        }
        let trip = self
            .wall
            .compact(now)
            .wrapping_sub(block.last_sr)
            .wrapping_sub(block.delay);
        // Clocks that disagree give a trip in the future, others nonsense of hours.
        if trip <= LONGEST_TRIP {
            self.state.round_trip = Some((u64::from(trip) * NANOS) >> 16);
        } else if trip > u32::MAX - ROUNDING {
            self.state.round_trip = Some(0);
        }
    }

    /// Writes the counts into `stats`; `clock` is that of what we send.
    pub fn stats(&self, clock: ClockRate, stats: &mut SendStats) {
        stats.reports = self.state.sent;
        stats.remote_lost = self.state.remote_lost;
        stats.remote_jitter = clock.duration(self.state.remote_jitter.into());
        stats.round_trip = self.state.round_trip.map(Duration::from_nanos);
    }

    /// The state as plain data.
    pub const fn state(&self) -> &ReporterState {
        &self.state
    }

    /// Goes on from `state`.
    pub const fn restore(&mut self, state: &ReporterState) {
        self.state = *state;
    }

    fn draw(&mut self, initial: bool) -> Duration {
        interval(RandomizedInterval {
            members: MEMBERS,
            bandwidth: self.bandwidth,
            average_size: self.state.average_size,
            initial,
            random: self.random.unit(),
        })
    }

    fn average(&mut self, octets: usize) {
        let size = (octets + LOWER_LAYERS) as f64;
        self.state.average_size += (size - self.state.average_size) / 16.0;
    }

    fn write(
        &mut self,
        now: Instant,
        subject: Subject<'_>,
        bye: Option<Bye>,
        buffer: &mut [u8],
    ) -> Option<Range<usize>> {
        let sender = subject.sender;
        // A sender is who sent since the report before the last (RFC 3550 section 6.4).
        let info = (sender.packets != self.state.sent_before[0]).then(|| SenderInfo {
            ntp: self.wall.ntp(now),
            timestamp: subject.timestamp,
            packets: sender.packets as u32,
            octets: sender.octets as u32,
        });
        let block = subject.source.filter(|s| s.is_valid()).map(|source| {
            let (fraction, lost) = source.report_loss();
            let (last_sr, delay) = match self.state.last_sr {
                Some((ssrc, middle, at)) if ssrc == source.ssrc => {
                    let delay = now.saturating_since(at).as_nanos() << 16;
                    let delay = u32::try_from(delay / u128::from(NANOS)).unwrap_or(u32::MAX);
                    (middle, delay)
                }
                _ => (0, 0),
            };
            ReportBlock {
                ssrc: source.ssrc,
                fraction,
                lost,
                highest: source.extended_highest(),
                jitter: source.jitter as u32,
                last_sr,
                delay,
            }
        });
        let out = buffer.get_mut(HEADROOM..)?;
        let len = write_compound(out, sender.ssrc, info, block, &self.cname, bye)?;
        self.state.sent_before = [self.state.sent_before[1], sender.packets];
        self.state.reported_at = Some(now);
        self.state.sent += 1;
        self.average(len);
        Some(HEADROOM..HEADROOM + len)
    }
}

/// Two ends.
const MEMBERS: u32 = 2;
/// Reports may take this share of the session's bandwidth (RFC 3550 section 6.2).
const SHARE: f64 = 0.05;
/// 5 % of G.711 with its headers, in octets a second.
const DEFAULT_BANDWIDTH: f64 = 500.0;
/// The likely size of the first report.
const FIRST_SIZE: f64 = 120.0;
/// IPv4 and UDP headers.
const LOWER_LAYERS: usize = 28;
/// A minute, in 65,536ths of a second.
const LONGEST_TRIP: u32 = 60 << 16;
/// 10 ms of rounding may make a short trip negative.
const ROUNDING: u32 = 655;

#[cfg(test)]
mod tests;
