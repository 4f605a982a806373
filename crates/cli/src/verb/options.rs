//! `tipring options`: asks a peer what it can do.

use std::net::Ipv4Addr;

use serde_json::json;
use tipring::Phone;
use tipring::msp_engine::{Clock, SystemClock};
use tokio::time::timeout;

use crate::args::OptionsArgs;
use crate::exit::{Fail, Failure};
use crate::line::GOODBYES;
use crate::output::Output;

pub(crate) async fn run(args: &OptionsArgs) -> Result<(), Fail> {
    let bind = args
        .bind
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into(), |b| b.or_port(0));
    let mut builder = Phone::builder().bind(bind);
    if let Some(account) = args.account.account(&args.target)? {
        builder = builder.account(account);
    }
    if let Some(tls) = args.tls.settings() {
        builder = builder.tls(tls);
    }
    let phone = builder.start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let answer = timeout(args.timeout, phone.options(&args.target)).await;
    let _silent_peer = timeout(GOODBYES, phone.close()).await;
    let answer = answer.map_err(|_| {
        let why = format!("{}: no answer", args.target);
        Fail::new(Failure::Timeout, why)
    })?;
    let peer = answer.map_err(|e| Fail::from(e).about(&args.target))?;
    let text = format!(
        "{} {} in {:.1} ms\nAllow: {}\nUser-Agent: {}",
        peer.status,
        peer.reason,
        peer.round_trip.as_secs_f64() * 1000.0,
        peer.allow,
        peer.user_agent
    );
    let fields = json!({
        "status": peer.status,
        "reason": &*peer.reason,
        "allow": &*peer.allow,
        "user_agent": &*peer.user_agent,
        "round_trip_ms": peer.round_trip.as_secs_f64() * 1000.0,
    });
    out.event(SystemClock.now(), "options", &text, fields);
    match peer.status {
        200..300 => Ok(()),
        status => Err(Fail::new(
            Failure::Sip,
            format!("{}: {status} {}", args.target, peer.reason),
        )),
    }
}
