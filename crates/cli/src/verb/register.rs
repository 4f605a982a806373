//! `tipring register`: registers at a provider and stays registered.

use std::net::Ipv4Addr;

use serde_json::json;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{Phone, PhoneBuilder, RegistrationState, Uri};

use crate::account::uri;
use crate::args::RegisterArgs;
use crate::exit::{Fail, Failure};
use crate::line::close;
use crate::output::Output;

pub(crate) async fn run(args: &RegisterArgs) -> Result<(), Fail> {
    let mut account = args.account.account_of(&args.address)?;
    account.registering.expires = args.expires;
    if let Some(registrar) = &args.registrar {
        let wrong = || {
            Fail::new(
                Failure::Usage,
                format!("--registrar: '{registrar}' is no host"),
            )
        };
        account.registering.registrar = Some(uri(registrar).filter(Uri::is_sip).ok_or_else(wrong)?);
    }
    let bind = args
        .bind
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into(), |b| b.or_port(0));
    let mut builder = Phone::builder().bind(bind);
    if let Some(profile) = args.peer.profile {
        builder = builder.profile(profile);
    }
    if let Some(tls) = args.tls.settings() {
        builder = builder.tls(tls);
    }
    if args.fetch {
        return fetch(args, builder.account(account)).await;
    }
    let phone = builder.start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let mut registration = phone.register(account)?;
    let mut result = Ok(());
    loop {
        let state = tokio::select! {
            state = registration.changed() => state,
            _ = tokio::signal::ctrl_c() => break,
        };
        let Some(state) = state else { break };
        result = tell(&args.address, &state, &out);
        if args.once {
            break;
        }
    }
    close(phone, &out).await;
    result
}

/// Tells where the address is registered, and changes nothing.
async fn fetch(args: &RegisterArgs, builder: PhoneBuilder) -> Result<(), Fail> {
    let phone = builder.start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let contacts = phone.bindings().await;
    close(phone, &out).await;
    let contacts = contacts.map_err(|e| Fail::from(e).about(&args.address))?;
    let text = match &contacts[..] {
        [] => format!("{} is registered nowhere", args.address),
        all => format!("{} is registered at\n{}", args.address, all.join("\n")),
    };
    let fields = json!({ "address": args.address, "contacts": contacts });
    out.event(SystemClock.now(), "bindings", &text, fields);
    Ok(())
}

/// Says what became of the registration; an error if it did not work.
pub(crate) fn tell(address: &str, state: &RegistrationState, out: &Output) -> Result<(), Fail> {
    let now = SystemClock.now();
    match state {
        RegistrationState::Registered { expires, contacts } => {
            let seconds = expires.as_secs();
            let text = format!("{address} is registered for {seconds} s");
            let fields = json!({ "address": address, "expires": seconds, "contacts": contacts });
            out.event(now, "registered", &text, fields);
            Ok(())
        }
        RegistrationState::Failed {
            status,
            reason,
            retry_in,
        } => {
            let seconds = retry_in.as_secs();
            let what = match status {
                // It was asked again with what we have, or there was nothing to ask with.
                Some(status @ (401 | 407)) => {
                    format!("{status} {reason}: check the user name and the password")
                }
                Some(status) => format!("{status} {reason}"),
                None => reason.to_string(),
            };
            let text = format!("{address} is not registered: {what}; again in {seconds} s");
            let fields = json!({ "address": address, "status": status, "reason": reason, "retry_in": seconds });
            out.event(now, "registration failed", &text, fields);
            Err(Fail::new(Failure::Sip, format!("{address}: {what}")))
        }
        _ => Ok(()),
    }
}
