//! `tipring answer`: takes calls.

use std::io::BufRead;
use std::rc::Rc;

use serde_json::json;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Call, Phone};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, LocalSet};

use crate::args::AnswerArgs;
use crate::evidence::{Evidence, numbered};
use crate::exit::{Fail, Failure};
use crate::line::close;
use crate::output::Output;
use crate::talk::{Files, Plan, talk};

/// What a caller hears whom nobody wants to talk to now: 486 (RFC 3261 section 21.4.24).
pub(crate) const BUSY: u16 = 486;

/// Where calls are waited for if the user says nothing (RFC 3261 section 19.1.2).
pub(crate) const SIP_PORT: u16 = 5060;

pub(crate) async fn run(args: &AnswerArgs) -> Result<(), Fail> {
    // A file that cannot be played is told now and not to the first caller.
    Files::open(&args.media, None, false)?;
    let evidence = Evidence::new(args.proof.wants_trace());
    let phone = args
        .line
        .builder(None, SIP_PORT, evidence.trace())?
        .start()
        .await?;
    let out = Output::new(&args.output, SystemClock.now());
    let local = phone.local_addr();
    let text = format!("listening on {local}");
    out.event(
        SystemClock.now(),
        "listening",
        &text,
        json!({ "local": local.to_string() }),
    );
    let keys = match args.auto_answer {
        Some(_) => None,
        None => Some(keyboard()?),
    };
    let session = Rc::new(Session {
        args: args.clone(),
        evidence,
        out,
        keys,
    });
    let result = LocalSet::new().run_until(serve(&phone, session)).await;
    close(phone, &out).await;
    result
}

struct Session {
    args: AnswerArgs,
    evidence: Evidence,
    out: Output,
    /// The lines that are typed, for one ringing call after another.
    keys: Option<Mutex<mpsc::UnboundedReceiver<String>>>,
}

/// Takes calls until there were enough, or Ctrl-C. Ends with the failure of a call if only one was wanted, and with one if
/// the verdict of any does not hold that has to.
async fn serve(phone: &Phone, session: Rc<Session>) -> Result<(), Fail> {
    let mut calls = JoinSet::new();
    let mut taken = 0;
    let mut broken = 0;
    let wanted = session.args.max_calls;
    loop {
        let more = wanted.is_none_or(|w| taken < w);
        if !more && calls.is_empty() {
            return all_held(broken);
        }
        tokio::select! {
            call = phone.next_call() => {
                let Some(call) = call else { return all_held(broken) };
                if !more {
                    call.reject(BUSY)?;
                    continue;
                }
                taken += 1;
                calls.spawn_local(session.clone().one(call, taken));
            }
            Some(ended) = calls.join_next() => {
                let result = ended.map_err(|e| Fail::new(Failure::Sip, format!("a call: {e}")))?;
                if let Err(fail) = result {
                    if wanted == Some(1) {
                        return Err(fail);
                    }
                    eprintln!("tipring: {fail}");
                    broken += u32::from(fail.failure == Failure::Assertion);
                }
            }
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(|e| Fail::new(Failure::Sip, format!("Ctrl-C: {e}")))?;
                // Every call heard the same signal and hangs up.
                while let Some(ended) = calls.join_next().await {
                    ended.map_err(|e| Fail::new(Failure::Sip, format!("a call: {e}")))??;
                }
                return all_held(broken);
            }
        }
    }
}

/// What is to be said at last if the verdicts of `broken` calls do not hold.
fn all_held(broken: u32) -> Result<(), Fail> {
    match broken {
        0 => Ok(()),
        1 => Err(Fail::new(
            Failure::Assertion,
            "the verdict of 1 call does not hold",
        )),
        n => Err(Fail::new(
            Failure::Assertion,
            format!("the verdict of {n} calls does not hold"),
        )),
    }
}

impl Session {
    async fn one(self: Rc<Self>, call: Call, n: u32) -> Result<(), Fail> {
        let (args, out) = (&self.args, &self.out);
        let events = call.events();
        let text = format!("call from {}", call.peer());
        out.event(
            SystemClock.now(),
            "incoming",
            &text,
            json!({ "from": call.peer() }),
        );
        let record = args.media.record.as_ref().map(|p| numbered(p, n));
        let files = Files::open(&args.media, record, args.proof.judges())
            .and_then(|f| f.select(&call).map(|()| f));
        let files = match files {
            Ok(files) => files,
            Err(fail) => {
                // The caller need not wait for what cannot be: it is told, then we are.
                call.reject(500)?;
                return Err(fail);
            }
        };
        self.react(&call)?;
        let plan = Plan {
            ring_time: None,
            duration: args.media.duration,
            dtmf: args.media.dtmf.clone(),
            until_played: false,
        };
        let key = call.key();
        let talked = talk(&call, events, &plan, &files, out).await?;
        let proof = args.proof.for_call(n);
        let verdict = self.evidence.conclude(proof, key, files, *out).await?;
        talked.result(verdict.as_ref().filter(|_| args.proof.assert))
    }

    fn react(self: &Rc<Self>, call: &Call) -> Result<(), Fail> {
        match self.args.auto_answer {
            Some(..200) => call.ring()?,
            Some(200..300) => call.start_answer()?,
            Some(status) => call.reject(status)?,
            None => {
                call.ring()?;
                tokio::task::spawn_local(self.clone().ask(call.clone()));
            }
        }
        Ok(())
    }

    /// Answers or refuses a call as the user types. Calls that ring at once take turns.
    async fn ask(self: Rc<Self>, call: Call) {
        let Some(keys) = &self.keys else { return };
        let mut keys = keys.lock().await;
        // What was typed before it rang was not meant for it.
        while keys.try_recv().is_ok() {}
        eprintln!("{} rings: Enter answers, 'b' refuses", call.peer());
        loop {
            let line = tokio::select! {
                line = keys.recv() => line,
                _ = call.ended() => None,
            };
            let Some(line) = line else { return };
            let done = match line.trim().to_ascii_lowercase().as_str() {
                "" | "a" => call.start_answer(),
                "b" => call.reject(BUSY),
                _ => continue,
            };
            // A phone that is closed has told so itself.
            let _closed = done;
            return;
        }
    }
}

/// The lines that are typed. The thread ends with the input or the program.
fn keyboard() -> Result<Mutex<mpsc::UnboundedReceiver<String>>, Fail> {
    let (lines, typed) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("keyboard".into())
        .spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if lines.send(line).is_err() {
                    return;
                }
            }
        })
        .map_err(|e| Fail::new(Failure::Usage, format!("keyboard: {e}")))?;
    Ok(Mutex::new(typed))
}
