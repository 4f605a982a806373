//! `tipring message`: sends a text to a user.

use std::net::Ipv4Addr;

use serde_json::json;
use tipring::Phone;
use tipring::msp_engine::{Clock, SystemClock};

use crate::args::MessageArgs;
use crate::exit::Fail;
use crate::output::Output;

pub(crate) async fn run(args: &MessageArgs) -> Result<(), Fail> {
    let bind = args
        .bind
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into(), |b| b.or_port(0));
    let phone = Phone::builder().bind(bind).start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let sent = phone.message(&args.target, &args.text).await;
    phone.close().await;
    sent.map_err(|e| Fail::from(e).about(&args.target))?;
    let text = format!("{} has the message", args.target);
    out.event(
        SystemClock.now(),
        "delivered",
        &text,
        json!({ "to": args.target }),
    );
    Ok(())
}
