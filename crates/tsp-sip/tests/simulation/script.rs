//! What happens in a network, drawn from a seed.

use std::time::Duration;

use netsim::{Impairment, Ratio};

use crate::support::Numbers;

/// Something that happens to a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// It calls that other phone.
    Dial(usize),
    /// It takes, refuses or leaves alone a call that came in.
    Answer,
    Reject,
    /// Its user hangs up a call.
    HangUp,
    /// Its media half wants another round.
    Renegotiate,
    /// Its media half refuses the next thing that it is asked for.
    FailMedia,
    /// Its media half says nothing for a while.
    MuteMedia,
    /// It says what it kept back.
    SpeakMedia,
    /// Its machine dies, and never comes back.
    Die,
    /// Nothing that it sends arrives for a while.
    CutOff,
}

/// A script: the network, and what happens when to which phone.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) phones: usize,
    pub(crate) impairment: Impairment,
    pub(crate) steps: Vec<(Duration, usize, Action)>,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut n = Numbers(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x7069_7072);
        let phones = 2 + n.below(3);
        let mut steps = Vec::new();
        let mut at = Duration::ZERO;
        for _ in 0..4 + n.below(14) {
            at += Self::pause(&mut n);
            let phone = n.below(phones);
            steps.push((at, phone, Self::action(&mut n, phone, phones)));
        }
        // A script without a call is none.
        steps.insert(0, (Duration::ZERO, 0, Action::Dial(1)));
        Self {
            phones,
            impairment: Self::impairment(&mut n),
            steps,
        }
    }

    /// Whether nothing breaks that a call could not outlive: little is lost, and phones and media halves work.
    pub(crate) fn is_gentle(&self) -> bool {
        use Action::{CutOff, Die, FailMedia, MuteMedia};
        let breaks = |a: &Action| matches!(a, CutOff | Die | FailMedia | MuteMedia);
        let broken = self.steps.iter().any(|(_, _, action)| breaks(action));
        !broken && self.impairment.loss() <= Ratio::new(0.1).expect("a ratio")
    }

    /// Things happen at once, within the time of a message, of a retransmission, of a call.
    fn pause(n: &mut Numbers) -> Duration {
        let most = [1, 60, 60, 600, 600, 4_000, 40_000][n.below(7)];
        Duration::from_millis(n.below(most) as u64)
    }

    fn action(n: &mut Numbers, phone: usize, phones: usize) -> Action {
        let other = (phone + 1 + n.below(phones - 1)) % phones;
        match n.below(40) {
            0..=6 => Action::Dial(other),
            7..=18 => Action::Answer,
            19 => Action::Reject,
            20..=24 => Action::HangUp,
            25..=33 => Action::Renegotiate,
            34..=35 => Action::FailMedia,
            36 => Action::MuteMedia,
            37 => Action::SpeakMedia,
            38 => Action::CutOff,
            _ => Action::Die,
        }
    }

    fn impairment(n: &mut Numbers) -> Impairment {
        let delay = Duration::from_millis([0, 5, 40, 150, 400][n.below(5)]);
        let base = Impairment::PERFECT.with_delay(delay);
        let ratio = |of: f64| Ratio::new(of).expect("a ratio");
        match n.below(4) {
            0 => base,
            1 => base.with_loss(ratio(0.1)),
            2 => base
                .with_duplicate(ratio(0.3))
                .with_reorder(ratio(0.2), Duration::from_millis(700)),
            _ => base
                .with_loss(ratio(0.25))
                .with_duplicate(ratio(0.2))
                .with_reorder(ratio(0.2), Duration::from_millis(900)),
        }
    }
}
