//! Random numbers that a seed decides: SplitMix64. For simulation only; anybody can foretell them.

/// A stream of random numbers, the same for the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for each `label`, which neither takes from this one nor resembles it.
    #[must_use]
    pub fn fork(&self, label: u64) -> Self {
        let mut mixed = Self(self.0 ^ label.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self(mixed.next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number from 0 to below 1, all equally likely.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with a probability of `share`. Always takes one number, so that what follows does not depend on `share`.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// The next bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // From the reference implementation with the seed 1234567.
        let mut random = Random::new(1_234_567);
        let numbers = [(); 3].map(|()| random.next_u64());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn forks_differ_and_are_spread_evenly() {
        let root = Random::new(1);
        let mut means = [0, 1].map(|label| {
            let mut fork = root.fork(label);
            (0..10_000).map(|_| fork.unit()).sum::<f64>() / 10_000.0
        });
        means
            .iter()
            .for_each(|m| assert!((m - 0.5).abs() < 0.02, "{m}"));
        means.sort_by(f64::total_cmp);
        assert!(means[0] < means[1]);
        let (mut a, mut b) = ([0; 13], [0; 13]);
        root.fork(3).fill(&mut a);
        root.fork(3).fill(&mut b);
        assert_eq!(a, b);
    }
}
