use super::*;

fn uri(text: &str) -> Uri {
    Uri::new(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn parts_of_a_full_uri() {
    let u = uri(
        "sips:al%69ce:pass@[2001:db8::1]:5071;transport=tcp;LR;m%65=%25%34%31?Subject=hi&Priority=urgent",
    );
    assert_eq!(u.scheme(), Scheme::Sips);
    assert_eq!(u.user().as_deref(), Some("alice"));
    assert_eq!(u.raw_password(), Some("pass"));
    assert_eq!(u.host(), Some(Host::Ip("2001:db8::1".parse().unwrap())));
    assert_eq!(u.port(), Some(5071));
    assert_eq!(u.param("transport").as_deref(), Some("tcp"));
    assert_eq!(u.param("lr").as_deref(), Some(""));
    assert_eq!(
        u.param("me").as_deref(),
        Some("%41"),
        "an escape is resolved once"
    );
    assert_eq!(
        u.headers().collect::<Vec<_>>(),
        [("Subject", Some("hi")), ("Priority", Some("urgent"))]
    );
    assert_eq!(u.to_string(), u.as_str());
}

#[test]
fn a_user_may_hold_semicolons_and_escaped_at_signs() {
    let u = uri("sip:user;par=u%40example.net@example.com");
    assert_eq!(u.user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(u.raw_host(), Some("example.com"));
    assert_eq!(u.params().count(), 0);
}

#[test]
fn other_schemes_are_kept_whole() {
    let u = uri("soap.beep://192.0.2.103:3002");
    assert_eq!(
        (u.scheme(), u.scheme_text(), u.opaque()),
        (Scheme::Other, "soap.beep", "//192.0.2.103:3002")
    );
    assert_eq!(uri("urn:service:sos").opaque(), "service:sos");
    let tel = uri("tel:+1-201-555-0123;phone-context=example.com");
    assert_eq!(tel.user().as_deref(), Some("+1-201-555-0123"));
    assert_eq!(tel.param("phone-context").as_deref(), Some("example.com"));
    assert_eq!((tel.host(), tel.host_port()), (None, None));
}

#[test]
fn what_is_no_uri() {
    for bad in [
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:a",
        "sip:@b",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:0",
        "sip:a@b:99999",
        "sip:a@b;;lr",
        "sip:a b@c",
        "sip:a@b\r\n",
        "sip:<a@b>",
        "sip:a@[::1",
        "sip:a%4@b",
        "sip:a%zz@b",
        "sip:a@b;x=%1",
        "tel:",
        "sip::p@h",
        "/",
        "sip:a@b;=x",
    ] {
        assert!(Uri::new(bad).is_err(), "{bad}");
    }
    assert!(Uri::new("sip:".to_owned() + &"a".repeat(70_000)).is_err());
}

#[test]
fn built_uris_read_back() {
    let place = HostPort::new("[::1]:5062").unwrap();
    let u = Uri::sip(Some("a b@c:%"), &place);
    assert_eq!(u.as_str(), "sip:a%20b%40c%3A%25@[::1]:5062");
    assert_eq!(u, uri(u.as_str()));
    assert_eq!(u.user().as_deref(), Some("a b@c:%"));
    assert_eq!(Uri::sip(None, &place), uri("sip:[::1]:5062"));
    let p = u
        .with_param("lr", "")
        .unwrap()
        .with_param("transport", "tcp")
        .unwrap();
    assert_eq!(
        p.as_str(),
        "sip:a%20b%40c%3A%25@[::1]:5062;lr;transport=tcp"
    );
    assert_eq!(
        p.filtered(|n| n != "lr"),
        uri("sip:a%20b%40c%3A%25@[::1]:5062;transport=tcp")
    );
    assert!(u.with_param("x", "a b").is_err());
}

/// The examples of RFC 3261 section 19.1.4.
#[test]
fn equivalence_by_the_examples_of_the_rfc() {
    let same = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
    ];
    for (a, b) in same {
        assert!(
            uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)),
            "{a} {b}"
        );
    }
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:c", "sip:a@c"),
    ];
    for (a, b) in different {
        assert!(
            !uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)),
            "{a} {b}"
        );
    }
    assert!(uri("tel:+1-201-555-0123").equivalent(&uri("TEL:+1(201)5550123")));
    assert!(uri("sip:[2001:db8::1]").equivalent(&uri("sip:[2001:DB8:0::1]")));
}
