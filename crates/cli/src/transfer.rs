//! A call that we pass on to somebody else: blindly, or after a consultation.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use tipring::msp_core::time::Instant;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Call, Event, EventKind, Phone, target_uri};
use tokio::time::Instant as Deadline;

use crate::args::TransferArgs;
use crate::exit::{Fail, Failure};
use crate::output::Output;

/// To whom a call is to be passed on, and when.
#[derive(Debug)]
pub(crate) struct Transfer {
    to: String,
    /// How long after the call was connected; when the file is over if nothing is said.
    after: Option<Duration>,
    /// The call to whom it goes to, to be made before.
    consultation: Option<Call>,
}

impl TransferArgs {
    /// What they ask for, with the call of a consultation made ready on `phone`.
    pub(crate) fn on(&self, phone: &Phone) -> Result<Option<Transfer>, Fail> {
        let Some(to) = self.transfer_to.clone() else {
            return Ok(None);
        };
        target_uri(&to)?;
        let consultation = match self.consult {
            true => Some(phone.prepare(&to)?),
            false => None,
        };
        Ok(Some(Transfer {
            to,
            after: self.transfer_after,
            consultation,
        }))
    }
}

/// What became of a consultation.
pub(crate) type Consulted = Result<(), tipring::Error>;

enum State {
    /// The call is not connected yet, or plays.
    Waiting,
    At(Deadline),
    /// Whom it goes to is called.
    Consulting(Pin<Box<dyn Future<Output = Consulted>>>),
    /// The peer was asked.
    Asked,
    Done,
    Failed(Fail),
}

/// How far the transfer of a call is.
pub(crate) struct Passing<'a> {
    call: &'a Call,
    plan: Option<&'a Transfer>,
    state: State,
}

impl<'a> Passing<'a> {
    pub(crate) const fn new(plan: Option<&'a Transfer>, call: &'a Call) -> Self {
        Self {
            call,
            plan,
            state: State::Waiting,
        }
    }

    /// The call is connected; `plays` something.
    pub(crate) fn connected(&mut self, now: Deadline, plays: bool) {
        if let Some(plan) = self.plan {
            self.state = match plan.after {
                Some(after) => State::At(now + after),
                None if plays => State::Waiting,
                None => State::At(now),
            };
        }
    }

    /// Whether the transfer is due as what was played is over.
    pub(crate) fn played(&self) -> bool {
        self.plan.is_some() && matches!(self.state, State::Waiting)
    }

    /// When it is due.
    pub(crate) const fn at(&self) -> Option<Deadline> {
        match self.state {
            State::At(at) => Some(at),
            _ => None,
        }
    }

    /// Asks the peer, or calls whom it is to be passed on to.
    pub(crate) fn begin(&mut self, out: &Output) {
        let Some(plan) = self.plan else { return };
        if let Some(other) = plan.consultation.clone() {
            let text = format!("holding the call and asking {}", plan.to);
            let fields = json!({ "to": plan.to });
            out.event(SystemClock.now(), "consulting", &text, fields);
            let call = self.call.clone();
            self.state = State::Consulting(Box::pin(async move {
                call.hold().await?;
                other.place()?;
                other.connected().await
            }));
            return;
        }
        let asked = self.call.start_transfer(&plan.to);
        self.asked(asked, out);
    }

    pub(crate) const fn consults(&self) -> bool {
        matches!(self.state, State::Consulting(_))
    }

    /// Waits until whom the call goes to has taken the other call, or has not.
    pub(crate) async fn consulted(&mut self) -> Consulted {
        match &mut self.state {
            State::Consulting(waiting) => waiting.await,
            _ => std::future::pending().await,
        }
    }

    /// Asks the peer after a consultation; whether there is nothing to ask it for.
    pub(crate) fn ask(&mut self, consulted: Consulted, out: &Output) -> bool {
        let Some(other) = self.plan.and_then(|p| p.consultation.as_ref()) else {
            return true;
        };
        let asked = consulted.and_then(|()| self.call.start_transfer_to(other));
        self.asked(asked, out);
        matches!(self.state, State::Failed(_))
    }

    fn asked(&mut self, asked: Result<(), tipring::Error>, out: &Output) {
        let Some(plan) = self.plan else { return };
        let at = SystemClock.now();
        match asked {
            Ok(()) => {
                self.state = State::Asked;
                let text = format!("asking the peer to call {}", plan.to);
                out.event(at, "transferring", &text, json!({ "to": plan.to }));
            }
            Err(error) => {
                let status = error.status();
                self.failed(at, status, &error.to_string(), out);
            }
        }
    }

    /// Takes what the peer says of the transfer; whether it did not come about.
    pub(crate) fn take(&mut self, event: &Event, out: &Output) -> bool {
        let Some(plan) = self.plan else { return false };
        match event.kind {
            EventKind::TransferProgress(status) => {
                let text = format!("the peer says of its call: {status}");
                let fields = json!({ "status": status });
                out.event(event.at, "transfer-progress", &text, fields);
            }
            EventKind::Transferred => {
                self.state = State::Done;
                let text = format!("passed on to {}", plan.to);
                out.event(event.at, "transferred", &text, json!({ "to": plan.to }));
            }
            EventKind::TransferFailed(status) => {
                self.failed(event.at, Some(status), &status.to_string(), out);
                return true;
            }
            _ => {}
        }
        false
    }

    fn failed(&mut self, at: Instant, status: Option<u16>, why: &str, out: &Output) {
        let Some(plan) = self.plan else { return };
        let text = format!("not passed on to {}: {why}", plan.to);
        let fields = json!({ "to": plan.to, "status": status });
        out.event(at, "transfer-failed", &text, fields);
        self.state = State::Failed(Fail::new(Failure::Sip, text));
    }

    /// The call is over: ends the consultation, and says why the transfer did not come about if it should have.
    pub(crate) fn finish(self) -> Option<Fail> {
        let plan = self.plan?;
        if let Some(other) = &plan.consultation {
            // It is over by itself where all went well.
            let _over = other.start_hang_up();
        }
        match self.state {
            State::Done => None,
            State::Failed(fail) => Some(fail),
            _ => {
                let text = format!("it was over before it was passed on to {}", plan.to);
                Some(Fail::new(Failure::Sip, text))
            }
        }
    }
}
