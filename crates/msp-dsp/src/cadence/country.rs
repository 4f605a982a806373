//! The tones of countries: ITU-T E.180 supplement 2, and what is said beside each.

use std::time::Duration;

use super::{Burst, Cadence, ProgressTone};
use crate::{FULL_SCALE_DBM0, Partial};

/// Whose tones are meant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Country {
    /// What European countries agreed on (CEPT; 3GPP TS 22.001 gives the same to mobile phones).
    #[default]
    Europe,
    /// Germany.
    Germany,
    /// The United States, Canada and the others of the North American numbering plan.
    NorthAmerica,
    /// The United Kingdom (BT SIN 350).
    UnitedKingdom,
    /// France.
    France,
    /// Italy.
    Italy,
    /// Japan.
    Japan,
    /// Australia (AS/ACIF S002).
    Australia,
}

impl Country {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Europe,
        Self::Germany,
        Self::NorthAmerica,
        Self::UnitedKingdom,
        Self::France,
        Self::Italy,
        Self::Japan,
        Self::Australia,
    ];

    /// The country of a code of ISO 3166-1 (`DE`, `US`, `CA`, `GB`, `FR`, `IT`, `JP`, `AU`; also `UK` and `EU`), in
    /// either case.
    pub fn from_code(code: &str) -> Option<Self> {
        const CODES: [(&str, Country); 10] = [
            ("EU", Country::Europe),
            ("DE", Country::Germany),
            ("US", Country::NorthAmerica),
            ("CA", Country::NorthAmerica),
            ("GB", Country::UnitedKingdom),
            ("UK", Country::UnitedKingdom),
            ("FR", Country::France),
            ("IT", Country::Italy),
            ("JP", Country::Japan),
            ("AU", Country::Australia),
        ];
        CODES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(code))
            .map(|(_, country)| country)
    }
}

/// How `tone` sounds in `country`.
pub(super) fn cadence(tone: ProgressTone, country: Country) -> Cadence<'static> {
    let forever = |bursts| Cadence {
        bursts,
        times: None,
    };
    let once = |bursts| Cadence {
        bursts,
        times: Some(1),
    };
    let tones = match country {
        Country::Europe => &EUROPE,
        Country::Germany => &GERMANY,
        Country::NorthAmerica => &NORTH_AMERICA,
        Country::UnitedKingdom => &UNITED_KINGDOM,
        Country::France => &FRANCE,
        Country::Italy => &ITALY,
        Country::Japan => &JAPAN,
        Country::Australia => &AUSTRALIA,
    };
    match tone {
        ProgressTone::Dial => forever(tones.dial),
        ProgressTone::Ringback => forever(tones.ringback),
        ProgressTone::Busy => forever(tones.busy),
        ProgressTone::Congestion => forever(tones.congestion),
        ProgressTone::CallWaiting => forever(tones.call_waiting),
        ProgressTone::SpecialInformation => forever(tones.special_information),
        ProgressTone::Recording => forever(tones.recording),
        ProgressTone::Beep => once(&BEEP),
        ProgressTone::Billing => once(&BILLING),
    }
}

/// The tones of one country, each from its beginning to where it begins again.
struct Tones {
    dial: &'static [Burst],
    ringback: &'static [Burst],
    busy: &'static [Burst],
    congestion: &'static [Burst],
    call_waiting: &'static [Burst],
    special_information: &'static [Burst],
    recording: &'static [Burst],
}

const EUROPE: Tones = Tones {
    dial: &[endless(one(425.0, 0, 0))],
    ringback: &[one(425.0, 1000, 4000)],
    busy: &[one(425.0, 500, 500)],
    congestion: &[one(425.0, 200, 200)],
    call_waiting: &[one(425.0, 200, 600), one(425.0, 200, 3000)],
    special_information: &RISING,
    recording: &[one(1400.0, 400, 15_000)],
};

const GERMANY: Tones = Tones {
    busy: &[one(425.0, 480, 480)],
    congestion: &[one(425.0, 240, 240)],
    call_waiting: &[one(425.0, 200, 200), one(425.0, 200, 5000)],
    recording: &[one(1400.0, 80, 15_000)],
    ..EUROPE
};

// Levels of the precise tone plan.
const NORTH_AMERICA: Tones = Tones {
    dial: &[endless(Burst::new([350.0, 440.0, 0.0], -13.0, 0, 0))],
    ringback: &[Burst::new([440.0, 480.0, 0.0], -19.0, 2000, 4000)],
    busy: &[Burst::new([480.0, 620.0, 0.0], -24.0, 500, 500)],
    congestion: &[Burst::new([480.0, 620.0, 0.0], -24.0, 250, 250)],
    call_waiting: &[Burst::new([440.0, 0.0, 0.0], -13.0, 300, 10_000)],
    special_information: &RISING,
    recording: &[one(1400.0, 500, 15_000)],
};

const UNITED_KINGDOM: Tones = Tones {
    dial: &[endless(two(350.0, 440.0, 0, 0))],
    ringback: &[two(400.0, 450.0, 400, 200), two(400.0, 450.0, 400, 2000)],
    busy: &[one(400.0, 375, 375)],
    congestion: &[one(400.0, 400, 350), one(400.0, 225, 525)],
    call_waiting: &[one(400.0, 100, 4000)],
    special_information: &[
        one(950.0, 330, 15),
        one(1400.0, 330, 15),
        one(1800.0, 330, 1000),
    ],
    recording: &[one(1400.0, 500, 60_000)],
};

const FRANCE: Tones = Tones {
    dial: &[endless(one(440.0, 0, 0))],
    ringback: &[one(440.0, 1500, 3500)],
    busy: &[one(440.0, 500, 500)],
    // The supplement gives none.
    congestion: &[one(440.0, 250, 250)],
    call_waiting: &[one(440.0, 300, 10_000)],
    special_information: &[
        one(950.0, 300, 30),
        one(1400.0, 300, 30),
        one(1800.0, 300, 1000),
    ],
    recording: &[one(1400.0, 500, 15_000)],
};

const ITALY: Tones = Tones {
    dial: &[one(425.0, 200, 200), one(425.0, 600, 1000)],
    call_waiting: &[
        one(425.0, 400, 100),
        one(425.0, 250, 100),
        one(425.0, 150, 14_000),
    ],
    ..EUROPE
};

const JAPAN: Tones = Tones {
    dial: &[endless(one(400.0, 0, 0))],
    ringback: &[fluttering(1000, 2000)],
    busy: &[one(400.0, 500, 500)],
    // One tone serves for both.
    congestion: &[one(400.0, 500, 500)],
    call_waiting: &[fluttering(500, 8000)],
    special_information: &RISING,
    recording: &[one(1400.0, 500, 15_000)],
};

const AUSTRALIA: Tones = Tones {
    dial: &[endless(two(413.0, 438.0, 0, 0))],
    ringback: &[two(413.0, 438.0, 400, 200), two(413.0, 438.0, 400, 2000)],
    busy: &[one(425.0, 375, 375)],
    // Every other one is 10 dB softer, which tells it from busy.
    congestion: &[
        one(425.0, 375, 375),
        Burst::new([425.0, 0.0, 0.0], SINGLE - 10.0, 375, 375),
    ],
    call_waiting: &[one(425.0, 200, 200), one(425.0, 200, 4400)],
    // The tone for a number that cannot be obtained.
    special_information: &[one(425.0, 2500, 500)],
    recording: &[one(1400.0, 360, 15_000)],
};

/// The special information tone of E.180 section 6.
const RISING: [Burst; 3] = [
    one(950.0, 330, 0),
    one(1400.0, 330, 0),
    one(1800.0, 330, 1000),
];

static BEEP: [Burst; 1] = [one(1400.0, 500, 0)];

/// The prompt of North American calling cards: 60 ms of the digit `#`, then 940 ms of dial tone that falls by 8.7 dB each
/// 200 ms, here in steps.
static BILLING: [Burst; 6] = [
    Burst::new([941.0, 1477.0, 0.0], -10.0, 60, 0),
    Burst::new([350.0, 440.0, 0.0], -10.0, 188, 0),
    Burst::new([350.0, 440.0, 0.0], -18.0, 188, 0),
    Burst::new([350.0, 440.0, 0.0], -26.0, 188, 0),
    Burst::new([350.0, 440.0, 0.0], -34.0, 188, 0),
    Burst::new([350.0, 440.0, 0.0], -42.0, 188, 0),
];

/// The level of a tone of one sine, and of each of two that are as loud together: E.180 section 7 wants about -10 dBm0.
const SINGLE: f32 = -10.0;
const DOUBLE: f32 = -13.0;

const fn one(hz: f32, on: u64, off: u64) -> Burst {
    Burst::new([hz, 0.0, 0.0], SINGLE, on, off)
}

const fn two(low: f32, high: f32, on: u64, off: u64) -> Burst {
    Burst::new([low, high, 0.0], DOUBLE, on, off)
}

/// Without a pause, ever.
const fn endless(burst: Burst) -> Burst {
    Burst {
        on: Duration::MAX,
        ..burst
    }
}

/// Japan's 400 Hz, whose loudness swings 16 times a second: its two side tones have half its amplitude.
const fn fluttering(on: u64, off: u64) -> Burst {
    let dbfs = SINGLE - FULL_SCALE_DBM0;
    let [side, middle] = [dbfs - 6.02, dbfs];
    let burst = one(400.0, on, off);
    Burst {
        partials: [
            Partial {
                hz: 384.0,
                dbfs: side,
            },
            Partial {
                hz: 400.0,
                dbfs: middle,
            },
            Partial {
                hz: 416.0,
                dbfs: side,
            },
        ],
        ..burst
    }
}
