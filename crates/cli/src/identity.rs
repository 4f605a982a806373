//! Who calls: what the user wants said about it, and what is told of a call that came in.

use serde_json::{Value, json};
use tipring::{Caller, Diversion, IdentityField, NameAddr, NumberForm, PhoneBuilder, Trust};

use crate::account::uri;
use crate::args::{Field, IdentityArgs, Numbers, TrustArgs, Trusted};
use crate::exit::{Fail, Failure};

impl TrustArgs {
    /// The phone of `builder` with this.
    pub(crate) fn on(&self, builder: PhoneBuilder) -> PhoneBuilder {
        builder.trust(match self.whom {
            Trusted::Nobody => Trust::Nobody,
            Trusted::Provider => Trust::Provider,
            Trusted::Anybody => Trust::Anybody,
        })
    }
}

impl IdentityArgs {
    /// The phone of `builder` with this.
    pub(crate) fn on(&self, builder: PhoneBuilder) -> Result<PhoneBuilder, Fail> {
        let mut builder = self.trust.on(builder);
        if let Some(numbers) = self.numbers {
            builder = builder.numbers(match numbers {
                Numbers::Sip => NumberForm::Sip,
                Numbers::Tel => NumberForm::Tel,
            });
        }
        if let Some(field) = self.identity {
            builder = builder.identity_field(match field {
                Field::From => IdentityField::From,
                Field::Preferred => IdentityField::Preferred,
                Field::Asserted => IdentityField::Asserted,
                Field::RemoteParty => IdentityField::RemoteParty,
            });
        }
        let name = self.name.as_deref().unwrap_or_default();
        let wrong = |shown: &str| {
            let text = format!("--caller-id: '{shown}' is no address like alice@example.com");
            Fail::new(Failure::Usage, text)
        };
        let shown = match self.caller_id.as_deref() {
            Some(shown) => Some(uri(shown).ok_or_else(|| wrong(shown))?),
            None => None,
        };
        let shown = shown.map(|uri| NameAddr::new(uri).with_display(name));
        Ok(builder.shown(name, shown).hidden(self.anonymous))
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
