//! Who calls: what the user wants said about it, and what is told of a call that came in.

use serde_json::{Value, json};
use tipring::{Caller, Diversion, IdentityField, IdentityPolicy, NameAddr, Trust};

use crate::account::uri;
use crate::args::{Field, IdentityArgs, TrustArgs, Trusted};
use crate::exit::{Fail, Failure};

impl TrustArgs {
    pub(crate) fn policy(&self) -> IdentityPolicy {
        let mut policy = IdentityPolicy::default();
        policy.trusted = match self.whom {
            Trusted::Nobody => Trust::Nobody,
            Trusted::Provider => Trust::Provider,
            Trusted::Anybody => Trust::Anybody,
        };
        policy
    }
}

impl IdentityArgs {
    pub(crate) fn policy(&self) -> Result<IdentityPolicy, Fail> {
        let mut policy = self.trust.policy();
        policy.hidden = self.anonymous;
        policy.name = self.name.as_deref().unwrap_or_default().into();
        policy.carried_by = match self.identity {
            Field::From => IdentityField::From,
            Field::Preferred => IdentityField::Preferred,
            Field::Asserted => IdentityField::Asserted,
            Field::RemoteParty => IdentityField::RemoteParty,
        };
        if let Some(shown) = &self.caller_id {
            let wrong = || {
                let text = format!("--caller-id: '{shown}' is no address like alice@example.com");
                Fail::new(Failure::Usage, text)
            };
            let shown = NameAddr::new(uri(shown).ok_or_else(wrong)?);
            policy.shown = Some(shown.with_display(&policy.name));
        }
        Ok(policy)
    }
}

/// A caller for people.
pub(crate) fn describe(caller: &Caller) -> String {
    let mut text = caller.to_string();
    if caller.asserted && !caller.private {
        text.push_str(", asserted");
    }
    if let Some(diversion) = caller.diversions.first() {
        text.push_str(&format!(", sent on by {}", sender(diversion)));
        if let Some(reason) = diversion.reason() {
            text.push_str(&format!(" ({reason})"));
        }
    }
    text
}

/// Who sent a call on, unless nobody shall be shown it.
fn sender(diversion: &Diversion) -> String {
    match diversion.is_private() {
        true => "anonymous".into(),
        false => diversion.address().without_params().to_string(),
    }
}

/// A caller for programs, which are told all.
pub(crate) fn caller_json(caller: &Caller) -> Value {
    let diversions: Vec<_> = caller
        .diversions
        .iter()
        .map(|d| {
            json!({
                "uri": d.address().uri().as_str(),
                "name": d.address().display(),
                "reason": d.reason().as_deref(),
                "counter": d.counter(),
                "private": d.is_private(),
            })
        })
        .collect();
    let history: Vec<_> = caller
        .history
        .iter()
        .map(|h| json!({ "uri": h.uri().as_str(), "index": h.index() }))
        .collect();
    json!({
        "uri": caller.address.uri().as_str(),
        "name": caller.address.display(),
        "number": caller.number.as_ref().map(ToString::to_string),
        "asserted": caller.asserted,
        "private": caller.private,
        "diversions": diversions,
        "history": history,
    })
}
