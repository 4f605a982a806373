//! `tipring echo`: takes calls and sends back what is heard.

use serde_json::json;
use tipring::Call;
use tipring::msp_core::media::Direction;
use tipring::msp_core::trace::Trace;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::terminals::Echo;
use tokio::task::JoinSet;

use super::answer::{BUSY, SIP_PORT};
use crate::args::EchoArgs;
use crate::exit::{Fail, Failure};
use crate::line::close;
use crate::output::Output;
use crate::talk::{Files, Plan, talk};

pub(crate) async fn run(args: &EchoArgs) -> Result<(), Fail> {
    let phone = args
        .line
        .builder(None, SIP_PORT, Trace::OFF)?
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
    let mut calls = JoinSet::new();
    let mut taken = 0;
    let result = loop {
        let more = args.max_calls.is_none_or(|w| taken < w);
        if !more && calls.is_empty() {
            break Ok(());
        }
        tokio::select! {
            call = phone.next_call() => {
                let Some(call) = call else { break Ok(()) };
                if !more {
                    call.reject(BUSY)?;
                    continue;
                }
                taken += 1;
                calls.spawn(one(call, out));
            }
            Some(ended) = calls.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(fail)) if args.max_calls == Some(1) => break Err(fail),
                Ok(Err(fail)) => eprintln!("tipring: {fail}"),
                Err(e) => break Err(Fail::new(Failure::Sip, format!("a call: {e}"))),
            },
            signal = tokio::signal::ctrl_c() => {
                break signal.map_err(|e| Fail::new(Failure::Sip, format!("Ctrl-C: {e}")));
            }
        }
    };
    close(phone, &out).await;
    result
}

async fn one(call: Call, out: Output) -> Result<(), Fail> {
    let events = call.events();
    let text = format!("call from {}", call.peer());
    out.event(
        SystemClock.now(),
        "incoming",
        &text,
        json!({ "from": call.peer() }),
    );
    let echo = Echo::new();
    call.select(Direction::Capture, echo.clone())?;
    call.select(Direction::Render, echo)?;
    call.start_answer()?;
    talk(&call, events, &Plan::default(), &Files::default(), &out)
        .await?
        .result(None)
}
