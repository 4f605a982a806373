//! `tipring watch`: subscribes to a state of somebody's and tells it.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use tipring::msp_engine::{Clock, SystemClock};
use tipring::{
    DialogInfo, MessageSummary, Notice, Phone, Presence, Subscription, SubscriptionKind,
};

use crate::args::WatchArgs;
use crate::exit::{Fail, Failure};
use crate::output::Output;

pub(crate) async fn run(args: &WatchArgs) -> Result<(), Fail> {
    let bind = args
        .bind
        .map_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into(), |b| b.or_port(0));
    let phone = Phone::builder().bind(bind).start().await?;
    let out = Output::new(&args.output, SystemClock.now());
    let expires = if args.once {
        Duration::ZERO
    } else {
        args.expires
    };
    let watched = match phone.subscribe(&args.target, args.event.package(), expires) {
        Ok(subscription) => watch(args, subscription, &out).await,
        Err(e) => Err(Fail::from(e).about(&args.target)),
    };
    phone.close().await;
    watched
}

/// Until it is over, or the user has enough of it.
async fn watch(args: &WatchArgs, mut told: Subscription, out: &Output) -> Result<(), Fail> {
    let mut heard = false;
    let mut left = false;
    loop {
        let kind = tokio::select! {
            kind = told.next() => kind,
            signal = tokio::signal::ctrl_c(), if !left => {
                // Without the signal nobody could end it decently.
                left = true;
                if signal.is_err() || told.end().is_err() {
                    return Ok(());
                }
                continue;
            }
        };
        let (name, text, fields) = match kind {
            None => return Ok(()),
            Some(SubscriptionKind::Active) => ("active", "subscribed".into(), json!({})),
            Some(SubscriptionKind::Pending) => ("pending", "waits for consent".into(), json!({})),
            Some(SubscriptionKind::Notified { from, notice }) => {
                heard = true;
                let (text, mut fields) = describe(&notice);
                if let Value::Object(fields) = &mut fields {
                    fields.insert("from".into(), (&*from).into());
                }
                ("state", text, fields)
            }
            Some(SubscriptionKind::Interrupted {
                status,
                reason,
                after,
            }) => {
                let status = status.map(|s| s.code());
                let again = after.as_secs();
                let text = format!("lost ({reason}), again in {again} s");
                let fields = json!({ "status": status, "reason": &*reason, "again_s": again });
                ("interrupted", text, fields)
            }
            Some(SubscriptionKind::Ended { status, reason }) => {
                if left || args.once && heard {
                    return Ok(());
                }
                let status = status.map(|s| format!("{} ", s.code())).unwrap_or_default();
                let text = format!("{}: {status}{reason}", args.target);
                return Err(Fail::new(Failure::Sip, text));
            }
            Some(_) => continue,
        };
        out.event(SystemClock.now(), name, &text, fields);
    }
}

/// A state for people and for programs.
fn describe(notice: &Notice) -> (String, Value) {
    match notice {
        Notice::Messages(summary) => messages(summary),
        Notice::Dialogs(info) => dialogs(info),
        Notice::Presence(presence) => reachable(presence),
        _ => ("a state of another kind".into(), json!({})),
    }
}

fn messages(summary: &MessageSummary) -> (String, Value) {
    let waiting = if summary.waiting {
        "messages wait"
    } else {
        "no messages wait"
    };
    let voice = summary.voice.unwrap_or_default();
    let text = format!("{waiting}: {} new, {} old", voice.new, voice.old);
    let fields = json!({
        "waiting": summary.waiting,
        "account": &*summary.account,
        "voice_new": voice.new,
        "voice_old": voice.old,
    });
    (text, fields)
}

fn dialogs(info: &DialogInfo) -> (String, Value) {
    let lamp = info.lamp().map_or("idle", |s| s.as_str());
    let all: Vec<_> = info
        .dialogs
        .iter()
        .map(|d| json!({ "id": &*d.id, "state": d.state.as_str(), "remote": &*d.remote.identity }))
        .collect();
    let text = format!("{}: {lamp}", info.entity);
    (
        text,
        json!({ "entity": &*info.entity, "lamp": lamp, "dialogs": all }),
    )
}

fn reachable(presence: &Presence) -> (String, Value) {
    let open = presence.tuples.iter().any(|t| t.open == Some(true));
    let word = if open { "open" } else { "closed" };
    let text = format!("{}: {word} {}", presence.entity, presence.note);
    let fields = json!({ "entity": &*presence.entity, "open": open, "note": &*presence.note });
    (text.trim_end().to_owned(), fields)
}
