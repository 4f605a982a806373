//! `tipring profile`: says what a profile switches and why.

use serde_json::{Value, json};
use tipring::Profile;
use tipring::msp_engine::{Clock, SystemClock};

use crate::args::ProfileArgs;
use crate::output::Output;

pub(crate) fn run(args: &ProfileArgs) {
    let out = Output::new(&args.output, SystemClock.now());
    let Some(profile) = args.name else {
        for profile in Profile::all() {
            let (name, about) = (profile.name(), profile.about());
            let text = format!("{name:<12} {about}");
            let fields = json!({ "name": name, "about": about });
            out.event(SystemClock.now(), "profile", &text, fields);
        }
        return;
    };
    let mut text = format!("{}: {}", profile.name(), profile.about());
    for switch in profile.switches() {
        text.push_str(&format!(
            "\n{:<18} {:<15} {}",
            switch.name, switch.value, switch.why
        ));
    }
    let switches: Vec<Value> = profile
        .switches()
        .map(|s| json!({ "name": s.name, "value": s.value, "why": s.why }))
        .collect();
    let fields = json!({ "name": profile.name(), "about": profile.about(), "switches": switches });
    out.event(SystemClock.now(), "profile", &text, fields);
}
