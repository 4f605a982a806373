//! Waiting for calls, and what becomes of each.

use std::future::Future;

use serde_json::json;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Account, Call, Phone, PhoneBuilder};
use tokio::task::{JoinError, JoinSet, LocalSet};

use crate::exit::{Fail, Failure};
use crate::identity::{caller_json, describe};
use crate::line::close;
use crate::output::Output;
use crate::verb::register::tell;

/// What a caller hears whom nobody wants to talk to now: 486 (RFC 3261 section 21.4.24).
pub(crate) const BUSY: u16 = 486;

/// Where calls are waited for if the user says nothing (RFC 3261 section 19.1.2).
pub(crate) const SIP_PORT: u16 = 5060;

/// Opens the phone of `builder`, registers `account` if there is one, and takes calls until there were `wanted`, or Ctrl-C.
/// `one` follows the `n`th to its end.
///
/// Ends with the failure of the registration if the first attempt fails, with the failure of a call if only one was wanted, and with one if the verdict of any does not hold that has to.
pub(crate) async fn listen<F>(
    builder: PhoneBuilder,
    account: Option<Account>,
    out: Output,
    wanted: Option<u32>,
    one: impl Fn(Call, u32) -> F,
) -> Result<(), Fail>
where
    F: Future<Output = Result<(), Fail>> + 'static,
{
    let phone = builder.start().await?;
    let local = phone.local_addr();
    let text = format!("listening on {local}");
    let fields = json!({ "local": local.to_string() });
    out.event(SystemClock.now(), "listening", &text, fields);
    let result = match register(&phone, account, &out).await {
        Ok(()) => {
            let serving = serve(&phone, out, wanted, one);
            LocalSet::new().run_until(serving).await
        }
        Err(fail) => Err(fail),
    };
    close(phone, &out).await;
    result
}

/// Registers `account` and says what became of it the first time; the phone sees to the rest.
async fn register(phone: &Phone, account: Option<Account>, out: &Output) -> Result<(), Fail> {
    let Some(account) = account else {
        return Ok(());
    };
    let address = account.aor.to_string();
    let mut registration = phone.register(account)?;
    match registration.changed().await {
        Some(state) => tell(&address, &state, out),
        None => Ok(()),
    }
}

async fn serve<F>(
    phone: &Phone,
    out: Output,
    wanted: Option<u32>,
    one: impl Fn(Call, u32) -> F,
) -> Result<(), Fail>
where
    F: Future<Output = Result<(), Fail>> + 'static,
{
    let mut calls = JoinSet::new();
    let mut taken = 0;
    let mut broken = 0;
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
                let (text, fields) = match call.caller() {
                    Some(caller) => (describe(caller), caller_json(caller)),
                    None => (call.peer().to_owned(), json!(null)),
                };
                let text = format!("call from {text}");
                let fields = json!({ "from": call.peer(), "caller": fields });
                out.event(SystemClock.now(), "incoming", &text, fields);
                calls.spawn_local(one(call, taken));
            }
            Some(ended) = calls.join_next() => {
                if let Err(fail) = ended.map_err(broke)? {
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
                    ended.map_err(broke)??;
                }
                return all_held(broken);
            }
        }
    }
}

fn broke(error: JoinError) -> Fail {
    Fail::new(Failure::Sip, format!("a call: {error}"))
}

/// What is to be said at last if the verdicts of `broken` calls do not hold.
fn all_held(broken: u32) -> Result<(), Fail> {
    let calls = match broken {
        0 => return Ok(()),
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    };
    let text = format!("the verdict of {calls} does not hold");
    Err(Fail::new(Failure::Assertion, text))
}
