//! What happens in a network, drawn from a seed.

use std::time::Duration;

use netsim::{Impairment, Ratio};
use tsp_sip::call::{CallPolicy, ChangeBy, HoldForm, RefreshedBy, Reliable, SessionTimers};

use crate::support::Numbers;

/// Something that happens to a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// It calls that other phone.
    Dial(usize),
    /// It lets a caller hear something before it takes the call.
    Progress,
    /// It takes, refuses or leaves alone a call that came in.
    Answer,
    Reject,
    /// Its user hangs up a call.
    HangUp,
    /// Its media half wants another round.
    Renegotiate,
    /// It holds a call, or takes up again one that it holds.
    Hold,
    /// Both ends of a call want to change it at once.
    Glare,
    /// It passes a call on to that other phone.
    Transfer(usize),
    /// It passes a call on to the peer of another one.
    TransferTo,
    /// Its user presses a key that the media cannot carry.
    Digit,
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

/// What a phone is like.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) policy: CallPolicy,
    /// Its user takes calls without being told by the script.
    pub(crate) answers: bool,
    /// Its user lets callers hear something first.
    pub(crate) shows: bool,
}

/// A script: the network, and what happens when to which phone.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) phones: Vec<Setup>,
    pub(crate) impairment: Impairment,
    pub(crate) steps: Vec<(Duration, usize, Action)>,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut n = Numbers(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ 0x7069_7072);
        let phones = 2 + n.below(3);
        let mut steps = Vec::new();
        let mut at = Duration::ZERO;
        for _ in 0..4 + n.below(16) {
            at += Self::pause(&mut n);
            let phone = n.below(phones);
            steps.push((at, phone, Self::action(&mut n, phone, phones)));
        }
        // A script without a call is none.
        steps.insert(0, (Duration::ZERO, 0, Action::Dial(1)));
        if n.below(2) == 0 {
            Self::plot(&mut n, phones, &mut steps);
            steps.sort_by_key(|(at, ..)| *at);
        }
        Self {
            phones: (0..phones).map(|_| Setup::new(&mut n)).collect(),
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

    /// What takes several steps in a row, and would hardly ever happen by chance: a call that is passed on, with a
    /// consultation or without.
    fn plot(n: &mut Numbers, phones: usize, steps: &mut Vec<(Duration, usize, Action)>) {
        use Action::{Answer, Dial, Hold, Transfer, TransferTo};
        let one = n.below(phones);
        let (peer, third) = ((one + 1) % phones, (one + 2) % phones);
        let consults = phones > 2 && n.below(2) == 0;
        let acts = match consults {
            true => vec![
                (one, Dial(peer)),
                (peer, Answer),
                (one, Hold),
                (one, Dial(third)),
                (third, Answer),
                (one, TransferTo),
            ],
            false => vec![(one, Dial(peer)), (peer, Answer), (one, Transfer(third))],
        };
        let mut at = Self::pause(n);
        for (phone, act) in acts {
            steps.push((at, phone, act));
            at += Duration::from_millis(n.below(3_000) as u64);
        }
    }

    fn action(n: &mut Numbers, phone: usize, phones: usize) -> Action {
        let other = (phone + 1 + n.below(phones - 1)) % phones;
        match n.below(64) {
            0..=7 => Action::Dial(other),
            8..=10 => Action::Progress,
            11..=20 => Action::Answer,
            21 => Action::Reject,
            22..=27 => Action::HangUp,
            28..=36 => Action::Renegotiate,
            37..=44 => Action::Hold,
            45..=48 => Action::Glare,
            49..=51 => Action::Transfer(other),
            52..=53 => Action::TransferTo,
            54..=55 => Action::Digit,
            56..=57 => Action::FailMedia,
            58 => Action::MuteMedia,
            59 => Action::SpeakMedia,
            60 => Action::CutOff,
            61 => Action::Die,
            _ => Action::Renegotiate,
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

impl Setup {
    fn new(n: &mut Numbers) -> Self {
        let mut policy = CallPolicy::default();
        let change = |n: &mut Numbers| [ChangeBy::Invite, ChangeBy::Update][n.below(2)];
        policy.change = change(n);
        policy.reliable = match n.below(8) {
            0 => Reliable::Off,
            1 | 2 => Reliable::Required,
            _ => Reliable::Supported,
        };
        policy.late_offer = n.below(6) == 0;
        policy.lock_codec = n.below(5) == 0;
        policy.hold = match n.below(6) {
            0 => HoldForm::ZeroAddress,
            1 | 2 => HoldForm::Inactive,
            _ => HoldForm::SendOnly,
        };
        let seconds = |s: [u64; 3], n: &mut Numbers| Duration::from_secs(s[n.below(3)]);
        policy.timers = match n.below(4) {
            0 => None,
            _ => Some(SessionTimers {
                wanted: Some(seconds([90, 90, 120], n)).filter(|_| n.below(2) == 0),
                min: seconds([90, 90, 110], n),
                refresher: [RefreshedBy::Either, RefreshedBy::Us, RefreshedBy::Peer][n.below(3)],
                by: change(n),
            }),
        };
        Self {
            policy,
            answers: n.below(2) == 0,
            shows: n.below(3) == 0,
        }
    }
}
