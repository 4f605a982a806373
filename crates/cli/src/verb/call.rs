//! `tipring call`: places a call.

use serde_json::json;

use crate::args::CallArgs;
use crate::chain::{Chain, conclude, followed};
use crate::evidence::Evidence;
use crate::exit::Fail;
use crate::line::close;
use crate::output::Output;
use crate::talk::{Files, Plan};
use tipring::msp_engine::{Clock, SystemClock};

pub(crate) async fn run(args: &CallArgs) -> Result<(), Fail> {
    let open = |depth| {
        let record = args.media.record.as_ref().map(|p| followed(p, depth));
        Files::open(&args.media, record, args.proof.judges())
    };
    let files = open(0)?;
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
    let transfer = args.transfer.on(&phone)?;
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
        transfer,
        follow: args.media.follow_transfers,
    };
    let chain = Chain { out, open: &open };
    let parts = chain.run(call, events, &plan, files).await?;
    close(phone, &out).await;
    conclude(parts, &evidence, &args.proof, out).await
}
