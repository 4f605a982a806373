//! `tipring call`: places a call.

use serde_json::json;

use crate::args::CallArgs;
use crate::evidence::Evidence;
use crate::exit::Fail;
use crate::line::close;
use crate::output::Output;
use crate::talk::{Files, Plan, talk};
use tipring::msp_engine::{Clock, SystemClock};

pub(crate) async fn run(args: &CallArgs) -> Result<(), Fail> {
    let files = Files::open(&args.media, args.media.record.clone(), args.proof.judges())?;
    let evidence = Evidence::new(args.proof.wants_trace());
    let mut builder = args
        .line
        .builder(Some(&args.target), 0, evidence.trace(), &args.peer)?;
    builder = args.identity.on(builder)?;
    if let Some(account) = args.account.account(&args.target)? {
        builder = builder.account(account);
    }
    let phone = builder.start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let call = phone.prepare(&args.target)?;
    let events = call.events();
    files.select(&call)?;
    let text = format!("calling {}", call.peer());
    out.event(
        SystemClock.now(),
        "calling",
        &text,
        json!({ "to": call.peer() }),
    );
    call.place()?;
    let plan = Plan {
        ring_time: Some(args.ring_time),
        duration: args.media.duration,
        dtmf: args.media.dtmf.clone(),
        until_played: true,
    };
    let key = call.key();
    let talked = talk(&call, events, &plan, &files, &out).await?;
    close(phone, &out).await;
    let proof = args.proof.clone();
    let verdict = evidence.conclude(proof, key, files, out).await?;
    talked.result(verdict.as_ref().filter(|_| args.proof.assert))
}
