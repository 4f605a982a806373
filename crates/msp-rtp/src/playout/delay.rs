//! How much later than the fastest ones packets come, and how long it is worth to wait for them.
//!
//! Each packet has a lead: how far its first sample lies before what is played when it comes, had nothing ever been
//! stretched or compressed. The greatest lead of the last seconds is that of the fastest packet; by how much a lead is
//! smaller is what the network kept that packet longer. This is counted in pulls, for only at a pull it matters whether a
//! packet is there. Packets that overtook each other need no care: the lead follows from the timestamp.
//!
//! Two memories keep the shares of packets by that: a quick one, for a network that becomes worse or recovers, and a long
//! one, for bursts that come back: one that does each second is as familiar there as the packets between, a single one
//! weighs next to nothing. The delay aimed at is the one of least cost in either: its length, and a price for each packet
//! that it lets come too late. The long memory has no say beyond what was seen in the last seconds: the way may have
//! become shorter since.

/// Delays that are told apart, in pulls of 10 ms: 640 ms.
const BINS: usize = 64;
/// What one packet of a hundred that is late may cost in delay, in hundredths of pulls: the long memory gives 10 ms for one of
/// two hundred,
const LONG_PRICE: f32 = 200.0;
/// the quick one, of which each packet is a greater part, less.
const QUICK_PRICE: f32 = 150.0;
/// Pulls in which a packet's weight falls to a third: 15 s,
const LONG: f32 = 1500.0;
/// and 0.7 s.
const QUICK: f32 = 70.0;
/// So much must be known, in pulls of sound, before shares mean anything.
const LEAST_KNOWN: f32 = 8.0;
/// Pulls of a second, and how many seconds the fastest and the slowest packet are sought in.
const SECOND: u32 = 100;
const FASTEST_SECONDS: usize = 4;
const SLOWEST_SECONDS: usize = 6;
/// Pulls after a new beginning in which a faster packet only shows that the first ones were slow.
const UNCERTAIN: u32 = 100;
/// Pulls of a step of what is aimed at, and the steps for which the greatest is kept: it rises at once, and falls after
/// 0.4 s.
const STEP: u32 = 10;
const STEPS: usize = 4;

/// Shares of packets by their delay, the newer weighing more.
#[derive(Clone, Debug)]
struct Memory {
    weights: [f32; BINS],
    total: f32,
    /// Instead of older weights becoming smaller, newer ones become greater.
    scale: f32,
    /// Pulls in which a weight falls to a third.
    span: f32,
    price: f32,
}

impl Memory {
    const fn new(span: f32, price: f32) -> Self {
        Self {
            weights: [0.0; BINS],
            total: 0.0,
            scale: 1.0,
            span,
            price,
        }
    }

    /// A packet of `pulls` of sound that came `bin` later than the fastest.
    fn add(&mut self, bin: usize, pulls: f32) {
        self.scale *= 1.0 + pulls / self.span;
        if self.scale > 1e6 {
            let rest = 1.0 / self.scale;
            self.weights.iter_mut().for_each(|w| *w *= rest);
            self.total *= rest;
            self.scale = 1.0;
        }
        let weight = pulls * self.scale;
        if let Some(slot) = self.weights.get_mut(bin) {
            *slot += weight;
            self.total += weight;
        }
    }

    /// All delays become `by` greater, or smaller if it is negative.
    fn shift(&mut self, by: i64) {
        let n = usize::try_from(by.unsigned_abs()).map_or(BINS, |n| n.min(BINS));
        let weights = &mut self.weights;
        // What goes over an end stays at it.
        if by > 0 {
            let over: f32 = weights[BINS - n..].iter().sum();
            weights.copy_within(..BINS - n, n);
            weights[..n].fill(0.0);
            weights[BINS - 1] += over;
        } else {
            let over: f32 = weights[..n].iter().sum();
            weights.copy_within(n.., 0);
            weights[BINS - n..].fill(0.0);
            weights[0] += over;
        }
    }

    /// The delay of least cost up to `most`, in pulls.
    fn best(&self, most: usize) -> usize {
        let known = self.total.max(LEAST_KNOWN * self.scale);
        let mut late = self.total;
        let mut best = (f32::INFINITY, 0);
        for (bin, weight) in self.weights.iter().take(most + 1).enumerate() {
            late -= weight;
            let cost = bin as f32 + self.price * late / known;
            // Rounding is no reason to wait longer.
            if cost < best.0 - 0.01 {
                best = (cost, bin);
            }
        }
        best.1
    }

    /// Half of the packets come later.
    fn middle(&self) -> usize {
        let mut sum = 0.0;
        let passed = self.weights.iter().take_while(|weight| {
            sum += **weight;
            sum < self.total / 2.0
        });
        passed.count().min(BINS - 1)
    }
}

/// Measures the delays of one stream.
#[derive(Clone, Debug)]
pub(super) struct DelayEstimator {
    /// Samples of a pull.
    frame: i64,
    /// The lead of the fastest packet.
    fastest: Option<i64>,
    /// The greatest and the least lead of each of the last seconds, the present one first.
    greatest: [Option<i64>; FASTEST_SECONDS],
    least: [Option<i64>; SLOWEST_SECONDS],
    /// Pulls of the present second.
    pulls: u32,
    /// Pulls left in which it is not certain how leads compare to those before.
    uncertain: u32,
    noted: bool,
    quick: Memory,
    long: Memory,
    /// What was best in each of the last steps, the present one first.
    wanted: [usize; STEPS],
    /// The most that is aimed at, in pulls.
    most: usize,
}

impl DelayEstimator {
    /// For pulls of `frame` samples; never aims at more than `most` pulls.
    pub(super) const fn new(frame: i64, most: usize) -> Self {
        Self {
            frame,
            fastest: None,
            greatest: [None; FASTEST_SECONDS],
            least: [None; SLOWEST_SECONDS],
            pulls: 0,
            uncertain: 0,
            noted: false,
            quick: Memory::new(QUICK, QUICK_PRICE),
            long: Memory::new(LONG, LONG_PRICE),
            wanted: [0; STEPS],
            most: if most < BINS - 1 { most } else { BINS - 2 },
        }
    }

    /// A packet of `len` samples came with `lead`.
    pub(super) fn note(&mut self, lead: i64, len: i64) {
        let middle = self.quick.middle() as i64 * self.frame;
        let fastest = *self.fastest.get_or_insert(lead + middle);
        let slower = pulls_between(lead, fastest, self.frame);
        if slower < 0 {
            self.move_fastest(-slower, self.uncertain == 0);
        }
        let (greatest, least) = (&mut self.greatest[0], &mut self.least[0]);
        *greatest = (*greatest).max(Some(lead));
        *least = Some(least.map_or(lead, |l| l.min(lead)));
        let bin = usize::try_from(slower).unwrap_or(0).min(BINS - 1);
        let pulls = (len as f32 / self.frame as f32).clamp(0.1, 20.0);
        self.quick.add(bin, pulls);
        self.long.add(bin, pulls);
        self.noted = true;
    }

    /// A pull passed. What is aimed at is thought over now and then, and when `now`.
    pub(super) fn pull(&mut self, now: bool) {
        self.pulls += 1;
        self.uncertain = self.uncertain.saturating_sub(1);
        if self.pulls.is_multiple_of(STEP) {
            self.wanted.copy_within(..STEPS - 1, 1);
            self.think();
        } else if now && self.noted {
            let before = self.wanted[0];
            self.think();
            self.wanted[0] = self.wanted[0].max(before);
        }
        if self.pulls >= SECOND {
            self.pulls = 0;
            self.forget_second();
        }
    }

    /// Nothing is known any more of how leads compare to those before, though the network is the same.
    pub(super) fn begin_anew(&mut self) {
        self.fastest = None;
        self.greatest = [None; FASTEST_SECONDS];
        self.least = [None; SLOWEST_SECONDS];
        self.uncertain = UNCERTAIN;
    }

    /// What is aimed at: how long the fastest packets are to wait, in pulls.
    pub(super) fn target(&self) -> usize {
        self.wanted.iter().copied().max().unwrap_or(0).max(1)
    }

    /// How long the next packet should wait if nothing is known of its own delay: as if it came like most do.
    pub(super) fn first_wait(&self) -> usize {
        self.target().saturating_sub(self.quick.middle())
    }

    /// The lead of the fastest packets of the last seconds.
    pub(super) const fn fastest(&self) -> Option<i64> {
        self.fastest
    }

    fn think(&mut self) {
        self.noted = false;
        let long = self.long.best(self.most).min(self.slowest());
        self.wanted[0] = long.max(self.quick.best(self.most));
    }

    /// By how much the slowest packet of the last seconds was later than the fastest, in pulls.
    fn slowest(&self) -> usize {
        let least = self.least.iter().flatten().min();
        let (Some(fastest), Some(least)) = (self.fastest, least) else {
            return 0;
        };
        usize::try_from(pulls_between(*least, fastest, self.frame)).unwrap_or(0)
    }

    fn forget_second(&mut self) {
        let greatest = self.greatest.iter().flatten().max().copied();
        if let (Some(fastest), Some(greatest)) = (self.fastest, greatest) {
            let slower = (fastest - greatest) / self.frame;
            if slower > 0 {
                self.move_fastest(-slower, true);
            }
        }
        self.greatest.copy_within(..FASTEST_SECONDS - 1, 1);
        self.greatest[0] = None;
        self.least.copy_within(..SLOWEST_SECONDS - 1, 1);
        self.least[0] = None;
    }

    /// The fastest packet is `by` pulls faster than thought, or slower if it is negative; `known` if that is also how the
    /// packets before compare to it.
    fn move_fastest(&mut self, by: i64, known: bool) {
        if let Some(fastest) = &mut self.fastest {
            *fastest += by * self.frame;
            if known {
                self.quick.shift(by);
                self.long.shift(by);
            }
        }
    }
}

/// Pulls from one lead up to another, begun ones counted.
const fn pulls_between(from: i64, to: i64, frame: i64) -> i64 {
    let distance = to - from;
    distance.div_euclid(frame) + (distance.rem_euclid(frame) != 0) as i64
}
