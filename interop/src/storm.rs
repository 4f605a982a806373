//! More calls than can be answered, from SIPp to us: held to a twentieth of a core, so that one machine can offer ten times
//! what that takes. How many are answered all the same, and whether the calls that are up feel it.

use std::time::Duration;

use crate::callee::{Callee, Time};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::hold::Hold;
use crate::lab::Lab;
use crate::process::Process;

/// How long calls are offered, and how much of that is the onset.
const STORM: Duration = Duration::from_secs(20);
const ONSET: Duration = Duration::from_secs(5);
/// How long a rate is tried out.
const TRIAL: Duration = Duration::from_secs(6);
/// A caller that is answered later has sent its INVITE again.
const IN_TIME: f64 = 500.0;
/// Calls that are up all the while.
const UP: u32 = 20;
/// Between two requests within such a call.
const BETWEEN: Duration = Duration::from_secs(6);

/// Measures and prints what the measurements' document takes.
pub(crate) fn run() -> Result<(), Error> {
    let hold = match Hold::twentieth() {
        Ok(hold) => hold,
        Err(why) => {
            eprintln!("interop: overload is not measured: {why}");
            return Ok(());
        }
    };
    let lab = Lab::open("storm")?;
    let mut callee = Callee::tipring(&lab, &[])?;
    hold.take(callee.process.id())?;
    let capacity = callee.capacity()?;
    for (times, least) in [(3, 0.9), (10, 0.7)] {
        callee.forget("uac-held")?;
        let up = callee.calls("uac-held", UP, 10, BETWEEN)?;
        pause(Duration::from_secs(4));
        let answered = callee.storm(times * capacity, STORM)?.in_a_second();
        let kept = callee.ended_well(up)?;
        println!(
            "measured: calls answered in a second at {times} times what a twentieth of a core takes, signals alone | {answered:.0} \
             | {capacity} (what it takes; {least} of that is asked for) | {:.2}",
            answered / f64::from(capacity)
        );
        println!(
            "measured: calls that were up at {times} times that load, and were asked, changed and ended in it | {kept} | {UP} \
             (that were up) | {:.2}",
            kept as f64 / f64::from(UP)
        );
        ensure(kept == UP as usize, || {
            format!("{kept} of {UP} calls that were up lived through it")
        })?;
        ensure(!callee.process.has_ended(), || {
            "it did not live through it".to_owned()
        })?;
        // What was dropped in silence is offered for a while.
        pause(Duration::from_secs(35));
    }
    Ok(())
}

/// When each call was answered and how long that took.
struct Answers(Vec<Time>);

impl Answers {
    fn in_a_second(&self) -> f64 {
        let first = self.0.first().map_or(0.0, |a| a.at);
        let (from, until) = (ONSET.as_millis() as f64, STORM.as_millis() as f64);
        let counted = |a: &&Time| (from..until).contains(&(a.at - first));
        self.0.iter().filter(counted).count() as f64 / (STORM - ONSET).as_secs_f64()
    }
}

impl Callee<'_> {
    /// The most calls a second that are all answered before their INVITE is sent again, to one part in twenty.
    fn capacity(&self) -> Result<u32, Error> {
        let (mut taken, mut refused) = (20_u32, 2_000_u32);
        while refused > taken + taken / 20 + 1 {
            let rate = match refused {
                2_000 => 2 * taken,
                _ => taken.midpoint(refused),
            };
            let offered = f64::from(rate) * TRIAL.as_secs_f64();
            let answers = self.storm(rate, TRIAL)?;
            let in_time = answers.0.iter().filter(|a| a.took < IN_TIME).count();
            match in_time as f64 >= 0.99 * offered {
                true => taken = rate,
                false => refused = rate,
            }
            pause(Duration::from_secs(2));
        }
        ensure(taken > 20, || "it takes no 20 calls a second".to_owned())?;
        Ok(taken)
    }

    /// Offers `rate` calls a second for so long.
    fn storm(&self, rate: u32, time: Duration) -> Result<Answers, Error> {
        let calls = rate * u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        self.forget("uac-storm")?;
        let mut sipp = self.calls("uac-storm", calls, rate, Duration::ZERO)?;
        // Calls that were dropped in silence fail, as they should.
        let _ended = sipp.wait(time + Duration::from_secs(60))?;
        let mut answers = self.times("uac-storm")?;
        answers.sort_by(|a, b| a.at.total_cmp(&b.at));
        Ok(Answers(answers))
    }

    /// How many of the calls that were up were asked, changed and ended: each of them ends with a time of its own.
    fn ended_well(&self, mut up: Process) -> Result<usize, Error> {
        up.wait(8 * BETWEEN)?;
        Ok(self.times("uac-held")?.len())
    }
}
