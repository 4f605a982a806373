//! Calls through Kamailio.

use super::ours::LIMIT;
use crate::case::{Case, Peer};
use crate::error::ensure;
use crate::kamailio::Kamailio;
use crate::tipring::{Tipring, exit};

pub(super) const ASKED: Case = Case {
    name: "kamailio-is-asked",
    shows: "`tipring options` asks a proxy, gets 200 and says so",
    with: &[Peer::Kamailio],
    raw: false,
    run: |lab| {
        let proxy = Kamailio::start(lab)?;
        let uri = format!("sip:{}", proxy.host());
        let mut tipring = Tipring::start(lab, ["options", &uri, "--bind", "127.0.0.1"])?;
        tipring.wait_for_code(LIMIT, exit::FINE)?;
        ensure(tipring.process.stdout().contains("200"), || {
            "tipring does not say 200".to_owned()
        })
    },
};
