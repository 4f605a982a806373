//! Gathering digits that the peer presses: how many, until which key, how long to wait (C26).

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::link::Digit;
use crate::time::Instant;

/// Digits that one gathering can bring at most.
pub const MAX_GATHERED: usize = 256;

/// When a gathering ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GatherSpec {
    /// With so many digits, 1 to [`MAX_GATHERED`].
    pub digits: usize,
    /// With one of these, which is the last that it brings.
    pub terminators: Vec<Digit>,
    /// When none came for so long after it began; never if not given.
    pub first_timeout: Option<Duration>,
    /// When none came for so long after the last one; never if not given.
    pub inter_timeout: Option<Duration>,
}

impl GatherSpec {
    /// Waits for so many digits as long as it takes.
    pub const fn digits(digits: usize) -> Self {
        Self {
            digits,
            terminators: Vec::new(),
            first_timeout: None,
            inter_timeout: None,
        }
    }

    fn check(&self) -> Result<()> {
        if (1..=MAX_GATHERED).contains(&self.digits) {
            return Ok(());
        }
        let what = format!("a gathering of {} digits", self.digits);
        Err(Error::new(ErrorKind::InvalidArgument, what))
    }
}

/// Why a gathering ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GatherEnd {
    /// As many as were asked for came.
    Full,
    /// A key came that ends it.
    Terminated,
    /// The first did not come in time.
    FirstTimeout,
    /// The next did not come in time.
    InterTimeout,
    /// It was given up, another one took its place, or the call is over.
    Cancelled,
}

/// What a gathering brought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gathered {
    /// The digits in the order in which they came, that which ended it included.
    pub digits: Box<[Digit]>,
    /// Why it ended.
    pub end: GatherEnd,
}

/// A gathering that goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gathering {
    spec: GatherSpec,
    digits: Vec<Digit>,
    deadline: Option<Instant>,
}

impl Gathering {
    /// Begins at `now`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for no digit at all or more than [`MAX_GATHERED`].
    pub fn new(now: Instant, spec: GatherSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self {
            deadline: spec.first_timeout.map(|t| now + t),
            digits: Vec::with_capacity(spec.digits),
            spec,
        })
    }

    /// A digit came; what was gathered if it was the last.
    pub fn digit(&mut self, now: Instant, digit: Digit) -> Option<Gathered> {
        self.digits.push(digit);
        self.deadline = self.spec.inter_timeout.map(|t| now + t);
        if self.spec.terminators.contains(&digit) {
            return Some(self.end(GatherEnd::Terminated));
        }
        (self.digits.len() >= self.spec.digits).then(|| self.end(GatherEnd::Full))
    }

    /// When [`timeout`](Self::timeout) is to be asked.
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// It is `now`; what was gathered if that is too late for more.
    pub fn timeout(&mut self, now: Instant) -> Option<Gathered> {
        self.deadline.filter(|at| *at <= now)?;
        Some(self.end(match self.digits.is_empty() {
            true => GatherEnd::FirstTimeout,
            false => GatherEnd::InterTimeout,
        }))
    }

    /// It is given up.
    pub fn cancel(mut self) -> Gathered {
        self.end(GatherEnd::Cancelled)
    }

    fn end(&mut self, end: GatherEnd) -> Gathered {
        let digits = std::mem::take(&mut self.digits).into();
        Gathered { digits, end }
    }
}
