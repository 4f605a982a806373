//! Connections that peers want to be reached on.

use tsp_sip::call::Input;
use tsp_sip::transport::{ConnectionId, Flow, Transport};

use crate::peer::US;
use crate::streams::Rig;

fn flow(transport: Transport, n: u64) -> Flow {
    Flow {
        connection: Some(ConnectionId::accepted(n)),
        ..Flow::to(
            transport,
            US.parse().expect("an address"),
            "192.0.2.9:41000".parse().expect("an address"),
        )
    }
}

fn options(via: &str) -> String {
    format!(
        "OPTIONS sip:user@192.0.2.2 SIP/2.0\nVia: {via}\nMax-Forwards: 70\nFrom: <sip:p@p.example>;tag=1\n\
         To: <sip:user@192.0.2.2>\nCall-ID: o\nCSeq: 1 OPTIONS\n\n"
    )
}

/// Whether a call to sips:p.example, which is at port 5060 of 192.0.2.9, takes the connection.
fn is_used(transport: Transport, proved: Option<&str>, via: &str) -> bool {
    let mut rig = Rig::new();
    let flow = flow(transport, 1);
    rig.give(Input::Accepted { flow });
    if let Some(name) = proved {
        let names = vec![name.into()];
        rig.give(Input::Proved { flow, names });
    }
    rig.receive(flow, &options(via));
    assert!(rig.heard()[0].1.starts_with("SIP/2.0 200 "));
    let to = match transport {
        Transport::Tls => "sips:bob@p.example",
        _ => "sip:bob@p.example;transport=tcp",
    };
    rig.dial(1, to);
    let (way, text) = rig.heard().remove(0);
    assert!(text.starts_with("INVITE "));
    let used = way == flow;
    assert_eq!(rig.opened.is_empty(), used);
    if used {
        // When it is gone, what comes next opens one.
        let why = "the peer closed the connection".into();
        rig.give(Input::Closed { flow, why });
        rig.dial(2, to);
        assert_eq!(rig.opened.len(), 1);
    }
    used
}

// Shows: a connection that a peer opened carries requests to it if it asks for that over TLS and proved its name, and else never | RFC 5923 5 and 9, interop row 5
#[test]
fn only_who_proved_its_name_is_reached_on_its_connection() {
    const TLS: Transport = Transport::Tls;
    let via = "SIP/2.0/TLS p.example:5060;alias;branch=z9hG4bK1";
    assert!(is_used(TLS, Some("p.example"), via));
    // It proved nothing, or another name, or did not ask, or asks for the place of another.
    assert!(!is_used(TLS, None, via));
    assert!(!is_used(TLS, Some("q.example"), via));
    assert!(!is_used(TLS, Some("p.example"), &via.replace(";alias", "")));
    assert!(!is_used(
        TLS,
        Some("q.example"),
        &via.replace("p.ex", "q.ex")
    ));
    // Over TCP anybody could say so.
    let tcp = via.replace("TLS", "TCP");
    assert!(!is_used(Transport::Tcp, Some("p.example"), &tcp));
}
